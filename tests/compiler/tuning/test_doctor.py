"""The doctor: each check well and ill, and the whole chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.compiler.tuning import doctor
from separable.compiler.tuning.agent_build import agent_version
from separable.compiler.tuning.doctor import Ailment, Finding, Patient, Skipped, examine
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import Server, Summary, read_summary
from separable.targets.errors import ToolchainNotFound
from tests.agents import Agent, free_port, wait_until
from tests.compiler.calls import call

HERE = Address("127.0.0.1", 9190)


def patient(*servers: Server, free: int = 1, **options: object) -> Patient:
    """One whose tracker knows these servers."""
    made = Patient("arm64", HERE, "pixel")
    made.summary = Summary({"pixel": free}, servers)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def server(agent: str = "", arch: str = "aarch64", key: str = "pixel") -> Server:
    return Server(key, Address("10.0.0.2", 9200), agent or agent_version(), arch)


class TestKey:
    def test_registered_and_free(self) -> None:
        assert doctor.check_key(patient(server(), server(key="other"))) == "1 registered as 'pixel', 1 free"

    def test_nobody(self) -> None:
        with pytest.raises(Ailment, match="no device is registered as 'pixel'; keys there are: other; start an agent"):
            doctor.check_key(patient(server(key="other")))

    def test_all_busy(self) -> None:
        with pytest.raises(Ailment, match="all 1 devices of 'pixel' are busy; wait"):
            doctor.check_key(patient(server(), free=0))

    def test_no_tracker(self) -> None:
        with pytest.raises(Skipped, match="no tracker"):
            doctor.check_key(Patient(key="pixel"))


class TestVersion:
    def test_ours(self) -> None:
        assert doctor.check_version(patient(server())) == agent_version()

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (
                server("0.0.1+12345678"),
                r"runs agent 0\.0\.1\+12345678, this is .*separable agent --target arm64 -o DIR",
            ),
            (Server("pixel", HERE, "", ""), "runs no agent of ours"),
            (server(arch="armv7"), "is armv7, target arm64 is aarch64"),
        ],
    )
    def test_another(self, wrong: Server, message: str) -> None:
        with pytest.raises(Ailment, match=message):
            doctor.check_version(patient(server(), wrong))


class TestClocks:
    def test_governors(self) -> None:
        def look(*governors: str) -> str:
            cpus = [{"cpu": number, "governor": governor} for number, governor in enumerate(governors)]
            return doctor.check_governor(patient(description={"cpus": cpus}))

        assert look("performance", "performance") == "performance"
        with pytest.raises(Ailment, match="clock governor performance, schedutil: times will scatter; as root"):
            look("performance", "schedutil")
        with pytest.raises(Skipped, match="does not tell"):
            look()
        with pytest.raises(Skipped, match="no device was reached"):
            doctor.check_governor(Patient())

    def test_temperatures(self) -> None:
        def look(*celsius: float) -> str:
            zones = [{"zone": "cpu", "celsius": value} for value in celsius]
            return doctor.check_temperature(patient(description={"cpus": [], "temperatures": zones}))

        assert look(35, 41.6, -40, 1000) == "42 °C"
        with pytest.raises(Ailment, match=r"85 °C: its clocks will be throttled; let it cool"):
            look(40, 85)
        with pytest.raises(Skipped, match="does not tell"):
            look(-273)


class TestNdk:
    def test_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "build" / "cmake").mkdir(parents=True)
        (tmp_path / "build" / "cmake" / "android.toolchain.cmake").touch()
        (tmp_path / "source.properties").write_text("Pkg.Desc = Android NDK\nPkg.Revision = 29.0.1\n")
        monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
        assert doctor.check_ndk(Patient(ndk=True)) == f"NDK 29.0.1 in {tmp_path}"

    def test_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(Ailment, match="ANDROID_NDK_HOME is not set; unpack it"):
            doctor.check_ndk(Patient(ndk=True))
        monkeypatch.setenv("ANDROID_NDK", str(tmp_path))
        with pytest.raises(Ailment, match="is no NDK"):
            doctor.check_ndk(Patient(ndk=True))
        with pytest.raises(Skipped):
            doctor.check_ndk(Patient())


class TestAdb:
    @pytest.fixture
    def phones(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "phones"
        program = tmp_path / "adb"
        program.write_text(f"#!/bin/sh\necho List of devices attached\n/bin/cat {path}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return path

    def test_phones(self, phones: Path) -> None:
        phones.write_text("A\tdevice\nB\tdevice\n")
        assert doctor.check_adb(Patient(adb=True)) == "2 phones: A, B"
        phones.write_text("A\tdevice\nB\tunauthorized\n")
        with pytest.raises(Ailment, match="B is unauthorized; unlock it"):
            doctor.check_adb(Patient(adb=True))
        phones.write_text("")
        with pytest.raises(Ailment, match="sees no phone; connect one"):
            doctor.check_adb(Patient(adb=True))
        with pytest.raises(Skipped):
            doctor.check_adb(Patient())


def test_no_tool_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(arguments: list[str]) -> str:
        raise ToolchainNotFound("no C compiler: pip install ziglang")

    monkeypatch.setattr(doctor, "run_zig", missing)
    findings = list(examine(Patient()))
    assert findings[0] == Finding("tool chain", "wrong", "no C compiler: pip install ziglang")
    assert [finding.check for finding in findings] == [name for name, _ in doctor.CHECKS]


@pytest.fixture
def agent(agent_program: Path, tracker: Address, tmp_path: Path) -> Iterator[Agent]:
    key = f"doctor{free_port()}"
    with Agent(agent_program, tracker, key, tmp_path / "work") as running:
        wait_until(lambda: read_summary(tracker).free.get(key) == 1)
        yield running


class TestCommand:
    def test_a_whole_chain(self, agent: Agent, tracker: Address) -> None:
        printed = call("doctor", "--tracker", tracker, "--key", agent.key).stdout.splitlines()
        states = {line[8:].partition(":")[0]: line[:8].strip() for line in printed if not line.startswith(" ")}
        for check in ("tool chain", "compile and link", "tracker", "key", "agent version", "round trip"):
            assert states[check] == "ok", printed
        assert set(states) == {name for name, _ in doctor.CHECKS}
        assert any(f"{agent.key} at {agent.address}" in line for line in printed)
        wait_until(lambda: read_summary(tracker).free.get(agent.key) == 1)  # it has given the device back

    def test_nothing_answers(self) -> None:
        printed = call("doctor", "--tracker", f"127.0.0.1:{free_port()}", "--key", "k", code=1).stdout
        assert "wrong   tracker: no tracker answers at 127.0.0.1" in printed
        assert "start one: separable tracker --port" in printed

    def test_nobody_is_registered(self, tracker: Address) -> None:
        printed = call("doctor", "--tracker", tracker, "--key", "nobody", code=1).stdout
        assert "wrong   key: no device is registered as 'nobody'" in printed
        assert f"        -> start an agent on one: separable-agent --tracker {tracker} --key nobody" in printed

    def test_another_target(self, agent: Agent, tracker: Address, monkeypatch: pytest.MonkeyPatch) -> None:
        """The program for another CPU does not run there, and the doctor says so."""

        def pretend(arguments: list[str]) -> str:
            if arguments[0] == "cc":
                Path(arguments[-1]).write_bytes(b"no program")
            return ""

        monkeypatch.setattr(doctor, "run_zig", pretend)
        printed = call("doctor", "--target", "armv7", "--tracker", tracker, "--key", agent.key, code=1).stdout
        assert "target armv7 is armv7" in printed
        assert "wrong   round trip:" in printed

    def test_wrong_calls(self) -> None:
        for option, value in (("--tracker", "127.0.0.1:1"), ("--key", "phone")):
            assert "belong together" in call("doctor", option, value, code=2).stderr
        assert "is no address" in call("doctor", "--tracker", "1", "--key", "k", code=2).stderr
