"""Linking for Android, with the NDK or without one.

Without: the C code is compiled freestanding against ``runtime/bionic``, our own declarations of the functions it
calls, and linked by lld against a libc.so and a libm.so that define nothing but the names in the lists below. Android's
real ones take their place on the phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from separable.compiler.emit.c_source import RUNTIME
from separable.targets.ndk import find_clang, run_clang
from separable.targets.row import Target
from separable.targets.toolchain import RELEASE, compile_and_link, run_zig

LIBC = (
    *("calloc", "free", "posix_memalign", "memcpy", "memmove", "memset", "strcmp"),
    *("snprintf", "vsnprintf", "strtol"),
    *("open", "read", "close", "syscall", "sysconf", "getauxval", "getpid", "clock_gettime"),
    *("pthread_create", "pthread_join", "pthread_sigmask", "sigfillset"),
    *("pthread_mutex_init", "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_mutex_destroy"),
    *("__sched_cpucount", "sched_getaffinity", "sched_setaffinity", "sched_getcpu", "sched_yield"),
)
"""What a library may call in libc.so: all of it is there since API level 21."""

LIBM = (
    *("expf", "exp2f", "logf", "log2f", "powf", "fmodf", "fmaf", "erff"),
    *("sinf", "cosf", "tanf", "sinhf", "coshf", "tanhf", "asinf", "acosf", "atanf", "atan2f"),
    *("exp", "log", "pow", "fmod", "fma", "erf", "sin", "cos", "tan", "tanh"),
)
"""What a library may call in libm.so: the functions that LLVM calls where it has no instruction."""

_COMPILE = ("-std=c11", *RELEASE, "-fPIC", "-fvisibility=hidden", "-ffixed-x18")
_LINK = (
    *("-shared", "--no-undefined", "--as-needed", "--strip-all", "--build-id=none", "--hash-style=both"),
    # Pages of 16 KiB: what Android 15 may have, and Google Play asks for.
    *("-z", "max-page-size=16384", "-z", "relro", "-z", "now", "-z", "noexecstack", "-z", "text"),
)


def link_for_android(
    output: Path, *, target: Target, exports: Path, sources: Sequence[Path], objects: Sequence[Path]
) -> None:
    """Compile C ``sources`` (or assembly) and link them with ``objects`` to a library.

    Args:
        output: the library; its name becomes the soname. Its folder takes what is made on the way.
        target: a row for Android.
        exports: the linker's version script.
        sources: compiled with the runtime's folder to include from.
        objects: kernels.

    Raises:
        ToolchainNotFound, ToolchainError: as in ``targets/toolchain.py``.
    """
    options = [*_LINK, "-soname", output.name, f"--version-script={exports}"]
    clang = find_clang()
    if clang is not None:
        files = [str(path) for path in (*sources, *objects)]
        passed = [word for option in options for word in ("-Xlinker", option)]
        run_clang(clang, [*_COMPILE, f"-I{RUNTIME}", "-shared", *passed, *files, "-lm", "-o", str(output)])
        return
    made = [output.parent / f"android{index}.o" for index in range(len(sources))]
    for source, path in zip(sources, made, strict=True):
        headers = [RUNTIME, RUNTIME / "bionic"]
        compile_and_link(path, target=target, sources=[source], include_dirs=headers, flags=[*_COMPILE, "-c"])
    files = [str(path) for path in (*objects, *made, *_stubs(output.parent / "stubs", target))]
    run_zig(["ld.lld", *options, *files, "-o", str(output)])


def _stubs(folder: Path, target: Target) -> list[Path]:
    """A libc.so and a libm.so for the linker to look names up in."""
    folder.mkdir()
    libraries = []
    for name, symbols in (("libc", LIBC), ("libm", LIBM)):
        source, library = folder / f"{name}.S", folder / f"{name}.so"
        source.write_text("".join(f".globl {symbol}\n.type {symbol}, %function\n{symbol}:\n" for symbol in symbols))
        compile_and_link(folder / f"{name}.o", target=target, sources=[source], flags=["-c"])
        run_zig(["ld.lld", "-shared", "-soname", library.name, "-o", str(library), str(folder / f"{name}.o")])
        libraries.append(library)
    return libraries
