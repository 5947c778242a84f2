"""The same CPUs under another system: a row of the table -> the row for Android, or for a Linux with musl.

Kernels are the same; what differs is the C library, how the library is linked, and on Android the registers that code
may use (x18 belongs to the system).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from separable.targets.row import Target

ANDROID, MUSL = "android-", "-musl"

_MUSL_TRIPLES = {
    "x86_64": ("x86_64-linux-musl", "x86_64-linux-musl"),
    "aarch64": ("aarch64-linux-musl", "aarch64-linux-musl"),
    "armv7": ("armv7a-linux-musleabihf", "arm-linux-musleabihf"),
}
"""By arch: LLVM's triple and zig's."""


def android_row(row: Target) -> Target | None:
    """The row for Android 5.0 (API level 21) or later; None for what no phone is."""
    if row.arch != "aarch64":
        return None
    return replace(
        row,
        name=f"{ANDROID}{row.name}",
        os="android",
        libc="bionic",
        triple="aarch64-linux-android",
        # C for Android's own triple calls helpers for atomics that only the NDK's libraries have.
        zig_target="aarch64-freestanding-none",
    )


def musl_row(row: Target) -> Target | None:
    """The row for a Linux whose C library is musl, such as Alpine."""
    triple, zig_target = _MUSL_TRIPLES[row.arch]
    arch, colon, cpu = row.name.partition(":")
    return replace(row, name=f"{arch}{MUSL}{colon}{cpu}", libc="musl", triple=triple, zig_target=zig_target)


SYSTEMS: Mapping[str, Callable[[Target], Target | None]] = {ANDROID: android_row, MUSL: musl_row}
"""What a name carries, before the arch or behind it -> what it does to a row."""
