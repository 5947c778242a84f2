"""Where a measurement is made."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from separable.targets.host import detect_host


@contextmanager
def pinned(cpus: Iterable[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, to some CPUs."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def describe_machine() -> dict[str, str]:
    """CPU, number of usable CPUs, vector width, system and date, as text to be printed beside results.

    Raises:
        UnsupportedHost: no target row fits this machine.
    """
    host = detect_host()
    return {
        "cpu": _cpu_name(),
        "cpus": str(len(os.sched_getaffinity(0))),
        "code": f"{host.cpu}, {host.vector_bits}-bit vectors",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
