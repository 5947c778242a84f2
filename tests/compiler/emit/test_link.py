"""Linking, and the promises a library must keep."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from separable.compiler.emit.link import check_library, library_sizes, link_library
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.compiler.pipeline import Compiled
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

TARGET = find_target("x86-64-v2")
FUNCTIONS = ("create", "run", "profile", "destroy", "last_error", "describe", "abi_version")
PUBLIC = '__attribute__((visibility("default")))'
API = "\n".join(f"{PUBLIC} int m_{function}(void) {{ return 0; }}" for function in FUNCTIONS)


def build(folder: Path, text: str, *flags: str) -> Path:
    source, library = folder / "m.c", folder / "m.so"
    source.write_text(text)
    compile_and_link(library, target=TARGET, sources=[source], flags=["-shared", "-fPIC", *flags])
    return library


def test_a_sound_library_passes(tmp_path: Path) -> None:
    check_library(build(tmp_path, API), "m")


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (API + "\nint helper(void) { return 1; }", [], r"exports \['helper'\] differ"),
        (API.replace("m_run", "m_walk"), [], r"exports \['m_run', 'm_walk'\] differ"),
        (API.replace("return 0", "static _Thread_local int n; return n++", 1), [], r"has thread-local storage"),
    ],
)
def test_a_broken_promise(text: str, flags: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"^m\.so " + message):
        check_library(build(tmp_path, text, *flags), "m")


def test_a_library_that_needs_another(tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int other(void) { return 0; }\n")
    other = tmp_path / "libother.so"
    flags = ["-shared", "-Wl,-soname,libother.so"]
    compile_and_link(other, target=TARGET, sources=[tmp_path / "other.c"], flags=flags)
    text = "int other(void);\n" + API.replace("return 0", "return other()", 1)
    with pytest.raises(LinkError, match=r"^m\.so needs libother\.so$"):
        check_library(build(tmp_path, text, str(other)), "m")


def test_what_the_compiler_says_is_passed_on(tmp_path: Path) -> None:
    source = tmp_path / "m.c"
    source.write_text("int broken(void) { return x; }\n")
    with pytest.raises(LinkError, match="undeclared identifier 'x'"):
        link_library(tmp_path / "m.so", "m", TARGET, [source], [])


def test_a_function_that_nobody_defines(tmp_path: Path) -> None:
    source = tmp_path / "m.c"
    source.write_text(f"int nowhere(void);\n{API.replace('return 0', 'return nowhere()')}\n")
    with pytest.raises(LinkError, match="undefined symbol: nowhere"):
        link_library(tmp_path / "m.so", "m", TARGET, [source], [])


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainMissing, match="no C compiler"):
        link_library(tmp_path / "m.so", "m", TARGET, [], [])


def test_sizes(tiny: Compiled) -> None:
    sizes = library_sizes(tiny.library)
    assert sizes["file_bytes"] == tiny.library.stat().st_size
    assert 1000 < sizes["code_bytes"] < sizes["file_bytes"]
    assert tiny.manifest["weight_bytes"] <= sizes["rodata_bytes"] < sizes["file_bytes"]
