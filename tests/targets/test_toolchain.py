from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from separable.targets.arm import ARM64
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link, run_zig

PROGRAM = '#include "answer.h"\n#include <stdio.h>\nint main(void) { return printf("%d\\n", ANSWER) < 0; }\n'


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "answer.h").write_text("#define ANSWER 42\n")
    source = tmp_path / "main.c"
    source.write_text(PROGRAM)
    return source


def build(source: Path, output: Path, target: Target) -> Path:
    compile_and_link(
        output, target=target, sources=[source], include_dirs=[source.parent / "include"], flags=["-std=c11"]
    )
    return output


def test_a_program_is_built_and_runs(program: Path, tmp_path: Path) -> None:
    binary = build(program, tmp_path / "main", detect_host())
    assert subprocess.run([binary], capture_output=True, text=True, check=True).stdout == "42\n"


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 (package qemu-user) is not installed")
def test_a_program_is_built_for_arm64(program: Path, tmp_path: Path) -> None:
    # Linked with musl, a program is static and needs no arm64 libc on this machine.
    static = build(program, tmp_path / "main", replace(ARM64, zig_target="aarch64-linux-musl"))
    assert subprocess.run(["qemu-aarch64", static], capture_output=True, text=True, check=True).stdout == "42\n"


def test_objects_link_with_sources_to_a_library_of_the_same_bytes(tmp_path: Path) -> None:
    part, rest = tmp_path / "part.c", tmp_path / "rest.c"
    part.write_text("int part(void) { return 1; }\n")
    rest.write_text("int part(void);\nint rest(void) { return part(); }\n")
    compile_and_link(tmp_path / "part.o", target=ARM64, sources=[part], flags=["-fPIC", "-c"])
    libraries = [tmp_path / "first.so", tmp_path / "second.so"]
    for library in libraries:
        compile_and_link(
            library,
            target=ARM64,
            sources=[rest],
            objects=[tmp_path / "part.o"],
            flags=["-fPIC", "-shared", "-Wl,-soname,rest.so"],
        )
    assert libraries[0].read_bytes() == libraries[1].read_bytes()


def test_a_compiler_error_is_quoted(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("int main(void) { return undeclared; }\n")
    with pytest.raises(ToolchainError, match="undeclared"):
        compile_and_link(tmp_path / "broken", target=detect_host(), sources=[source])


def test_a_missing_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainNotFound, match="pip install ziglang"):
        run_zig(["version"])


def test_a_compiler_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec("ziglang", None, is_package=True)
    spec.submodule_search_locations = ["/nonexistent"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ToolchainNotFound, match="cannot start the C compiler /nonexistent/zig"):
        run_zig(["version"])
