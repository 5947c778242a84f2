"""From a target's name to its row.

The grammar is ``os-arch[-musl][:cpu][+feature...]``; ``linux-`` may be left out, the level of x86-64 belongs to the
arch (``x86-64-v3``), and ``native`` stands for the machine this runs on: ``arm64``, ``linux-arm64:cortex-a76``,
``arm64+dotprod``, ``x86-64:znver3``, ``android-arm64:cortex-a55``, ``linux-arm64-musl``, ``armv7:cortex-a7``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from separable.targets import arm, armv7, x86
from separable.targets.emulation import EMULATED_FP16, emulated_fp16
from separable.targets.errors import UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.systems import SYSTEMS

NATIVE = "native"

_OS_PREFIX = "linux-"
_ROWS = {row.name: row for row in (*x86.ROWS, *arm.ROWS, *armv7.ROWS)}
# v2 is the floor: every x86-64 since 2009 (AMD: 2011) has it, and without its pshufb and blends kernels crawl.
_ALIASES = {"x86-64": "x86-64-v2"}
_FEATURES = {"x86_64": x86.FEATURES, "aarch64": arm.FEATURES, "armv7": armv7.FEATURES}


def all_targets() -> tuple[Target, ...]:
    """Every row of the table in the order of its files, without ``native``; each is for Linux and glibc."""
    return tuple(_ROWS.values())


def system_targets() -> tuple[Target, ...]:
    """The rows of the table for Android and for musl."""
    rows = [of_system(row) for of_system in SYSTEMS.values() for row in _ROWS.values()]
    return tuple(row for row in rows if row is not None)


def find_target(name: str) -> Target:
    """The row that ``name`` stands for, its features added.

    Raises:
        UnknownTargetName: no such row, or a feature that the row's arch does not know.
        UnsupportedHost: ``native`` on a machine that no row fits.
    """
    base, *features = name.strip().lower().split("+")
    target = _find_row(base)
    for feature in features:
        target = _with_feature(target, feature)
    return target


def _find_row(name: str) -> Target:
    short = name.removeprefix(_OS_PREFIX)
    if name == NATIVE:
        return detect_host()
    if name == EMULATED_FP16:
        return emulated_fp16()
    row = _ROWS.get(_ALIASES.get(short, short)) or _row_of_system(short)
    if row is None:
        known = [NATIVE, *_ALIASES, *_ROWS, *(target.name for target in system_targets())]
        raise UnknownTargetName(f"unknown target {name!r}; {_offer(short, known)}")
    return row


def _row_of_system(name: str) -> Target | None:
    """The row of ``android-arm64...`` or ``arm64-musl...``."""
    for mark, of_system in SYSTEMS.items():
        arch, colon, cpu = name.partition(":")
        plain = arch.removeprefix(mark).removesuffix(mark) + colon + cpu
        row = _ROWS.get(_ALIASES.get(plain, plain))
        if plain != name and row is not None:
            return of_system(row)
    return None


def _with_feature(target: Target, feature: str) -> Target:
    known = _FEATURES[target.arch]
    if feature not in known:
        raise UnknownTargetName(
            f"unknown feature '+{feature}' of target {target.name!r}; {_offer(feature, list(known))}"
        )
    return target.with_feature(feature, known[feature])


def _offer(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
