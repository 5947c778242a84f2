"""What every linked library is checked for, by libraries that each break one promise."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from separable.compiler.emit.check_link import FUNCTIONS, check_library
from separable.compiler.errors import LinkError
from separable.targets.row import Target
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

TARGET = find_target("x86-64-v2")
PUBLIC = '__attribute__((visibility("default")))'
API = "\n".join(f"{PUBLIC} int m_{function}(void) {{ return 0; }}" for function in FUNCTIONS)
SOUND = ("-shared", "-fPIC", "-Wl,-z,relro", "-Wl,-z,now")


def build(folder: Path, text: str, *flags: str, target: Target = TARGET) -> Path:
    source, library = folder / "m.c", folder / "m.so"
    source.write_text(text)
    compile_and_link(library, target=target, sources=[source], flags=[*SOUND, *flags])
    return library


def patch(library: Path, offset: int, word: int) -> None:
    """Write a 32-bit number over a field of a file."""
    content = bytearray(library.read_bytes())
    struct.pack_into("<I", content, offset, word)
    library.write_bytes(content)


@pytest.mark.parametrize("name", ["x86-64-v2", "arm64", "armv7", "x86-64-musl"])
def test_a_sound_library_passes(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    flags = ["-dynamic"] if target.libc == "musl" else []
    check_library(build(tmp_path, API, *flags, target=target), "m", target)


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (API + "\nint helper(void) { return 1; }", [], r"exports \['helper'\] differ"),
        (API.replace("m_run", "m_walk"), [], r"exports \['m_run', 'm_walk'\] differ"),
        (API.replace("return 0", "static _Thread_local int n; return n++", 1), [], r"has thread-local storage"),
        (API, ["-Wl,-z,norelro"], r"leaves its relocated data writable"),
        (API, ["-Wl,-z,lazy"], r"does not bind its symbols at load"),
    ],
)
def test_a_broken_promise(text: str, flags: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"^m\.so " + message):
        check_library(build(tmp_path, text, *flags), "m", TARGET)


def test_text_relocations(tmp_path: Path) -> None:
    source = tmp_path / "m.S"
    source.write_text("".join(f".globl m_{function}\nm_{function}: ret\n" for function in FUNCTIONS) + ".quad m_run\n")
    flags = ["-shared", "-Wl,-z,notext", "-Wl,-z,relro", "-Wl,-z,now"]
    compile_and_link(tmp_path / "m.so", target=TARGET, sources=[source], flags=flags)
    with pytest.raises(LinkError, match="has text relocations"):
        check_library(tmp_path / "m.so", "m", TARGET)


def test_a_library_that_needs_another(tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int other(void) { return 0; }\n")
    other = tmp_path / "libother.so"
    flags = ["-shared", "-Wl,-soname,libother.so"]
    compile_and_link(other, target=TARGET, sources=[tmp_path / "other.c"], flags=flags)
    text = "int other(void);\n" + API.replace("return 0", "return other()", 1)
    with pytest.raises(LinkError, match=r"^m\.so needs libother\.so$"):
        check_library(build(tmp_path, text, str(other)), "m", TARGET)


def test_a_symbol_of_a_newer_glibc(tmp_path: Path) -> None:
    (tmp_path / "libc.c").write_text("int newer(void) { return 0; }\n")
    (tmp_path / "libc.map").write_text("GLIBC_2.34 { newer; };\n")
    stub = tmp_path / "libc.so"
    flags = ["-shared", "-nostdlib", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={tmp_path / 'libc.map'}"]
    compile_and_link(stub, target=TARGET, sources=[tmp_path / "libc.c"], flags=flags)
    library = build(tmp_path, "int newer(void);\n" + API.replace("return 0", "return newer()", 1), str(stub))
    with pytest.raises(LinkError, match=r"symbol versions GLIBC_2\.34, allowed: GLIBC_2\.17 at most"):
        check_library(library, "m", TARGET)


def test_glibc_where_another_libc_is_expected(tmp_path: Path) -> None:
    library = build(tmp_path, "int getpid(void);\n" + API.replace("return 0", "return getpid()", 1))
    with pytest.raises(LinkError, match=r"needs libc\.so\.6; asks for symbol versions GLIBC_.*, allowed: none"):
        check_library(library, "m", find_target("x86-64-musl"))


def test_android_asks_for_more(tmp_path: Path) -> None:
    flags = ["-Wl,-z,max-page-size=4096", "-Wl,--hash-style=gnu"]
    library = build(tmp_path, API, *flags, target=find_target("arm64"))
    with pytest.raises(LinkError) as caught:
        check_library(library, "m", find_target("android-arm64"))
    assert "lacks one of the hash tables" in str(caught.value)
    assert "has segments aligned to 4096 bytes, expected 16384" in str(caught.value)


def test_the_wrong_machine(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="is for EM_X86_64, not EM_AARCH64"):
        check_library(build(tmp_path, API), "m", find_target("arm64"))


def test_soft_float(tmp_path: Path) -> None:
    target = find_target("armv7")
    library = build(tmp_path, API, target=target)
    patch(library, 36, 0x05000200)  # e_flags of a 32-bit file: EABI 5, soft float
    with pytest.raises(LinkError, match="passes floats in integer registers"):
        check_library(library, "m", target)


@pytest.mark.parametrize(
    ("kind", "flags", "message"),
    [("PT_GNU_STACK", 7, "has an executable stack"), ("PT_LOAD", 7, "has a segment that is writable and executable")],
)
def test_what_no_linker_here_makes(kind: str, flags: int, message: str, tmp_path: Path) -> None:
    library = build(tmp_path, API)
    with library.open("rb") as file:
        elf = ELFFile(file)
        index = next(i for i, segment in enumerate(elf.iter_segments()) if segment["p_type"] == kind)
        p_flags = elf["e_phoff"] + index * elf["e_phentsize"] + 4
    patch(library, p_flags, flags)
    with pytest.raises(LinkError, match=message):
        check_library(library, "m", TARGET)
