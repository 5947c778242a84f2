"""The arm64 agent under qemu: it registers with a real tracker, runs arm64 programs, alone and for a fleet."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.compiler.tuning.agent_build import ZIG_TARGETS, agent_version, build_agent
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.fleet import Fleet
from separable.compiler.tuning.remote import TrackerSource
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import read_summary
from separable.targets.toolchain import STATIC, run_zig
from tests.agents import Agent, running_tracker, wait_until
from tests.compiler.calls import call

from .support import ROOT

QEMU = shutil.which("qemu-aarch64")
pytestmark = [
    pytest.mark.skipif(QEMU is None, reason="needs qemu-aarch64 (package qemu-user)"),
    pytest.mark.xdist_group("agent_arm64"),  # one worker builds the agent
]

# What it is told to do: print its arguments and its file, crash, or never end.
PROGRAM = r"""
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count > 1 && strcmp(words[1], "crash") == 0)
        raise(SIGSEGV);
    if (count > 1 && strcmp(words[1], "hang") == 0)
        pause();
    char text[64] = "";
    FILE *file = fopen("data", "rb");
    if (file && fgets(text, sizeof text, file))
        printf("%s %s\n", words[1], text);
    return sizeof(void *) == 8 ? 5 : 6;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arm64")
    (folder / "program.c").write_text(PROGRAM)
    flags = ["-target", ZIG_TARGETS["aarch64"], *STATIC]
    run_zig(["cc", *flags, str(folder / "program.c"), "-o", str(folder / "program")])
    return folder / "program"


@pytest.fixture(scope="module")
def tracker() -> Iterator[Address]:
    with running_tracker() as address:
        yield address


@pytest.fixture(scope="module")
def agents(tracker: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agent, Agent]]:
    """Two arm64 agents under one key."""
    assert QEMU is not None
    # Kept between runs: a first build takes half a minute.
    arm64 = build_agent("aarch64", ROOT / "build")
    works = [tmp_path_factory.mktemp(name) / "work" for name in ("one", "two")]
    first, second = (Agent(arm64, tracker, "arm", work, "--runner", QEMU, runner=[QEMU]) for work in works)
    with first, second:
        wait_until(lambda: read_summary(tracker).free.get("arm") == 2)
        yield first, second


def candidate(program: Path, *arguments: str, data: str = "data", timeout_s: float = 10) -> Candidate:
    path = program.with_name(f"data-{data}")
    path.write_text(data)
    return Candidate(program, {"data": path}, arguments, timeout_s)


def test_it_says_what_it_is(agents: tuple[Agent, Agent], tracker: Address) -> None:
    servers = read_summary(tracker).registered("arm")
    assert {(server.arch, server.agent) for server in servers} == {("aarch64", agent_version())}
    device = TrackerSource(tracker, "arm").acquire()
    assert device is not None
    description = device.describe()
    device.close()
    assert (description["arch"], description["machine"]) == ("aarch64", "aarch64")
    assert "asimd" in str(description["isa"]).split() or int(str(description["hwcap"]), 16) & 2


def test_programs_run_crash_and_hang_on_two_devices(
    agents: tuple[Agent, Agent], tracker: Address, program: Path
) -> None:
    work = [candidate(program, f"{number}", data=f"{number * number}") for number in range(8)]
    with Fleet(TrackerSource(tracker, "arm"), poll_s=0.1) as fleet:
        crashed, hung, *ended = fleet.run(
            [candidate(program, "crash"), candidate(program, "hang", timeout_s=0.5), *work]
        )
        assert len(fleet.devices) == 2
    assert isinstance(crashed, Finished)
    assert crashed.returncode == -signal.SIGSEGV
    assert isinstance(hung, Finished)
    assert hung.timed_out
    for number, finished in enumerate(ended):
        assert isinstance(finished, Finished)
        assert (finished.returncode, finished.stdout) == (5, f"{number} {number * number}\n")


def test_one_is_killed_in_mid_run(agents: tuple[Agent, Agent], tracker: Address, program: Path) -> None:
    """The other one of the last test's two does the work."""
    victim, _ = agents
    notes: list[str] = []
    with Fleet(TrackerSource(tracker, "arm", answer_s=3), notify=notes.append, poll_s=0.1) as fleet:
        futures = [fleet.submit(candidate(program, "hang", timeout_s=0.2)) for _ in range(2)]
        wait_until(lambda: len(fleet.devices) == 2)
        victim.signal_all(signal.SIGKILL)
        futures += [fleet.submit(candidate(program, str(number))) for number in range(4)]
        assert [future.result(30).returncode for future in futures] == [-signal.SIGKILL] * 2 + [5] * 4
    assert any(str(victim.address) in note for note in notes)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the doctor's other half runs elsewhere")
def test_the_doctor_examines_it(agents: tuple[Agent, Agent], tracker: Address) -> None:
    wait_until(lambda: read_summary(tracker).free.get("arm", 0) > 0)
    printed = call("doctor", "--target", "arm64", "--tracker", tracker, "--key", "arm").stdout
    assert "ok      agent version" in printed
    assert "ok      round trip: arm at" in printed
