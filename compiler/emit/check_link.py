"""The promises a linked library must keep, read from its ELF headers; what each C library asks for is a row below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

from separable.compiler.errors import LinkError
from separable.targets.row import Libc, Target

FUNCTIONS = ("create", "run", "profile", "destroy", "last_error", "variant", "describe", "abi_version")
"""What a library exports, after the model's name and an underscore."""

_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "armv7": "EM_ARM"}
_HARD_FLOAT = 0x400  # EF_ARM_ABI_FLOAT_HARD


@dataclass(frozen=True)
class Rules:
    """What a library for one C library may and must be.

    Attributes:
        needed: the libraries that it may need.
        newest_version: the newest version of glibc's symbols that it may ask for; None: no versions at all.
        page_bytes: the page size its segments must be aligned for at least.
        both_hashes: whether it must have the old and the new table to find symbols by.
    """

    needed: frozenset[str]
    newest_version: tuple[int, ...] | None = None
    page_bytes: int = 4096
    both_hashes: bool = False


_GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0"}
_LOADERS = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld-linux-armhf.so.3"}
RULES: Mapping[Libc, Rules] = {
    "glibc": Rules(frozenset(_GLIBC | _LOADERS), newest_version=(2, 17)),
    # musl is one file; libm and libpthread are names for it.
    "musl": Rules(frozenset({"libc.so"})),
    "bionic": Rules(frozenset({"libc.so", "libm.so"}), page_bytes=16384, both_hashes=True),
}


def check_library(path: Path, name: str, target: Target) -> None:
    """Check a linked library of model ``name``.

    It needs nothing but its C library, in a version that is old enough, exports nothing but the functions of its model,
    has neither thread-local storage, nor text relocations, nor an executable stack, and binds all symbols at load.

    Raises:
        LinkError: says all that is wrong.
    """
    with path.open("rb") as file:
        problems = list(_problems(ELFFile(file), name, target))
    if problems:
        raise LinkError(f"{path.name} {'; '.join(problems)}")


def _problems(elf: ELFFile, name: str, target: Target) -> Iterator[str]:
    rules = RULES[target.libc]
    yield from _machine_problems(elf, target)
    dynamic, symbols = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".dynsym")
    assert isinstance(dynamic, DynamicSection)
    assert isinstance(symbols, SymbolTableSection)
    if foreign := {str(vars(tag)["needed"]) for tag in dynamic.iter_tags("DT_NEEDED")} - rules.needed:
        yield f"needs {', '.join(sorted(foreign))}"
    exported = {symbol.name for symbol in symbols.iter_symbols() if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"}
    if wrong := exported ^ {f"{name}_{function}" for function in FUNCTIONS}:
        yield f"exports {sorted(wrong)} differ from the model's functions"
    yield from _version_problems(elf, rules)
    yield from _segment_problems(elf, rules)
    tags = {tag["d_tag"]: int(tag["d_val"]) for tag in dynamic.iter_tags()}
    if "DT_TEXTREL" in tags or tags.get("DT_FLAGS", 0) & 4:
        yield "has text relocations"
    if not (tags.get("DT_FLAGS", 0) & 8 or tags.get("DT_FLAGS_1", 0) & 1):
        yield "does not bind its symbols at load"
    if rules.both_hashes and not {"DT_HASH", "DT_GNU_HASH"} <= tags.keys():
        yield "lacks one of the hash tables"


def _machine_problems(elf: ELFFile, target: Target) -> Iterator[str]:
    if elf["e_machine"] != _MACHINES[target.arch]:
        yield f"is for {elf['e_machine']}, not {_MACHINES[target.arch]}"
    elif target.arch == "armv7" and not elf["e_flags"] & _HARD_FLOAT:
        yield "passes floats in integer registers"


def _version_problems(elf: ELFFile, rules: Rules) -> Iterator[str]:
    wanted = {
        str(auxiliary.name)
        for section in elf.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, auxiliaries in section.iter_versions()
        for auxiliary in auxiliaries
    }
    newest = rules.newest_version
    if newest is None:
        late = wanted
    else:
        late = {name for name in wanted if _version(name) is None or (_version(name) or ()) > newest}
    if late:
        allowed = "none" if newest is None else f"GLIBC_{'.'.join(map(str, newest))} at most"
        yield f"asks for symbol versions {', '.join(sorted(late))}, allowed: {allowed}"


def _version(name: str) -> tuple[int, ...] | None:
    """The numbers of ``GLIBC_2.17``; None if it is no version of glibc."""
    numbers = name.removeprefix("GLIBC_").split(".")
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def _segment_problems(elf: ELFFile, rules: Rules) -> Iterator[str]:
    segments = list(elf.iter_segments())
    kinds = {segment["p_type"] for segment in segments}
    if "PT_TLS" in kinds:
        yield "has thread-local storage"
    if "PT_GNU_RELRO" not in kinds:
        yield "leaves its relocated data writable"
    if "PT_GNU_STACK" not in kinds or any(s["p_flags"] & 1 for s in segments if s["p_type"] == "PT_GNU_STACK"):
        yield "has an executable stack"
    loaded = [segment for segment in segments if segment["p_type"] == "PT_LOAD"]
    if any(segment["p_flags"] & 3 == 3 for segment in loaded):
        yield "has a segment that is writable and executable"
    if small := [segment["p_align"] for segment in loaded if segment["p_align"] < rules.page_bytes]:
        yield f"has segments aligned to {min(small)} bytes, expected {rules.page_bytes}"
