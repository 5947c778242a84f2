"""Bytes that no honest client sends: the agent stays up, and serves the next one."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from separable.compiler.tuning.rpc import RemoteError, Rpc
from separable.compiler.tuning.sockets import Address
from tests.agents import Agent, is_running, wait_until

MAGIC, MISMATCH, TRACKER_MAGIC = 0xFF271, 0xFF273, 0x2F271
LIMITS = '{"wall_s": 5, "memory_bytes": 1e9, "file_bytes": 1e6}'


def connect(agent: Agent) -> socket.socket:
    return socket.create_connection(("127.0.0.1", agent.port), timeout=10)


def greeting(text: bytes) -> bytes:
    return struct.pack("<ii", MAGIC, len(text)) + text


def begin(agent: Agent) -> socket.socket:
    """A session that has just begun."""
    connection = connect(agent)
    connection.sendall(greeting(b"client:board"))
    answer = connection.recv(64)
    assert struct.unpack_from("<i", answer) == (MAGIC,)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    try:
        while piece := connection.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


def assert_serves(agent: Agent) -> None:
    """The next client is served; the session before may still be ending."""
    deadline = time.monotonic() + 10
    while True:
        try:
            rpc = Rpc(agent.address, "board", 5)
        except OSError:
            assert time.monotonic() < deadline, agent.log()
            time.sleep(0.05)
            continue
        assert "protocol" in str(rpc.call("separable.describe", timeout_s=5))
        rpc.close()
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<i", TRACKER_MAGIC),
        struct.pack("<ii", MAGIC, -1),
        struct.pack("<ii", MAGIC, 0x7FFFFFFF),
        bytes(range(256)) * 40,
    ],
)
def test_what_is_no_greeting_is_hung_up_on(agent: Agent, data: bytes) -> None:
    connection = connect(agent)
    with suppress(OSError):  # it may hang up before all is sent
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    assert rest(connection) == b""
    assert_serves(agent)


def test_another_match_key_is_refused(agent: Agent) -> None:
    connection = connect(agent)
    connection.sendall(greeting(b"client:boar"))
    assert rest(connection) == struct.pack("<i", MISMATCH)


def test_many_who_say_nothing_keep_nobody_out(agent: Agent) -> None:
    silent = [connect(agent) for _ in range(30)]
    assert_serves(agent)
    for connection in silent:
        connection.close()


def test_a_second_client_is_refused_while_the_device_is_busy(agent: Agent) -> None:
    first = Rpc(agent.address, "board", 5)
    with pytest.raises(ConnectionRefusedError):
        Rpc(agent.address, "board", 5)
    first.close()
    assert_serves(agent)


@pytest.mark.parametrize("size", [64 << 20 | 1, 1 << 40, (1 << 64) - 1])
def test_a_packet_that_is_too_large_ends_the_session(agent: Agent, size: int) -> None:
    connection = begin(agent)
    connection.sendall(struct.pack("<Q", size))
    assert b"larger than 64 MiB" in rest(connection)
    assert_serves(agent)


def test_a_claimed_size_takes_no_memory(agent: Agent) -> None:
    """A packet of 64 MiB is announced; a few bytes come; then the client is gone."""
    connection = begin(agent)
    connection.sendall(struct.pack("<Q", 64 << 20) + b"\x02\x00")
    connection.close()
    assert_serves(agent)


def test_packets_in_pieces_and_packed_together(agent: Agent) -> None:
    version = b"0.8.0"
    init = struct.pack("<iQ", 2, len(version)) + version + struct.pack("<i", 0)
    init = struct.pack("<Q", len(init)) + init
    connection = begin(agent)
    for byte in init:
        connection.sendall(bytes([byte]))
    shutdown = struct.pack("<Qi", 4, 1)
    connection.sendall(struct.pack("<Q", 0) + init + shutdown)  # an empty packet counts for nothing
    data = rest(connection)
    assert struct.unpack_from("<Qiii", data) == (12, 4, 1, 0)  # a return of nothing
    assert struct.unpack_from("<Qi", data, 20)[1] == 5  # an exception: it has begun already
    assert_serves(agent)


def test_files_stay_in_the_folder_of_the_session(agent: Agent, tmp_path: Path) -> None:
    rpc = Rpc(agent.address, "board", 5)
    for name in ("../escaped", "/tmp/escaped", ".hidden", "", "a/b", "x" * 129):
        with pytest.raises(RemoteError, match="a file name is"):
            rpc.call("tvm.rpc.server.upload", name, b"x", timeout_s=5)
    rpc.call("tvm.rpc.server.upload", "p.sh", b"#!/bin/sh\nln -s /etc/passwd ../link\n", timeout_s=5)
    rpc.call("separable.run", "p.sh", "[]", "{}", LIMITS, timeout_s=10)
    with pytest.raises(RemoteError, match="cannot read link"):  # a program may leave links behind
        rpc.call("tvm.rpc.server.download", "link", timeout_s=5)
    with pytest.raises(RemoteError, match="Invalid argument"):
        rpc.call("separable.run", "p.sh", "[]", '{"../x": "p.sh"}', LIMITS, timeout_s=5)
    rpc.close()


@pytest.mark.parametrize(
    ("arguments", "files", "limits", "message"),
    [
        ("[1]", "{}", LIMITS, "arguments are no JSON"),
        ("[[]]" * 1000, "{}", LIMITS, "arguments are no JSON"),
        ("[" * 100000, "{}", LIMITS, "arguments are no JSON"),
        ("[]", "[]", LIMITS, "files are no JSON"),
        ("[]", "{}", "{}", "limits are no JSON"),
        ("[]", "{}", LIMITS.replace("5", "1e300"), "limits are no JSON"),
        ("[]", "{}", LIMITS.replace("5", "-1"), "limits are no JSON"),
        ("[]", "{}", LIMITS, "No such file"),
    ],
)
def test_a_malformed_run_is_refused(agent: Agent, arguments: str, files: str, limits: str, message: str) -> None:
    rpc = Rpc(agent.address, "board", 5)
    with pytest.raises(RemoteError, match=message):
        rpc.call("separable.run", "p.sh", arguments, files, limits, timeout_s=5)
    rpc.close()


def test_a_client_that_vanishes_takes_its_program_along(agent: Agent) -> None:
    rpc = Rpc(agent.address, "board", 5)
    rpc.call("tvm.rpc.server.upload", "p.sh", b"#!/bin/sh\necho $$ > ../../../pid\nexec sleep 100\n", timeout_s=5)
    with pytest.raises(TimeoutError):
        rpc.call("separable.run", "p.sh", "[]", "{}", LIMITS.replace("5", "60"), timeout_s=1)
    pid = int((agent.work / "pid").read_text())
    rpc.close(polite=False)
    wait_until(lambda: not is_running(pid))
    assert_serves(agent)


def test_a_silent_client_is_given_up(agent_program: Path, tmp_path: Path) -> None:
    with Agent(agent_program, None, "board", tmp_path / "work", "--idle", "1") as agent:
        connection = begin(agent)
        assert rest(connection) == b""
        assert_serves(agent)


def test_the_end_removes_every_file(agent_program: Path, tmp_path: Path) -> None:
    with Agent(agent_program, None, "board", tmp_path / "work") as agent:
        rpc = Rpc(agent.address, "board", 5)
        rpc.call("tvm.rpc.server.upload", "file", b"x", timeout_s=5)
        assert list(agent.work.glob("separable-agent.*/session/file"))
    assert agent.process.returncode == 0
    assert agent.folders() == []
    assert "ERROR" not in agent.log()


def test_folders_of_killed_agents_are_removed_by_the_next(agent_program: Path, tmp_path: Path) -> None:
    with Agent(agent_program, None, "board", tmp_path / "work") as killed:
        killed.process.kill()
        killed.process.wait()
        (left,) = killed.folders()
        with Agent(agent_program, None, "board", tmp_path / "work") as agent:
            assert not left.exists()
            assert len(agent.folders()) == 1


@pytest.mark.parametrize("answer", [b"", b"\x00" * 4, struct.pack("<ii", TRACKER_MAGIC, -1), b"HTTP/1.1 400\r\n" * 99])
def test_what_is_no_tracker_is_left_alone(agent_program: Path, tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as fake:
        fake.settimeout(10)
        address = Address("127.0.0.1", fake.getsockname()[1])
        agent = Agent(agent_program, address, "board", tmp_path / "work")
        try:
            for _ in range(2):  # it tries again
                connection, _ = fake.accept()
                connection.sendall(answer)
                connection.close()
            wait_until(lambda: "no tracker" in agent.log())
            assert agent.process.poll() is None
        finally:
            agent.__exit__()
    assert "ERROR" not in agent.log()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--key is missing"),
        (["--key", "a b"], "1 to 64 of the characters"),
        (["--key", 'a"b'], "1 to 64 of the characters"),
        (["--key", "k", "--tracker", "tracker.example:9190"], "a numeric HOST:PORT"),
        (["--key", "k", "--tracker", "127.0.0.1:99999"], "a numeric HOST:PORT"),
        (["--key", "k", "--port", "0"], "a port of 1 to 65535"),
        (["--key", "k", "--listen", "board"], "a numeric address"),
        (["--key", "k", "--cpus", "0-"], "no list of CPUs"),
        (["--key", "k", "--work", "/nowhere"], "--work names another one"),
        (["--key", "k", "--fast"], "a value, or another option"),
        (["--key", "k", "--fast", "1"], "an option of the agent"),
    ],
)
def test_a_wrong_command_line_says_what_is_expected(agent_program: Path, options: list[str], message: str) -> None:
    done = subprocess.run([agent_program, *options], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_a_port_that_is_taken_is_said(agent_program: Path, agent: Agent) -> None:
    command = [str(agent_program), "--key", "k", "--port", str(agent.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_other_machines_may_connect_only_when_told_so(agent_program: Path, tmp_path: Path) -> None:
    with Agent(agent_program, None, "board", tmp_path / "work") as agent:
        assert "no authentication" not in agent.log()
    with Agent(agent_program, None, "board", tmp_path / "work", "--listen", "0.0.0.0") as agent:
        assert "TVM RPC has no authentication" in agent.log()
