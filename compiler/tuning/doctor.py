"""Checks of every link of the chain that tuning hangs on: one function each, and what mends it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from separable.compiler.errors import CompileError
from separable.compiler.tuning.agent_adb import Adb
from separable.compiler.tuning.agent_build import ZIG_TARGETS, agent_arch, agent_version
from separable.compiler.tuning.device import Candidate
from separable.compiler.tuning.remote import RemoteDevice, TrackerSource
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import Summary, read_summary
from separable.targets.errors import ToolchainError, UnknownTargetName
from separable.targets.toolchain import STATIC, run_zig

_PROBE = Path(__file__).parent / "probe.c"
_MESSAGE = "separable doctor"
_HOT_CELSIUS = 70.0


@dataclass
class Patient:
    """What is to be checked, and what earlier checks have found.

    Attributes:
        target: name of a target.
        tracker: of the devices, if there is one.
        key: what the devices are called.
        adb: whether phones on a cable are looked at.
        ndk: whether Android's NDK is looked at.
    """

    target: str = "native"
    tracker: Address | None = None
    key: str | None = None
    adb: bool = False
    ndk: bool = False
    folder: Path = field(default_factory=Path)
    program: Path | None = None
    summary: Summary | None = None
    device: RemoteDevice | None = None
    description: Mapping[str, object] = field(default_factory=dict)


class Skipped(Exception):
    """A check has nothing to look at; says why."""


class Ailment(Exception):
    """What is wrong, and the command that mends it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
        check: its name.
        state: ``ok``, ``wrong``, or ``skipped`` where there was nothing to look at.
        text: what it saw, or what is wrong.
        remedy: what to do about it, for ``wrong``.
    """

    check: str
    state: str
    text: str
    remedy: str = ""


def examine(patient: Patient) -> Iterator[Finding]:
    """Make every check in turn; later ones use what earlier ones found."""
    with tempfile.TemporaryDirectory(prefix="separable-doctor-") as folder:
        patient.folder = Path(folder)
        try:
            for name, check in CHECKS:
                yield _look(name, check, patient)
        finally:
            if patient.device is not None:
                patient.device.close()


def _look(name: str, check: Callable[[Patient], str], patient: Patient) -> Finding:
    try:
        return Finding(name, "ok", check(patient))
    except Skipped as reason:
        return Finding(name, "skipped", str(reason))
    except Ailment as ailment:
        return Finding(name, "wrong", ailment.problem, ailment.remedy)
    except (CompileError, UnknownTargetName, ToolchainError) as error:  # these say what to do themselves
        return Finding(name, "wrong", str(error))
    except OSError as error:
        return Finding(name, "wrong", str(error))


def check_toolchain(patient: Patient) -> str:
    """The C compiler is there and starts."""
    return f"zig {run_zig(['version']).strip()}"


def check_link(patient: Patient) -> str:
    """A program can be compiled and linked for the target."""
    arch = agent_arch(patient.target)
    program = patient.folder / "probe"
    flags = ["-target", ZIG_TARGETS[arch], *STATIC]
    run_zig(["cc", *flags, str(_PROBE), "-o", str(program)])
    patient.program = program
    return f"a static {arch} program of {program.stat().st_size} bytes"


def check_ndk(patient: Patient) -> str:
    """Android's NDK is where the environment says."""
    if not patient.ndk:
        raise Skipped("not asked for (--ndk); nothing needs it")
    names = ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK")
    folder = next((os.environ[name] for name in names if os.environ.get(name)), None)
    remedy = "unpack it from developer.android.com/ndk and set ANDROID_NDK_HOME to its folder"
    if folder is None:
        raise Ailment("no NDK: ANDROID_NDK_HOME is not set", remedy)
    toolchain = Path(folder) / "build" / "cmake" / "android.toolchain.cmake"
    if not toolchain.is_file():
        raise Ailment(f"{folder} is no NDK: it has no build/cmake/android.toolchain.cmake", remedy)
    properties = Path(folder) / "source.properties"
    lines = properties.read_text().splitlines() if properties.is_file() else []
    revision = next((line.partition("=")[2].strip() for line in lines if line.startswith("Pkg.Revision")), "unknown")
    return f"NDK {revision} in {folder}"


def check_adb(patient: Patient) -> str:
    """There is adb, and every phone on it can be used."""
    if not patient.adb:
        raise Skipped("not asked for (--adb)")
    phones = Adb().phones()
    if not phones:
        raise Ailment("adb sees no phone", "connect one, allow USB debugging in its developer options: adb devices")
    if bad := [phone for phone in phones if phone.state != "device"]:
        what = ", ".join(f"{phone.serial} is {phone.state}" for phone in bad)
        raise Ailment(what, "unlock it and accept the question about USB debugging, then: adb reconnect")
    return f"{len(phones)} phone{'s' if len(phones) > 1 else ''}: {', '.join(phone.serial for phone in phones)}"


def check_tracker(patient: Patient) -> str:
    """The tracker answers."""
    if patient.tracker is None:
        raise Skipped("no --tracker was named")
    patient.summary = read_summary(patient.tracker)
    count = len(patient.summary.servers)
    return f"{patient.tracker} knows {count} device{'s' if count != 1 else ''}"


def check_key(patient: Patient) -> str:
    """Devices are registered under the key, one at least is free."""
    summary, key = _summary(patient)
    servers = summary.registered(key)
    if not servers:
        known = ", ".join(sorted({server.key for server in summary.servers})) or "none"
        raise Ailment(
            f"no device is registered as {key!r}; keys there are: {known}",
            f"start an agent on one: separable-agent --tracker {patient.tracker} --key {key}",
        )
    free = summary.free.get(key, 0)
    if free == 0:
        raise Ailment(f"all {len(servers)} devices of {key!r} are busy", "wait, or end the tuning that uses them")
    return f"{len(servers)} registered as {key!r}, {free} free"


def check_version(patient: Patient) -> str:
    """Every agent is of our version and for the target's arch."""
    summary, key = _summary(patient)
    servers = summary.registered(key)
    if not servers:
        raise Skipped("no device is registered")
    ours, arch = agent_version(), agent_arch(patient.target)
    build = f"install the agent of this version: separable agent --target {patient.target} -o DIR"
    for server in servers:
        if server.agent != ours:
            theirs = f"agent {server.agent}" if server.agent else "no agent of ours"
            raise Ailment(f"{server.address} runs {theirs}, this is {ours}", build)
        if server.arch != arch:
            raise Ailment(f"{server.address} is {server.arch}, target {patient.target} is {arch}", build)
    return ours


def check_round_trip(patient: Patient) -> str:
    """A device takes a program and data, runs it and sends back what it printed."""
    _, key = _summary(patient)
    assert patient.tracker is not None
    if patient.program is None:
        raise Skipped("there is no program to send")
    device = TrackerSource(patient.tracker, key, answer_s=5).acquire()
    if device is None:
        raise Skipped("no device is free")
    patient.device = device
    patient.description = device.describe()
    data = patient.folder / "message"
    data.write_text(_MESSAGE)
    finished = device.run(Candidate(patient.program, {"message": data}, ("message",), timeout_s=10))
    if finished.returncode != 0 or finished.stdout != _MESSAGE:
        how = "timed out" if finished.timed_out else f"ended with {finished.returncode}"
        raise Ailment(
            f"{device.name}: the program {how} and printed {finished.stdout[:80]!r} {finished.stderr[:200]}",
            "check that --target names this device",
        )
    return f"{device.name} ({patient.description.get('model', 'unknown')}): {1e3 * finished.wall_s:.1f} ms"


def check_governor(patient: Patient) -> str:
    """The clocks do not vary with the load."""
    cpus = _cpus(patient)
    governors = {str(cpu["governor"]) for cpu in cpus if "governor" in cpu}
    if not governors:
        raise Skipped("the device does not tell its clock governor")
    if governors != {"performance"}:
        raise Ailment(
            f"clock governor {', '.join(sorted(governors))}: times will scatter",
            "as root on the device: for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; "
            "do echo performance > $f; done",
        )
    return "performance"


def check_temperature(patient: Patient) -> str:
    """The device is cool enough not to be throttled."""
    _cpus(patient)
    zones = patient.description.get("temperatures")
    readings = [zone for zone in zones if isinstance(zone, dict)] if isinstance(zones, list) else []
    # Zones that are switched off tell nonsense.
    values = [float(z["celsius"]) for z in readings if isinstance(z.get("celsius"), int | float)]
    plausible = [value for value in values if 0 < value < 130]
    if not plausible:
        raise Skipped("the device does not tell its temperature")
    if max(plausible) > _HOT_CELSIUS:
        raise Ailment(f"{max(plausible):.0f} °C: its clocks will be throttled", "let it cool, out of its case")
    return f"{max(plausible):.0f} °C"


def _summary(patient: Patient) -> tuple[Summary, str]:
    if patient.summary is None:
        raise Skipped("no tracker")
    if patient.key is None:
        raise Skipped("no --key was named")
    return patient.summary, patient.key


def _cpus(patient: Patient) -> list[Mapping[str, object]]:
    cpus = patient.description.get("cpus")
    if not isinstance(cpus, list):
        raise Skipped("no device was reached")
    return [cpu for cpu in cpus if isinstance(cpu, dict)]


CHECKS: tuple[tuple[str, Callable[[Patient], str]], ...] = (
    ("tool chain", check_toolchain),
    ("compile and link", check_link),
    ("NDK", check_ndk),
    ("adb", check_adb),
    ("tracker", check_tracker),
    ("key", check_key),
    ("agent version", check_version),
    ("round trip", check_round_trip),
    ("clock governor", check_governor),
    ("temperature", check_temperature),
)
