"""The agent as a program for a device: built once by zig, statically, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import separable
from separable.compiler.emit.c_source import RUNTIME
from separable.compiler.errors import ToolchainMissing
from separable.compiler.files import whole_file
from separable.compiler.tuning.errors import AgentError
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.toolchain import STATIC, run_zig

SOURCES = RUNTIME / "agent"
PROGRAM = "separable-agent"

# musl: a static program of it runs in Android's shell as on any Linux. 16 KiB pages: new phones have them.
ZIG_TARGETS = {"x86_64": "x86_64-linux-musl", "aarch64": "aarch64-linux-musl", "armv7": "arm-linux-musleabihf"}
_FLAGS = ("-std=c11", *STATIC, "-Wl,-z,max-page-size=16384")
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv7l": "armv7"}
_ARCH_NAMES = {"x86-64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64", "armv7": "armv7", "arm": "armv7"}


def agent_version() -> str:
    """The version of the agent that belongs to this package: the package's, and 8 digits of its sources' hash."""
    paths = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")], key=lambda path: path.name)
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return f"{separable.__version__}+{hashlib.sha256(digests.encode()).hexdigest()[:8]}"


def agent_arch(target: str) -> str:
    """What an agent for a target is compiled for; the CPU and its features do not matter.

    Raises:
        AgentError: there is no agent for this target.
    """
    name = target.strip().lower()
    if name == "native":
        arch = _MACHINES.get(platform.machine().lower())
    else:
        system_and_arch = name.partition(":")[0].partition("+")[0]
        base = system_and_arch.removeprefix("linux-").removeprefix("android-").removesuffix("-musl")
        arch = "x86_64" if base.startswith("x86-64") else _ARCH_NAMES.get(base)
    if arch is None:
        raise AgentError(f"there is no agent for target {target!r}; there are arm64, armv7 and x86-64")
    return arch


def cache_folder() -> Path:
    """Where programs are kept: $XDG_CACHE_HOME/separable, else ~/.cache/separable."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "separable"


def build_agent(arch: str, cache: Path | None = None) -> Path:
    """The agent's program for an arch of ``ZIG_TARGETS``; built if it is not in the cache.

    Raises:
        ToolchainMissing: there is no C compiler.
        AgentError: it failed, or the cache cannot be written.
    """
    program = (cache or cache_folder()) / "agent" / f"{agent_version()}-{arch}" / PROGRAM
    if program.exists():
        return program
    flags = [*_FLAGS, "-target", ZIG_TARGETS[arch], f'-DSEPARABLE_AGENT_VERSION="{agent_version()}"']
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent, prefix=".build-") as folder:
            built = Path(folder) / PROGRAM
            run_zig(["cc", *flags, *map(str, sorted(SOURCES.glob("*.c"))), "-lm", "-o", str(built)])
            built.chmod(0o755)
            built.replace(program)
    except ToolchainNotFound as error:
        raise ToolchainMissing(str(error)) from error
    except ToolchainError as error:
        raise AgentError(f"the agent cannot be built: {error}") from error
    except OSError as error:
        raise AgentError(f"the agent cannot be kept in {program.parent}: {error.strerror or error}") from error
    return program


def write_agent(folder: Path, arch: str, options: Sequence[str]) -> Path:
    """Write the program and ``run.sh``, which starts it with these options and whatever it is called with.

    Raises:
        ToolchainMissing, AgentError: as :func:`build_agent`.
    """
    program = build_agent(arch)
    words = " ".join(shlex.quote(option) for option in options)
    script = f"""#!/bin/sh
# Starts the agent; options given to this script come last: ./run.sh --tracker 192.168.1.10:9190 --key board
exec "$(dirname "$0")/{PROGRAM}" {words + " " if words else ""}"$@"
"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / PROGRAM, program.read_bytes())
        _write(folder / "run.sh", script.encode())
    except OSError as error:
        raise AgentError(f"cannot write the agent to {folder}: {error.strerror or error}") from error
    return folder / PROGRAM


def _write(path: Path, content: bytes) -> None:
    """Write an executable file; it appears whole or not at all."""
    with whole_file(path, 0o755) as file:
        file.write(content)
