"""From a target's name to its row.

The grammar is ``os-arch[-musl][:cpu][+feature...]``; ``linux-`` may be left out, the level of x86-64 belongs to the
arch (``x86-64-v3``), and ``native`` stands for the machine this runs on: ``arm64``, ``linux-arm64:cortex-a76``,
``arm64+dotprod``, ``x86-64:znver3``, ``android-arm64:cortex-a55``, ``linux-arm64-musl``, ``armv7:cortex-a7``.

An arch without a CPU may stand for several rows, whose kernels go into one library: see :data:`FAT`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from separable.targets import arm, armv7, x86
from separable.targets.emulation import EMULATED_FP16, emulated_fp16
from separable.targets.errors import UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.systems import SYSTEMS

NATIVE = "native"


@dataclass(frozen=True)
class Fat:
    """A target whose library has kernels for several rows, of which one is chosen where it runs.

    Attributes:
        base: the row that stands for all where there can be only one: it runs wherever the library does.
        rows: what there are kernels for; of those that a CPU can run, the first one of its core class is best.
        panel_channels: of every row, see :class:`Target`: what costs the estimates of all rows least.
    """

    base: str
    rows: tuple[str, ...]
    panel_channels: int


FAT: Mapping[str, Fat] = {
    # Big and small cores of Armv8.2 and of Armv8.0. The 6 x 4 tile of the big ones takes 16 channels. MobileNet V1
    # 1.0-224 takes 0.1 % more instructions than for a Cortex-A76 alone, 0.8 % for a Cortex-A53; with 8 channels 1.9 and
    # 0.4 %.
    "arm64": Fat("arm64:generic", ("arm64:cortex-a76", "arm64:cortex-a55", "arm64:cortex-a72", "arm64:cortex-a53"), 16),
    # A vector of v4, two of v3, four of v2.
    "x86-64": Fat("x86-64-v2", ("x86-64-v4", "x86-64-v3", "x86-64-v2"), 16),
}
"""By name, for Linux and glibc."""

_OS_PREFIX = "linux-"
_ROWS = {row.name: row for row in (*x86.ROWS, *arm.ROWS, *armv7.ROWS)}


def _fat_of_system(of_system: Callable[[Target], Target | None]) -> Iterator[tuple[str, Fat]]:
    """The fat targets of another system, by name."""
    for name, fat in FAT.items():
        named = of_system(replace(_ROWS[fat.base], name=name))
        if named is not None:
            base, *rows = (row.name for row in map(of_system, map(_ROWS.__getitem__, (fat.base, *fat.rows))) if row)
            yield named.name, replace(fat, base=base, rows=tuple(rows))


# v2 is the floor: every x86-64 since 2009 (AMD: 2011) has it, and without its pshufb and blends kernels crawl.
_ALIASES = {name: fat.base for name, fat in FAT.items()}
_FAT = {**FAT, **{name: fat for of_system in SYSTEMS.values() for name, fat in _fat_of_system(of_system)}}
_FEATURES = {"x86_64": x86.FEATURES, "aarch64": arm.FEATURES, "armv7": armv7.FEATURES}


def all_targets() -> tuple[Target, ...]:
    """Every row of the table in the order of its files, without ``native``; each is for Linux and glibc."""
    return tuple(_ROWS.values())


def system_targets() -> tuple[Target, ...]:
    """The rows of the table for Android and for musl."""
    rows = [of_system(row) for of_system in SYSTEMS.values() for row in _ROWS.values()]
    return tuple(row for row in rows if row is not None)


def fat_targets() -> tuple[str, ...]:
    """The names whose libraries have kernels for several rows."""
    return tuple(_FAT)


@dataclass(frozen=True)
class Variants:
    """What one library has kernels for.

    Attributes:
        name: of the target.
        rows: one, or several with the preferred one first, which then agree on how weights are packed.
    """

    name: str
    rows: tuple[Target, ...]


def find_variants(name: str) -> Variants:
    """The rows that a library for ``name`` has kernels for.

    Raises:
        UnknownTargetName, UnsupportedHost: as :func:`find_target`.
    """
    short = name.strip().lower().removeprefix(_OS_PREFIX)
    fat = _FAT.get(short)
    if fat is None:
        row = find_target(name)
        return Variants(row.name, (row,))
    return Variants(short, tuple(replace(find_target(row), panel_channels=fat.panel_channels) for row in fat.rows))


def find_target(name: str) -> Target:
    """The row that ``name`` stands for, its features added; the base of a target with several.

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
        known = [NATIVE, *_FAT, *_ROWS, *(target.name for target in system_targets())]
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
