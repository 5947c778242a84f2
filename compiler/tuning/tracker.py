"""A client of TVM's tracker, which knows the devices by their keys and hands the free ones out.

The protocol is that of ``tvm.rpc.tracker``: a magic number each way, then JSON behind its length (int32, little
endian). TVM's own client waits for ever when the tracker freezes or no device is free, and to import it takes seconds.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from separable.compiler.tuning.errors import TrackerUnreachable
from separable.compiler.tuning.sockets import Address, Connection, Deadline, reason

DEFAULT_PORT = 9190

_MAGIC = 0x2F271
_SUCCESS, _REQUEST, _SUMMARY = 0, 4, 6
_MAX_ANSWER = 1 << 24


@dataclass(frozen=True)
class Server:
    """A device that is registered, free or busy.

    Attributes:
        key: what devices of its kind are called.
        address: as clients reach it.
        agent: version of its agent, empty if it is another program.
        arch: what the agent was compiled for: ``aarch64``, ``armv7``, ``x86_64``.
    """

    key: str
    address: Address
    agent: str
    arch: str


@dataclass(frozen=True)
class Summary:
    """What the tracker knows.

    Attributes:
        free: devices to be had, by key.
        servers: every device that is registered.
    """

    free: Mapping[str, int]
    servers: tuple[Server, ...]

    def registered(self, key: str) -> tuple[Server, ...]:
        """The devices of one key."""
        return tuple(server for server in self.servers if server.key == key)


@dataclass(frozen=True)
class Offer:
    """A device that was handed out: whoever connects there and names the match key gets it."""

    address: Address
    match_key: str


def read_summary(tracker: Address, timeout_s: float = 5.0) -> Summary:
    """Ask the tracker what it knows.

    Raises:
        TrackerUnreachable: no tracker answers there.
    """
    answer = _ask(tracker, [_SUMMARY], timeout_s)
    try:
        queues, servers = answer["queue_info"], answer["server_info"]
        return Summary(
            {str(key): int(queue["free"]) for key, queue in queues.items()}, tuple(_server(entry) for entry in servers)
        )
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise TrackerUnreachable(f"{tracker} answers something that is no summary of a tracker") from error


def request_device(tracker: Address, key: str, timeout_s: float = 5.0) -> Offer | None:
    """Take a free device; None if none was handed out in time.

    Raises:
        TrackerUnreachable: no tracker answers there.
    """
    try:
        host, port, match_key = _ask(tracker, [_REQUEST, key, "", 1], timeout_s, may_wait=True)
        if not (isinstance(host, str) and isinstance(port, int) and isinstance(match_key, str) and match_key.isascii()):
            raise TypeError
        return Offer(Address(host, port), match_key)
    except TimeoutError:
        return None
    except (TypeError, ValueError) as error:
        raise TrackerUnreachable(f"{tracker} answers something that is no device of a tracker") from error


def _server(entry: Mapping[str, Any]) -> Server:
    host, port = entry["addr"]
    key = str(entry["key"]).removeprefix("server:")
    return Server(key, Address(str(host), int(port)), str(entry.get("agent", "")), str(entry.get("arch", "")))


def _ask(tracker: Address, question: list[object], timeout_s: float, may_wait: bool = False) -> Any:
    """The answer to one question, on a connection of its own: a tracker may restart at any time.

    Raises:
        TrackerUnreachable: no tracker answers there.
        TimeoutError: it answers, but not to this question; only if it ``may_wait``.
    """
    deadline = Deadline(timeout_s)
    connection = None
    greeted = False
    try:
        connection = Connection(tracker, deadline)
        connection.send(struct.pack("<i", _MAGIC), deadline)
        (magic,) = struct.unpack("<i", connection.receive(4, deadline))
        if magic != _MAGIC:
            raise TrackerUnreachable(f"what answers at {tracker} is no tracker; start one: separable tracker")
        greeted = True
        text = json.dumps(question).encode()
        connection.send(struct.pack("<i", len(text)) + text, deadline)
        (size,) = struct.unpack("<i", connection.receive(4, deadline))
        if not 0 < size <= _MAX_ANSWER:
            raise TrackerUnreachable(f"{tracker} breaks the tracker's protocol: an answer of {size} bytes")
        answer = json.loads(connection.receive(size, deadline))
    except (ValueError, RecursionError) as error:
        raise TrackerUnreachable(f"{tracker} breaks the tracker's protocol: its answer is no JSON") from error
    except OSError as error:
        if may_wait and greeted and isinstance(error, TimeoutError):
            raise
        raise TrackerUnreachable(
            f"no tracker answers at {tracker}: {reason(error)}; start one: separable tracker --port {tracker.port}"
        ) from error
    finally:
        if connection is not None:
            connection.close()
    if not isinstance(answer, list) or len(answer) != 2 or answer[0] != _SUCCESS:
        raise TrackerUnreachable(f"{tracker} refuses the question")
    return answer[1]
