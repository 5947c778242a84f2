"""The C compiler and linker: clang and lld as packaged by ziglang, which brings every target's libc with it."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.row import Target

RELEASE = ("-O2", "-g0", "-fno-sanitize=all")
"""How everything is compiled, and linked with ``STRIP``. Zig builds its own libraries, and musl, to suit: another mode
would take it half a minute or two more at the first time."""

STRIP = "-Wl,--strip-all"

STATIC = (*RELEASE, "-static", STRIP)
"""How a program is linked, or compiled and linked, that needs no system's libraries."""

_FOLDER = Path(sys.executable).parent
"""Where zig runs. In a folder above its own files it calls them by relative names, and builds its libraries anew."""


def compile_and_link(
    output: Path,
    *,
    target: Target,
    sources: Iterable[Path] = (),
    objects: Iterable[Path] = (),
    include_dirs: Iterable[Path] = (),
    flags: Sequence[str] = (),
) -> None:
    """Compile C ``sources`` for ``target`` and link them with ``objects`` to ``output``.

    ``flags`` decide what comes out: nothing for a program, ``-shared`` for a library, ``-c`` for an object; they come
    after ``RELEASE``. Programs and libraries are stripped. The C code is compiled for the oldest CPU of the target's
    arch, so that it can still report that the CPU is too old.
    The first call for a target builds stubs of its libc, which takes some seconds; they are cached for all users of
    zig.

    Raises:
        ToolchainNotFound: ziglang is not installed or does not start.
        ToolchainError: it failed; the message holds the command and what it printed.
    """
    arguments = ["cc", "-target", target.zig_target, *RELEASE, *flags]
    arguments += [] if "-c" in flags else [STRIP]
    arguments += [f"-I{folder.absolute()}" for folder in include_dirs]
    arguments += [str(path.absolute()) for path in (*sources, *objects)]
    run_zig([*arguments, "-o", str(output.absolute())])


def run_zig(arguments: Sequence[str]) -> str:
    """Run ``zig`` with these arguments, in which paths are absolute, and return its standard output.

    Raises:
        ToolchainNotFound, ToolchainError: as :func:`compile_and_link`.
    """
    command = [str(_program()), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=_FOLDER)
    except OSError as error:
        raise ToolchainNotFound(f"cannot start the C compiler {command[0]}: {error}") from error
    if done.returncode != 0:
        raise ToolchainError(f"the C compiler failed ({done.returncode}): {shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def _program() -> Path:
    """The executable itself: through ``python -m ziglang`` each call would start Python first."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        raise ToolchainNotFound(f"no C compiler: {sys.executable} has no package ziglang; `pip install ziglang`")
    return Path(spec.submodule_search_locations[0]) / "zig"
