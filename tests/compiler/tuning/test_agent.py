"""How the agent gets to a device: built, written to a folder, pushed over adb; and the tracker's command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from separable.compiler.errors import CompileError, ToolchainMissing
from separable.compiler.tuning import agent_build
from separable.compiler.tuning.agent_build import (
    ZIG_TARGETS,
    agent_arch,
    agent_version,
    build_agent,
    cache_folder,
    write_agent,
)
from separable.compiler.tuning.errors import AgentError
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import read_summary
from separable.targets.errors import ToolchainError, ToolchainNotFound
from tests.agents import answers, free_port, wait_until
from tests.compiler.calls import call

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build"  # kept between runs: a first build takes half a minute
SEPARABLE = [sys.executable, "-c", "from separable.compiler.cli import main; main()"]


class TestBuild:
    @pytest.mark.parametrize(
        ("target", "arch"),
        [
            ("arm64", "aarch64"),
            ("android-arm64:cortex-a76", "aarch64"),
            ("linux-arm64+dotprod", "aarch64"),
            ("armv7", "armv7"),
            ("armv7:cortex-a7", "armv7"),
            ("linux-arm64-musl", "aarch64"),
            ("x86-64-musl", "x86_64"),
            ("x86-64", "x86_64"),
            ("x86-64-v3", "x86_64"),
            ("x86-64:znver3", "x86_64"),
        ],
    )
    def test_targets(self, target: str, arch: str) -> None:
        assert agent_arch(target) == arch

    def test_this_machine(self) -> None:
        assert agent_arch("native") == os.uname().machine

    @pytest.mark.parametrize("target", ["riscv64", "", "mips", "android"])
    def test_no_agent_for_it(self, target: str) -> None:
        with pytest.raises(AgentError, match="there are arm64, armv7 and x86-64"):
            agent_arch(target)

    def test_it_is_static_small_and_says_its_version(self) -> None:
        program = build_agent("x86_64", BUILD)
        with program.open("rb") as file:
            kinds = {segment["p_type"] for segment in ELFFile(file).iter_segments()}
        assert "PT_INTERP" not in kinds
        assert program.stat().st_size < 300_000
        if os.uname().machine == "x86_64":
            text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            assert text == f"separable-agent {agent_version()} x86_64\n"

    def test_it_is_built_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def compile_it(arguments: list[str]) -> str:
            calls.append(arguments)
            Path(arguments[-1]).write_text("program")
            return ""

        monkeypatch.setattr(agent_build, "run_zig", compile_it)
        first = build_agent("armv7", tmp_path)
        assert build_agent("armv7", tmp_path) == first
        assert first.stat().st_mode & 0o777 == 0o755
        assert len(calls) == 1
        assert ZIG_TARGETS["armv7"] in calls[0]
        assert [path.name for path in first.parent.iterdir()] == ["separable-agent"]

    @pytest.mark.parametrize(
        ("raised", "expected"), [(ToolchainError("no"), AgentError), (ToolchainNotFound("none"), ToolchainMissing)]
    )
    def test_a_build_that_fails_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
    ) -> None:
        def fail(arguments: list[str]) -> str:
            raise raised

        monkeypatch.setattr(agent_build, "run_zig", fail)
        with pytest.raises(expected):
            build_agent("aarch64", tmp_path)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_the_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "separable"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
        assert cache_folder() == Path.home() / ".cache" / "separable"
        (tmp_path / "agent").touch()
        with pytest.raises(AgentError, match="cannot be kept in"):
            build_agent("x86_64", tmp_path)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands for the agent: it prints its arguments."""
    program = tmp_path / "agent"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    program.chmod(0o755)
    for module in ("agent_build", "agent_adb"):
        monkeypatch.setattr(f"separable.compiler.tuning.{module}.build_agent", lambda arch, cache=None: program)
    return program


class TestFolder:
    def test_the_script_starts_it_with_its_options(self, built: Path, tmp_path: Path) -> None:
        write_agent(tmp_path / "out", "x86_64", ["--key", "my board's"])
        run = [str(tmp_path / "out" / "run.sh"), "--cpus", "4-7"]
        printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        assert printed == "--key|my board's|--cpus|4-7|"
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["run.sh", "separable-agent"]

    def test_the_command(self, built: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        result = call("agent", "--target", "android-arm64", "-o", out, "--key", "pixel", "--tracker", "10.0.0.1:9190")
        assert agent_version() in result.stdout
        assert "run.sh" in result.stdout
        assert "--tracker 10.0.0.1:9190 --key pixel" in (out / "run.sh").read_text()

    def test_a_folder_that_cannot_be(self, built: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(AgentError, match="cannot write the agent to"):
            write_agent(tmp_path / "file", "x86_64", [])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "one of -o DIR, --adb and --run"),
            (["--run", "--adb", "--key", "k"], "one of -o DIR, --adb and --run"),
            (["--run"], "--key is missing"),
            (["SERIAL", "--run", "--key", "k"], "belongs to --adb"),
            (["--adb", "--key", "k", "--tracker", "10.0.0.1:9190"], "with --adb the tracker runs on this machine"),
            (["-o", "out", "--target", "mips"], "there is no agent for target 'mips'"),
        ],
    )
    def test_wrong_calls(self, arguments: list[str], message: str) -> None:
        assert message in call("agent", *arguments, code=2).stderr.replace("\n", " ")


# An adb that knows the phones of the file `phones`, notes its calls, and runs the shell's commands here.
ADB = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
[ "$1" = -s ] && shift 2
case $1 in
devices) echo "List of devices attached"; cat "$here/phones"; echo ;;
push) cp "$2" "$here/pushed" ;;
reverse|forward) ;;
shell) case $2 in
  *getprop*) cat "$here/abi" ;;
  *exec*) echo "$2" > "$here/started"; trap 'kill $!; exit 0' TERM; sleep 60 & wait ;;
  *) ;;
  esac ;;
*) echo "unknown $1" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fake adb on the PATH, with one phone."""
    folder = tmp_path / "adb"
    folder.mkdir()
    (folder / "adb").write_text(ADB)
    (folder / "adb").chmod(0o755)
    (folder / "phones").write_text("PHONE1\tdevice\n")
    (folder / "abi").write_text("arm64-v8a\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


class TestPhone:
    def test_it_is_pushed_forwarded_started_and_stopped(
        self, adb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cached = tmp_path / "cache" / "separable" / "agent" / f"{agent_version()}-aarch64" / "separable-agent"
        cached.parent.mkdir(parents=True)
        cached.write_text("the agent for arm64")
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        command = [*SEPARABLE, "agent", "--adb", "--key", "pixel", "--tracker", "127.0.0.1:9333", "--cpus", "4-7"]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        wait_until((adb / "started").exists)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "on phone PHONE1" in messages
        assert (adb / "pushed").read_text() == "the agent for arm64"
        started = (adb / "started").read_text()
        assert "--tracker 127.0.0.1:9333 --key pixel" in started
        assert "--cpus 4-7" in started
        port = started.split("--port ")[1].split()[0]
        calls = (adb / "calls").read_text().splitlines()
        assert "-s PHONE1 reverse tcp:9333 tcp:9333" in calls
        assert f"-s PHONE1 forward tcp:{port} tcp:{port}" in calls
        assert calls[-1] == f"-s PHONE1 forward --remove tcp:{port}"
        assert "kill $(cat" in calls[-2]

    @pytest.mark.parametrize(
        ("phones", "arguments", "message"),
        [
            ("", [], "no phone is connected; connect one"),
            ("A\tdevice\nB\tdevice\n", [], "several phones are connected (A, B); name one"),
            ("A\tdevice\n", ["B"], "adb knows no phone 'B'; connected: A"),
            ("A\tunauthorized\n", [], "phone A is unauthorized: unlock it"),
            ("A\toffline\n", ["A"], "phone A is offline: reconnect it"),
            ("A\tno permissions; see [http://x]\n", [], "phone A is no: see `adb devices`"),
        ],
    )
    def test_phones_that_cannot_be_used(
        self, adb: Path, built: Path, phones: str, arguments: list[str], message: str
    ) -> None:
        (adb / "phones").write_text(phones)
        assert message in call("agent", "--adb", "--key", "k", *arguments, code=2).stderr

    def test_an_unknown_abi(self, adb: Path, built: Path) -> None:
        (adb / "abi").write_text("mips\n")
        assert "has ABI 'mips'" in call("agent", "--adb", "--key", "k", code=2).stderr

    def test_an_adb_that_fails(self, adb: Path, built: Path) -> None:
        (adb / "adb").write_text("#!/bin/sh\necho 'cannot connect to daemon' >&2\nexit 1\n")
        assert "adb devices failed: cannot connect" in call("agent", "--adb", "--key", "k", code=2).stderr

    def test_no_adb(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "install it: apt-get install adb" in call("agent", "--adb", "--key", "k", code=2).stderr


class TestTrackerCommand:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_starts_answers_and_ends_cleanly(self, number: signal.Signals) -> None:
        address = Address("127.0.0.1", free_port())
        process = subprocess.Popen(
            [*SEPARABLE, "tracker", "--port", str(address.port)], stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: answers(address), 60)
        # What is no client must not take it down.
        for data in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x71\xf2\x02\x00\xff\xff\xff\xff",
            b"\x71\xf2\x02\x00\x01\x00\x00\x00[",
        ):
            with socket.create_connection(("127.0.0.1", address.port)) as connection:
                connection.sendall(data)
        time.sleep(0.1)
        assert read_summary(address).servers == ()
        process.send_signal(number)
        _, messages = process.communicate(timeout=10)
        assert process.returncode == 0
        assert f"tracker: listening on {address}" in messages
        assert "no authentication" not in messages
        assert messages.endswith("tracker: ended\n")

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            message = call("tracker", "--port", port, code=2).stderr
        assert message.startswith(f"error: cannot listen on 127.0.0.1:{port}: Address already in use; another tracker")

    def test_an_address_of_another_machine(self) -> None:
        assert "cannot listen on 192.0.2.1" in call("tracker", "--listen", "192.0.2.1", code=2).stderr

    def test_listening_to_others_says_what_that_means(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("separable.compiler.tuning.tracker_server.serve_tracker", lambda address, ready: ready())
        assert "TVM RPC has no authentication" in call("tracker", "--listen", "0.0.0.0").stderr
        assert "no authentication" not in call("tracker").stderr


def test_errors_are_of_the_compiler() -> None:
    """The command line turns them into messages."""
    assert issubclass(AgentError, CompileError)
