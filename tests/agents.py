"""A tracker and agents as processes, for the tests of tuning."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from separable.compiler.tuning.agent_build import SOURCES, agent_version
from separable.compiler.tuning.errors import TrackerUnreachable
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import read_summary

_TRACKER = "from separable.compiler.cli import main; main()"


def build_host_agent(program: Path, *flags: str) -> Path:
    """Compile the agent with the system's C compiler, which takes half a second; zig's takes several."""
    system = shutil.which("cc")
    compiler = [system] if system else [sys.executable, "-m", "ziglang", "cc"]
    options = ["-std=c11", "-O1", f'-DSEPARABLE_AGENT_VERSION="{agent_version()}"', *flags]
    sources = map(str, sorted(SOURCES.glob("*.c")))
    subprocess.run([*compiler, *options, *sources, "-lm", "-o", str(program)], check=True)
    return program


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until something is so; fail if it does not come to be."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process runs: one that ended stays listed as a zombie where nobody waits for orphans (a container)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def answers(address: Address) -> bool:
    """Whether a tracker answers there."""
    try:
        read_summary(address, timeout_s=1)
    except TrackerUnreachable:
        return False
    return True


@contextmanager
def running_tracker(port: int | None = None) -> Iterator[Address]:
    """TVM's tracker, as `separable tracker` starts it."""
    address = Address("127.0.0.1", port or free_port())
    process = subprocess.Popen(
        [sys.executable, "-c", _TRACKER, "tracker", "--port", str(address.port)], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(address), 60)
        yield address
    finally:
        process.terminate()
        process.wait(10)


class Agent:
    """An agent that runs on this machine; a context manager that ends it."""

    def __init__(
        self, program: Path, tracker: Address | None, key: str, work: Path, *options: str, runner: Sequence[str] = ()
    ) -> None:
        self.key = key
        self.tracker = tracker
        self.work = work
        work.mkdir(exist_ok=True)
        command = [*runner, str(program), "--key", key, "--work", str(work), *options]
        command += ["--tracker", str(tracker)] if tracker else []
        self._log = (work / "log").open("w+")
        # A session of its own: a test can stop or kill it with everything it has started.
        self.process = subprocess.Popen(command, stderr=self._log, start_new_session=True)

    def __enter__(self) -> Agent:
        wait_until(lambda: "listening" in self.log())
        if self.tracker is not None:
            wait_until(lambda: "registered" in self.log())
        return self

    def __exit__(self, *_: object) -> None:
        self.signal_all(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.signal_all(signal.SIGKILL)
            self._log.close()

    @property
    def port(self) -> int:
        """The port that it has found."""
        return int(self.log().partition(", port ")[2].partition(",")[0])

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("127.0.0.1", self.port)

    def log(self) -> str:
        """What it has printed."""
        return (self.work / "log").read_text()

    def folders(self) -> list[Path]:
        """Its folders for the files of sessions."""
        return list(self.work.glob("separable-agent.*"))

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the agent, its sessions and what they run."""
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent]
        found += children
        queue += children
    return found
