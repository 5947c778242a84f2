"""Android's own C compiler, from the NDK that ANDROID_NDK_HOME names, if it names one."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from separable.targets.errors import ToolchainError, ToolchainNotFound

VARIABLE = "ANDROID_NDK_HOME"
CLANG_TARGET = "aarch64-linux-android21"
"""API level 21, Android 5.0: the first with 64 bits."""


def find_clang() -> Path | None:
    """The NDK's clang; None where no NDK is named.

    Raises:
        ToolchainNotFound: the variable is set, but there is no NDK.
    """
    home = os.environ.get(VARIABLE, "")
    if not home:
        return None
    found = sorted(Path(home).glob("toolchains/llvm/prebuilt/*/bin/clang"))
    if not found:
        raise ToolchainNotFound(
            f"{VARIABLE} is {home}, but there is no toolchains/llvm/prebuilt/*/bin/clang; "
            "set it to the folder of an NDK, or unset it to link without one"
        )
    return found[0]


def run_clang(clang: Path, arguments: Sequence[str]) -> None:
    """Run the NDK's clang for arm64.

    Raises:
        ToolchainNotFound: it does not start.
        ToolchainError: it failed; the message holds the command and what it printed.
    """
    command = [str(clang), f"--target={CLANG_TARGET}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise ToolchainNotFound(f"cannot start the NDK's compiler {clang}: {error.strerror}") from error
    if done.returncode != 0:
        raise ToolchainError(
            f"the NDK's compiler failed ({done.returncode}): {shlex.join(command)}\n{done.stderr.strip()}"
        )
