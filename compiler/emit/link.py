"""Objects + generated C + runtime -> the library, and the promises it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile

from separable.compiler.emit.android import link_for_android
from separable.compiler.emit.c_source import RUNTIME
from separable.compiler.emit.check_link import check_library
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link

_RUNTIME_SOURCES = ("cores.c", "halo.c", "isa.c", "model.c", "threads.c", "variant.c")


def link_library(output: Path, name: str, target: Target, sources: Sequence[Path], objects: Sequence[Path]) -> None:
    """Compile the generated sources with the runtime and link everything to ``output``.

    Raises:
        ToolchainMissing: there is no C compiler.
        LinkError: it failed, or the library breaks a promise.
    """
    exports = output.parent / "exports.map"
    exports.write_text(f"{{ global: {name}_*; local: *; }};\n")
    everything = [*sources, *(RUNTIME / source for source in _RUNTIME_SOURCES)]
    try:
        if target.os == "android":
            link_for_android(output, target=target, exports=exports, sources=everything, objects=objects)
        else:
            _link_for_linux(output, target, exports, everything, objects)
    except ToolchainNotFound as error:
        raise ToolchainMissing(str(error)) from error
    except ToolchainError as error:
        raise LinkError(str(error)) from error
    check_library(output, name, target)


def _link_for_linux(
    output: Path, target: Target, exports: Path, sources: Sequence[Path], objects: Sequence[Path]
) -> None:
    flags = [
        *("-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread"),
        *(f"-Wl,-soname,{output.name}", f"-Wl,--version-script={exports}", "-Wl,--build-id=none"),
        *("-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,--as-needed", "-lm"),
        # zig links musl into a library unless told to leave it to the system.
        *(["-dynamic"] if target.libc == "musl" else []),
    ]
    compile_and_link(output, target=target, sources=sources, objects=objects, include_dirs=[RUNTIME], flags=flags)


def code_bytes(path: Path) -> int:
    """Bytes of the code in an object or library."""
    with path.open("rb") as file:
        return sum(s.data_size for s in ELFFile(file).iter_sections() if s.name.startswith(".text"))


def library_sizes(path: Path) -> dict[str, int]:
    """Bytes of the library: the file, its code, its weights."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        text = elf.get_section_by_name(".text")
        rodata = elf.get_section_by_name(".rodata")
        return {
            "file_bytes": path.stat().st_size,
            "code_bytes": text.data_size if text else 0,
            "rodata_bytes": rodata.data_size if rodata else 0,
        }
