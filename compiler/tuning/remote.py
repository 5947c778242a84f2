"""A device behind an agent, and where such devices come from: a tracker, or one address."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from separable.compiler.tuning.device import Candidate, Device, Finished
from separable.compiler.tuning.errors import DeviceLost
from separable.compiler.tuning.rpc import RemoteError, Rpc
from separable.compiler.tuning.sockets import Address, reason
from separable.compiler.tuning.tracker import Offer, read_summary, request_device

# Files go over in pieces, so that a small device never holds more than this in memory for them, and each piece arrives
# in time through a slow network.
_PIECE = 1 << 20
# What a device keeps of earlier candidates' files; above it, those unused longest go.
_STORE_BYTES = 512 << 20
_MAX_FILE_BYTES = 64 << 20


class RemoteDevice:
    """One session with an agent. Everything it is asked has a time limit, so that a frozen device is noticed."""

    def __init__(self, offer: Offer, key: str, *, answer_s: float = 10.0) -> None:
        """Connect.

        Args:
            offer: where, and the match key.
            key: what devices of this kind are called.
            answer_s: seconds in which the device must answer what takes no time, a piece of a file among it; for
                running a program they come on top of its own limit.

        Raises:
            DeviceLost: it does not answer.
        """
        self.name = f"{key} at {offer.address}"
        self._answer_s = answer_s
        self._stored: dict[str, int] = {}  # SHA-256 -> bytes, longest unused first
        self._digests: dict[tuple[str, int, int], str] = {}
        try:
            self._rpc = Rpc(offer.address, offer.match_key, answer_s)
        except (OSError, RemoteError) as error:
            raise self._lost(error) from error

    def describe(self) -> Mapping[str, object]:
        """What the agent says of its device (see ``runtime/agent/describe.c``)."""
        return self._answer(self._call("separable.describe"))

    def run(self, candidate: Candidate) -> Finished:
        """Run a program; what it needs and the device does not have yet is sent first.

        Raises:
            DeviceLost: the device failed.
        """
        program = self._digest(candidate.program)
        files = {name: self._digest(path) for name, path in candidate.files.items()}
        needed = {program, *files.values()}
        self._store(program, candidate.program, needed)
        for name, path in candidate.files.items():
            self._store(files[name], path, needed)
        limits = {
            "wall_s": candidate.timeout_s,
            "memory_bytes": candidate.memory_bytes,
            "file_bytes": _MAX_FILE_BYTES,
        }
        texts = (json.dumps(list(candidate.arguments)), json.dumps(files), json.dumps(limits))
        answer = self._answer(
            self._call("separable.run", program, *texts, timeout_s=candidate.timeout_s + self._answer_s)
        )
        try:
            return Finished(
                returncode=int(answer["returncode"]),  # type: ignore[call-overload]
                stdout=str(answer["stdout"]),
                stderr=str(answer["stderr"]),
                timed_out=bool(answer["timed_out"]),
                wall_s=float(answer["wall_s"]),  # type: ignore[arg-type]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._lost(error, "its report of a run is malformed") from error

    def close(self) -> None:
        """Give the device back; it is then free for others."""
        self._rpc.close()

    def _digest(self, path: Path) -> str:
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size)
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]

    def _store(self, digest: str, path: Path, needed: set[str]) -> None:
        """Send a file unless the device has it; then it counts as used last."""
        if digest in self._stored:
            self._stored[digest] = self._stored.pop(digest)
            return
        size = path.stat().st_size
        self._make_room(_STORE_BYTES - size, needed)
        try:
            self._send(digest, path)
        except RemoteError:  # its disk is full, perhaps with files of earlier candidates
            self._make_room(0, needed)
            try:
                self._send(digest, path)
            except RemoteError as error:
                raise self._lost(error) from error
        self._stored[digest] = size

    def _send(self, digest: str, path: Path) -> None:
        with path.open("rb") as file:
            function = "tvm.rpc.server.upload"
            while True:
                piece = file.read(_PIECE)
                if not piece and function == "separable.append":
                    return
                self._checked(function, digest, piece)
                function = "separable.append"

    def _make_room(self, limit: int, needed: set[str]) -> None:
        """Remove what was unused longest until ``limit`` bytes are left, but nothing that is needed now."""
        for digest in [digest for digest in self._stored if digest not in needed]:
            if sum(self._stored.values()) <= limit:
                return
            self._call("tvm.rpc.server.remove", digest)
            del self._stored[digest]

    def _checked(self, function: str, *arguments: str | bytes, timeout_s: float | None = None) -> object:
        """The answer of the agent; a refusal stays a RemoteError."""
        try:
            return self._rpc.call(function, *arguments, timeout_s=timeout_s or self._answer_s)
        except OSError as error:
            self._rpc.close(polite=False)
            raise self._lost(error) from error

    def _call(self, function: str, *arguments: str | bytes, timeout_s: float | None = None) -> object:
        try:
            return self._checked(function, *arguments, timeout_s=timeout_s)
        except RemoteError as error:
            raise self._lost(error) from error

    def _answer(self, text: object) -> Mapping[str, object]:
        try:
            answer = json.loads(str(text))
        except (ValueError, RecursionError) as error:
            raise self._lost(error, "its answer is no JSON") from error
        if not isinstance(answer, dict):
            raise self._lost(None, "its answer is no JSON object")
        return answer

    def _lost(self, error: Exception | None, what: str = "") -> DeviceLost:
        why = reason(error) if error and not what else what
        return DeviceLost(f"{self.name}: {why}", self.name)


class TrackerSource:
    """The devices that are registered with a tracker under one key."""

    def __init__(self, tracker: Address, key: str, *, answer_s: float = 10.0) -> None:
        self.tracker = tracker
        self.key = key
        self._answer_s = answer_s

    def __str__(self) -> str:
        return f"{self.key!r} at the tracker {self.tracker}"

    def registered(self) -> int:
        """How many devices there are, free and busy.

        Raises:
            TrackerUnreachable: no tracker answers.
        """
        return len(read_summary(self.tracker).registered(self.key))

    def acquire(self) -> RemoteDevice | None:
        """A free device, None if there is none now.

        Raises:
            TrackerUnreachable: no tracker answers.
            DeviceLost: one was handed out, but does not answer.
        """
        # The tracker keeps a request waiting until a device is free: it is asked only when there is one.
        if read_summary(self.tracker).free.get(self.key, 0) == 0:
            return None
        offer = request_device(self.tracker, self.key, timeout_s=2.0)
        return None if offer is None else RemoteDevice(offer, self.key, answer_s=self._answer_s)

    def release(self, device: Device) -> None:
        """End its session, so that others can have it."""
        device.close()
