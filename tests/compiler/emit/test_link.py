"""Linking, and the promises a library must keep."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from separable.compiler.emit.link import library_sizes, link_library
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.compiler.pipeline import Compiled
from separable.targets.table import find_target

TARGET = find_target("x86-64-v2")
FUNCTIONS = ("create", "run", "profile", "destroy", "last_error", "variant", "describe", "abi_version")
PUBLIC = '__attribute__((visibility("default")))'
API = "\n".join(f"{PUBLIC} int m_{function}(void) {{ return 0; }}" for function in FUNCTIONS)


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


@pytest.mark.parametrize("target", ["android-arm64", "arm64-musl", "armv7", "arm64:cortex-a76", "x86-64-musl"])
def test_every_system_gets_a_library_that_keeps_its_promises(target: str, tmp_path: Path) -> None:
    """`link_library` checks them; a model named as a file of the runtime does not get in its way."""
    source = tmp_path / "threads.c"
    source.write_text(API.replace("m_", "threads_"))
    link_library(tmp_path / "threads.so", "threads", find_target(target), [source], [])
    assert (tmp_path / "threads.so").stat().st_size < 100_000


def test_android_has_no_function_that_is_not_on_the_list(tmp_path: Path) -> None:
    source = tmp_path / "m.c"
    source.write_text(f"void *malloc(unsigned long);\n{API.replace('return 0', 'return !malloc(1)')}\n")
    with pytest.raises(LinkError, match="undefined symbol: malloc"):
        link_library(tmp_path / "m.so", "m", find_target("android-arm64"), [source], [])


def test_the_same_bytes_for_android(tmp_path: Path) -> None:
    content = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "m.c").write_text(API)
        link_library(folder / "m.so", "m", find_target("android-arm64"), [folder / "m.c"], [])
        content.append((folder / "m.so").read_bytes())
    assert content[0] == content[1]


def test_an_ndk_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path / "none"))
    with pytest.raises(ToolchainMissing, match=r"ANDROID_NDK_HOME is .*none, but there is no toolchains/.* unset it"):
        link_library(tmp_path / "m.so", "m", find_target("android-arm64"), [], [])


def test_the_ndk_is_used_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for its clang notes what it is called with; a real one was never at hand."""
    clang = tmp_path / "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/clang"
    clang.parent.mkdir(parents=True)
    clang.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\necho no such flag >&2\nexit 1\n')
    clang.chmod(0o755)
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path / "ndk"))
    with pytest.raises(LinkError, match=r"the NDK's compiler failed \(1\).*\nno such flag"):
        link_library(tmp_path / "m.so", "m", find_target("android-arm64"), [tmp_path / "m.c"], [tmp_path / "k.o"])
    called = (tmp_path / "called").read_text().split()
    assert called[0] == "--target=aarch64-linux-android21"
    assert {f"{tmp_path}/m.c", f"{tmp_path}/k.o", "max-page-size=16384", "-lm", "-shared"} <= set(called)
    assert "-c" not in called


def test_sizes(tiny: Compiled) -> None:
    sizes = library_sizes(tiny.library)
    assert sizes["file_bytes"] == tiny.library.stat().st_size
    assert 1000 < sizes["code_bytes"] < sizes["file_bytes"]
    assert tiny.manifest["weight_bytes"] <= sizes["rodata_bytes"] < sizes["file_bytes"]
