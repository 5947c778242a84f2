"""Objects + generated C + runtime -> the library, and the promises it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from separable.compiler.emit.c_source import RUNTIME
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link

_RUNTIME_SOURCES = ("cores.c", "halo.c", "isa.c", "model.c", "threads.c")
_ALLOWED = {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2"}
_FUNCTIONS = ("create", "run", "profile", "destroy", "last_error", "describe", "abi_version")


def link_library(output: Path, name: str, target: Target, sources: Sequence[Path], objects: Sequence[Path]) -> None:
    """Compile the generated sources with the runtime and link everything to ``output``.

    Raises:
        ToolchainMissing: there is no C compiler.
        LinkError: it failed, or the library breaks a promise.
    """
    exports = output.parent / "exports.map"
    exports.write_text(f"{{ global: {name}_*; local: *; }};\n")
    flags = [
        *("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-sanitize=all", "-g0", "-pthread"),
        *(f"-Wl,-soname,{name}.so", f"-Wl,--version-script={exports}", "-Wl,--build-id=none", "-Wl,--strip-all"),
        *("-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,--as-needed", "-lm"),
    ]
    runtime = [RUNTIME / source for source in _RUNTIME_SOURCES]
    try:
        compile_and_link(
            output, target=target, sources=[*sources, *runtime], objects=objects, include_dirs=[RUNTIME], flags=flags
        )
    except ToolchainNotFound as error:
        raise ToolchainMissing(str(error)) from error
    except ToolchainError as error:
        raise LinkError(str(error)) from error
    check_library(output, name)


def check_library(path: Path, name: str) -> None:
    """Check that a library needs libc and libm only and exports nothing but the functions of its model.

    Raises:
        LinkError: says what is wrong.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)
        dynamic = elf.get_section_by_name(".dynamic")
        symbols = elf.get_section_by_name(".dynsym")
        assert isinstance(dynamic, DynamicSection)
        assert isinstance(symbols, SymbolTableSection)
        needed = {str(vars(tag)["needed"]) for tag in dynamic.iter_tags("DT_NEEDED")}
        exported = {
            symbol.name for symbol in symbols.iter_symbols() if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"
        }
        segments = {segment["p_type"] for segment in elf.iter_segments()}
    expected = {f"{name}_{function}" for function in _FUNCTIONS}
    problems = []
    if foreign := needed - _ALLOWED:
        problems.append(f"needs {', '.join(sorted(foreign))}")
    if exported != expected:
        problems.append(f"exports {sorted(exported ^ expected)} differ from the model's functions")
    if "PT_TLS" in segments:
        problems.append("has thread-local storage")
    if problems:
        raise LinkError(f"{path.name} {'; '.join(problems)}")


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
