"""One device behind an agent: what its programs do, and what it does itself."""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from separable.compiler.tuning import remote, rpc
from separable.compiler.tuning.errors import DeviceLost, TrackerUnreachable, TuningError
from separable.compiler.tuning.remote import RemoteDevice, TrackerSource
from separable.compiler.tuning.sockets import Address, parse_address
from separable.compiler.tuning.tracker import Offer, read_summary, request_device
from tests.agents import Agent, free_port, is_running, running_tracker, wait_until

from .scripts import script


@pytest.fixture
def agent(agent_program: Path, tmp_path: Path) -> Iterator[Agent]:
    with Agent(agent_program, None, "board", tmp_path / "work") as running:
        yield running


@pytest.fixture
def device(agent: Agent) -> Iterator[RemoteDevice]:
    device = RemoteDevice(Offer(agent.address, "board"), "board", answer_s=3)
    yield device
    device.close()


class TestPrograms:
    def test_arguments_files_and_output_go_over(self, device: RemoteDevice, tmp_path: Path) -> None:
        commands = 'printf "%s|" "$@"; cat one two; echo trouble >&2; pwd >&2; exit 7'
        candidate = script(tmp_path, commands, "a b", "ü", "", one="1", two="2\n")
        finished = device.run(candidate)
        assert (finished.returncode, finished.stdout, finished.timed_out) == (7, "a b|ü||12\n", False)
        assert finished.stderr.startswith("trouble\n")
        assert 0 < finished.wall_s < 5

    @pytest.mark.parametrize(("name", "number"), [("SEGV", 11), ("ILL", 4), ("KILL", 9)])
    def test_a_crash_is_a_signal(self, device: RemoteDevice, tmp_path: Path, name: str, number: int) -> None:
        assert device.run(script(tmp_path, f"kill -{name} $$")).returncode == -number
        assert device.run(script(tmp_path, "echo alive")).stdout == "alive\n"

    def test_what_hangs_is_killed_with_all_that_it_started(self, device: RemoteDevice, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        finished = device.run(script(tmp_path, f"sleep 100 & echo $! $$ > {pids}; sleep 100", timeout_s=0.3))
        assert finished.timed_out
        assert finished.returncode == -signal.SIGKILL
        assert 0.3 <= finished.wall_s < 3
        wait_until(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))

    def test_what_wants_all_the_memory_does_not_get_it(self, device: RemoteDevice, tmp_path: Path) -> None:
        eater = "head -c 400000000 /dev/zero | tail > /dev/null"
        assert device.run(script(tmp_path, f"{eater}; echo $?")).stdout == "0\n"
        assert device.run(script(tmp_path, f"{eater}; echo $?", memory_bytes=64 << 20)).stdout != "0\n"

    def test_what_fills_the_disk_is_stopped(self, device: RemoteDevice, tmp_path: Path) -> None:
        finished = device.run(script(tmp_path, "head -c 100000000 /dev/zero > file; echo $?; ls -l file"))
        assert finished.stdout.split()[0] == str(128 + signal.SIGXFSZ)
        assert device.run(script(tmp_path, "ls")).stdout == ""

    def test_endless_output_is_cut(self, device: RemoteDevice, tmp_path: Path) -> None:
        finished = device.run(script(tmp_path, "yes | head -c 5000000; yes no | head -c 5000000 >&2"))
        assert len(finished.stdout) == 1 << 20
        assert len(finished.stderr) == 8 << 10

    def test_output_that_is_no_text(self, device: RemoteDevice, tmp_path: Path) -> None:
        assert device.run(script(tmp_path, r"printf 'a\000\377\033b'")).stdout == "a\0\ufffd\x1bb"

    def test_a_child_that_keeps_the_output_open_does_not_hold_it_up(self, device: RemoteDevice, tmp_path: Path) -> None:
        finished = device.run(script(tmp_path, "setsid sleep 3 & echo done"))
        assert finished.stdout == "done\n"
        assert finished.wall_s < 2

    def test_what_is_no_program_is_the_fault_of_the_device(self, device: RemoteDevice, tmp_path: Path) -> None:
        candidate = script(tmp_path, "")
        candidate.program.write_bytes(b"\x7fELF nonsense")
        with pytest.raises(DeviceLost, match=r"board at .*Exec format error"):
            device.run(candidate)


class TestFiles:
    def test_the_same_content_is_sent_once(
        self, device: RemoteDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[str] = []
        send = RemoteDevice._send

        def count_and_send(self: RemoteDevice, digest: str, path: Path) -> None:
            sent.append(digest)
            send(self, digest, path)

        monkeypatch.setattr(RemoteDevice, "_send", count_and_send)
        for _ in range(3):
            assert device.run(script(tmp_path, "cat a b", a="same", b="same")).stdout == "samesame"
        assert len(sent) == 2  # the program and the content
        changed = script(tmp_path, "cat a b", a="same", b="other")
        assert device.run(changed).stdout == "sameother"
        assert len(sent) == 3
        changed.files["b"].write_text("third")
        assert device.run(changed).stdout == "samethird"

    def test_large_files_go_in_pieces(
        self, device: RemoteDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remote, "_PIECE", 1000)
        for size in (0, 999, 1000, 1001, 2000):
            content = "".join(chr(97 + i % 23) for i in range(size))
            assert device.run(script(tmp_path, "cat a", a=content)).stdout == content

    def test_what_was_unused_longest_goes_first(
        self, device: RemoteDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remote, "_STORE_BYTES", 2500)
        for letter in "abcda":
            candidate = script(tmp_path, "cat x", x=letter * 1000)
            assert device.run(candidate).stdout == letter * 1000
            assert sum(device._stored.values()) <= 2500

    def test_a_full_disk_is_made_free_or_told(self, agent_program: Path, tmp_path: Path) -> None:
        """A limit for the size of a file stands for the disk that is full."""
        shell = ("/bin/sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
        with Agent(agent_program, None, "small", tmp_path / "work", runner=shell) as agent:
            device = RemoteDevice(Offer(agent.address, "small"), "small", answer_s=3)
            assert device.run(script(tmp_path, "cat x", x="fits")).stdout == "fits"
            with pytest.raises(DeviceLost, match=r"small at .*cannot write .*File too large"):
                device.run(script(tmp_path, "cat x", x="x" * 1000000))
            assert device.run(script(tmp_path, "cat x", x="fits")).stdout == "fits"
            device.close()

    def test_a_file_that_is_gone_is_not_the_fault_of_the_device(self, device: RemoteDevice, tmp_path: Path) -> None:
        candidate = script(tmp_path, "cat x", x="x")
        candidate.files["x"].unlink()
        with pytest.raises(FileNotFoundError):
            device.run(candidate)


class TestDevice:
    def test_it_describes_itself(self, device: RemoteDevice, agent: Agent) -> None:
        description = device.describe()
        assert device.name == f"board at {agent.address}"
        assert {"agent", "protocol", "arch", "model", "isa", "cpus", "temperatures", "memory_bytes"} <= set(description)
        assert isinstance(description["cpus"], list)

    def test_a_frozen_one_is_noticed(self, device: RemoteDevice, agent: Agent, tmp_path: Path) -> None:
        agent.signal_all(signal.SIGSTOP)
        start = time.monotonic()
        device._answer_s = 0.5
        with pytest.raises(DeviceLost, match="no answer in time"):
            device.run(script(tmp_path, "echo", timeout_s=0.2))
        assert time.monotonic() - start < 3

    def test_a_frozen_one_cannot_be_connected_to(self, agent: Agent) -> None:
        agent.signal_all(signal.SIGSTOP)
        with pytest.raises(DeviceLost, match="no answer in time"):
            RemoteDevice(Offer(agent.address, "board"), "board", answer_s=0.3)

    def test_a_dead_one_is_noticed_at_once(self, device: RemoteDevice, agent: Agent, tmp_path: Path) -> None:
        killer = threading.Timer(0.5, lambda: agent.signal_all(signal.SIGKILL))
        killer.start()
        start = time.monotonic()
        with pytest.raises(DeviceLost, match="board at"):
            device.run(script(tmp_path, "sleep 60", timeout_s=60))
        assert time.monotonic() - start < 10

    def test_nobody_there(self) -> None:
        with pytest.raises(DeviceLost, match="Connection refused"):
            RemoteDevice(Offer(Address("127.0.0.1", free_port()), "k"), "k", answer_s=1)

    def test_another_match_key(self, agent: Agent) -> None:
        with pytest.raises(DeviceLost, match="given to someone else"):
            RemoteDevice(Offer(agent.address, "other"), "board", answer_s=1)


def serve_once(answer: Callable[[socket.socket], None]) -> tuple[Address, threading.Thread]:
    """A server that talks to one client as it likes, then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return Address("127.0.0.1", listener.getsockname()[1]), thread


_WELCOME = struct.pack("<ii", 0xFF271, 8) + b"server:k"


class TestHostileDevice:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            struct.pack("<ii", 0xFF271, -1),
            _WELCOME,
            _WELCOME + struct.pack("<Q", 1 << 63),
            _WELCOME + struct.pack("<Q", 4) + b"abcd",
            _WELCOME + struct.pack("<Qii", 8, 4, 1),
            _WELCOME + struct.pack("<Qiii", 12, 4, 1, 70),
            _WELCOME + struct.pack("<QiiiQ", 20, 4, 1, 8, 1 << 60),
            _WELCOME + struct.pack("<Qii", 8, 4, 0x7FFFFFFF),
            _WELCOME + struct.pack("<Qii", 8, 99, 0),
            _WELCOME + struct.pack("<QiiiQ", 22, 5, 1, 8, 2) + b"\xff\xfe",
        ],
    )
    def test_broken_answers_are_the_loss_of_the_device(self, answer: bytes) -> None:
        address, thread = serve_once(lambda connection: connection.sendall(answer))
        with pytest.raises(DeviceLost, match="k at"):
            RemoteDevice(Offer(address, "k"), "k", answer_s=2)
        thread.join(5)

    def test_what_drips_in_slowly_is_given_up(self) -> None:
        """Each byte comes in time, but not the whole."""

        def drip(connection: socket.socket) -> None:
            with suppress(OSError):
                while True:
                    connection.send(b"\x71")
                    time.sleep(0.05)

        address, _ = serve_once(drip)
        start = time.monotonic()
        with pytest.raises(OSError, match=r"timed out|no agent"):
            rpc.Rpc(address, "k", timeout_s=0.5)
        assert time.monotonic() - start < 3

    @pytest.mark.parametrize("answer", ["[1]", "{", "[" * 100000, '{"returncode": "x"}', "{}"])
    def test_broken_reports_of_runs(
        self, device: RemoteDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        call = rpc.Rpc.call
        monkeypatch.setattr(
            rpc.Rpc, "call", lambda self, name, *a, **k: answer if "run" in name else call(self, name, *a, **k)
        )
        with pytest.raises(DeviceLost, match="board at"):
            device.run(script(tmp_path, "echo"))


class TestTracker:
    def test_a_device_is_registered_handed_out_and_offered_again(
        self, agent_program: Path, tracker: Address, tmp_path: Path
    ) -> None:
        source = TrackerSource(tracker, "again", answer_s=3)
        assert source.registered() == 0
        assert source.acquire() is None
        with Agent(agent_program, tracker, "again", tmp_path / "work") as agent:
            wait_until(lambda: read_summary(tracker).free.get("again") == 1)
            for _ in range(3):
                device = source.acquire()
                assert device is not None
                assert device.run(script(tmp_path, "echo hello")).stdout == "hello\n"
                assert source.acquire() is None
                assert source.registered() == 1
                source.release(device)
                wait_until(lambda: read_summary(tracker).free.get("again") == 1)
            (server,) = read_summary(tracker).registered("again")
            assert (server.address, server.key) == (agent.address, "again")
        wait_until(lambda: source.registered() == 0)

    def test_a_client_that_takes_a_device_and_does_not_come(
        self, agent_program: Path, tracker: Address, tmp_path: Path
    ) -> None:
        """The agent notices that its match key was handed out, and offers a new one."""
        with Agent(agent_program, tracker, "shy", tmp_path / "work"):
            wait_until(lambda: read_summary(tracker).free.get("shy") == 1)
            assert request_device(tracker, "shy") is not None
            assert request_device(tracker, "shy", timeout_s=0.3) is None
            wait_until(lambda: read_summary(tracker).free.get("shy") == 1, 20)

    def test_a_restarted_tracker_knows_the_device_again(self, agent_program: Path, tmp_path: Path) -> None:
        port = free_port()
        with running_tracker(port) as tracker:
            agent = Agent(agent_program, tracker, "steady", tmp_path / "work")
            agent.__enter__()
        try:
            with pytest.raises(TrackerUnreachable, match=r"no tracker answers.*separable tracker --port"):
                read_summary(tracker)
            with running_tracker(port):
                wait_until(lambda: read_summary(tracker).free.get("steady") == 1, 30)
        finally:
            agent.__exit__()

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            struct.pack("<ii", 0x2F271, -1),
            struct.pack("<ii", 0x2F271, 1 << 30),
            struct.pack("<ii", 0x2F271, 2) + b"[0",
            *(
                struct.pack("<ii", 0x2F271, len(text)) + text
                for text in (
                    b"[" * 100000,
                    b"0",
                    b"[1, {}]",
                    b"[0, {}]",
                    b"[0, []]",
                    b"\xff\xff",
                    json.dumps([0, {"queue_info": {"k": 1}, "server_info": []}]).encode(),
                    json.dumps([0, {"queue_info": {}, "server_info": [{"key": "server:k", "addr": 7}]}]).encode(),
                    json.dumps([0, {"queue_info": {}, "server_info": [{"addr": ["h", 1]}]}]).encode(),
                )
            ),
        ],
    )
    def test_what_is_no_tracker_is_said(self, answer: bytes) -> None:
        def tell(connection: socket.socket) -> None:
            connection.recv(64)
            connection.sendall(answer)

        address, _ = serve_once(tell)
        with pytest.raises(TrackerUnreachable, match=r"127\.0\.0\.1"):
            read_summary(address, timeout_s=2)

    @pytest.mark.parametrize(
        ("offer", "error"),
        [
            ([1, 2], TrackerUnreachable),
            (None, TrackerUnreachable),
            (["h", "1", "k"], TrackerUnreachable),
            (["127.0.0.1", 9, "\ud800"], TrackerUnreachable),
            (["127.0.0.1", 99999, "k"], DeviceLost),
            (["127.0.0.1", -1, "k"], DeviceLost),
            (["a..b", 1, "k"], DeviceLost),
            (["x" * 300, 1, "k"], DeviceLost),
        ],
    )
    def test_offers_of_a_hostile_tracker(self, offer: object, error: type[Exception]) -> None:
        answers = iter([[0, {"queue_info": {"k": {"free": 1}}, "server_info": []}], [0, offer]])
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            for answer in answers:
                with listener.accept()[0] as connection:
                    text = json.dumps(answer).encode()
                    connection.recv(64)
                    connection.sendall(struct.pack("<ii", 0x2F271, len(text)) + text)
                    while connection.recv(4096):  # until it hangs up: to close earlier could discard the answer
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with listener, pytest.raises(error):
            TrackerSource(Address("127.0.0.1", listener.getsockname()[1]), "k", answer_s=1).acquire()

    def test_one_that_says_nothing(self) -> None:
        address, _ = serve_once(lambda connection: time.sleep(1))
        with pytest.raises(TrackerUnreachable, match="no answer in time"):
            read_summary(address, timeout_s=0.2)


@pytest.mark.parametrize(("text", "host", "port"), [("a.b:1", "a.b", 1), ("[::1]:9190", "::1", 9190)])
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text", ["", ":", "a", "a:", ":1", "a:b", "a:0", "a:65536", "a:-1", "::1:9190", "[a]:1", "a:²"]
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(TuningError, match=r"address|port"):
        parse_address(text)
