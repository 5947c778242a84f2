"""The agent on an Android phone, over adb: found, pushed, its ports forwarded, started and stopped."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from separable.compiler.tuning.agent_build import PROGRAM, build_agent
from separable.compiler.tuning.errors import AgentError

FOLDER = "/data/local/tmp/separable"
_PID = f"{FOLDER}/agent.pid"
_ARCHS = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7", "x86_64": "x86_64"}
_FIRST_PORT, _LAST_PORT = 9200, 9299
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Phone:
    """A device that adb knows.

    Attributes:
        serial: what adb calls it.
        state: ``device`` if it can be used, else why not: ``unauthorized``, ``offline``, ...
    """

    serial: str
    state: str


class Adb:
    """The program adb."""

    def __init__(self) -> None:
        """Find it.

        Raises:
            AgentError: it is not installed.
        """
        path = shutil.which("adb")
        if path is None:
            raise AgentError("there is no adb on the PATH; install it: apt-get install adb")
        self.path = path

    def run(self, *arguments: str) -> str:
        """What it prints.

        Raises:
            AgentError: it fails; the message holds its words.
        """
        try:
            done = subprocess.run(
                [self.path, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AgentError(f"adb {shlex.join(arguments)}: {error}") from error
        if done.returncode != 0:
            raise AgentError(f"adb {shlex.join(arguments)} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def phones(self) -> list[Phone]:
        """Every device that is connected, usable or not."""
        lines = [line.split() for line in self.run("devices").splitlines()[1:]]
        return [Phone(words[0], words[1]) for words in lines if len(words) >= 2 and words[0] != "*"]

    def choose(self, serial: str | None) -> str:
        """The serial of the phone to use: the one named, or the only one.

        Raises:
            AgentError: there is none, it cannot be used, or there are several.
        """
        phones = {phone.serial: phone.state for phone in self.phones()}
        names = ", ".join(phones) or "none"
        if serial is None and len(phones) != 1:
            what = "no phone is connected" if not phones else f"several phones are connected ({names})"
            hint = "connect one and allow USB debugging" if not phones else "name one: separable agent --adb SERIAL"
            raise AgentError(f"{what}; {hint}")
        serial = serial or next(iter(phones))
        if serial not in phones:
            raise AgentError(f"adb knows no phone {serial!r}; connected: {names}")
        if phones[serial] != "device":
            raise AgentError(f"phone {serial} is {phones[serial]}: {_advice(phones[serial])}")
        return serial


def _advice(state: str) -> str:
    return {
        "unauthorized": "unlock it and accept the question about USB debugging",
        "offline": "reconnect it, or run: adb kill-server",
    }.get(state, "see `adb devices`")


@dataclass(frozen=True)
class PhoneAgent:
    """An agent that was brought onto a phone and can be started.

    Attributes:
        adb: the program.
        serial: the phone.
        port: on which it listens, on the phone and, forwarded, here.
        tracker_port: of the tracker, here and, reversed, on the phone.
    """

    adb: Adb
    serial: str
    port: int
    tracker_port: int

    def start(self, key: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start it; it runs until ``stop``, its messages go where this process's go."""
        words = [f"./{PROGRAM}", "--tracker", f"127.0.0.1:{self.tracker_port}", "--key", key]
        words += ["--port", str(self.port), "--work", FOLDER, *options]
        command = f"cd {FOLDER} && echo $$ > {_PID} && exec {shlex.join(words)}"
        return subprocess.Popen(
            [self.adb.path, "-s", self.serial, "shell", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def stop(self) -> None:
        """Stop it: to end `adb shell` does not always end what it runs."""
        kill = f"kill $(cat {_PID}) 2>/dev/null; rm -f {_PID}"
        self.adb.run("-s", self.serial, "shell", kill)
        self.adb.run("-s", self.serial, "forward", "--remove", f"tcp:{self.port}")


def install_agent(serial: str | None, tracker_port: int) -> PhoneAgent:
    """Build the agent for a phone, push it, and forward the ports: the tracker's to it and its own to here.

    Raises:
        AgentError: adb or the phone is not as it should be; the message says what to do.
        ToolchainMissing: there is no C compiler.
    """
    adb = Adb()
    serial = adb.choose(serial)
    abi = adb.run("-s", serial, "shell", "getprop ro.product.cpu.abi").strip()
    if abi not in _ARCHS:
        raise AgentError(f"phone {serial} has ABI {abi!r}; there are agents for {', '.join(_ARCHS)}")
    port = _free_port()
    # An agent of before may still run, and a program that runs cannot be overwritten.
    previous = f"mkdir -p {FOLDER} && if [ -f {_PID} ]; then kill $(cat {_PID}) 2>/dev/null; rm -f {_PID}; fi; true"
    adb.run("-s", serial, "shell", previous)
    _push(adb, serial, build_agent(_ARCHS[abi]))
    adb.run("-s", serial, "reverse", f"tcp:{tracker_port}", f"tcp:{tracker_port}")
    adb.run("-s", serial, "forward", f"tcp:{port}", f"tcp:{port}")
    return PhoneAgent(adb, serial, port, tracker_port)


def _push(adb: Adb, serial: str, program: Path) -> None:
    temporary = f"{FOLDER}/.{PROGRAM}"
    adb.run("-s", serial, "push", str(program), temporary)
    adb.run("-s", serial, "shell", f"chmod 755 {temporary} && mv -f {temporary} {FOLDER}/{PROGRAM}")


def _free_port() -> int:
    """A port that is free here, so that it can be forwarded under the same number."""
    for port in range(_FIRST_PORT, _LAST_PORT + 1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AgentError(f"no port from {_FIRST_PORT} to {_LAST_PORT} is free on this machine")
