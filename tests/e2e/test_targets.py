"""A tiny network for the systems that are not this one: numbers under qemu where it can play them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from separable.compiler import pipeline
from separable.compiler.emit.android import LIBC, LIBM
from separable.compiler.emit.link import link_library
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.schedules import conv
from separable.schedules.tensor import Plain
from separable.targets.row import Target
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link
from tests.compiler.tiny import save_tiny

from .support import HERE, ROOT, CompileLibrary, FloatArray, random_inputs, range_errors, reference

TOLERANCE = 1e-4
RUNTIME = ROOT / "runtime"

pytestmark = pytest.mark.xdist_group("targets")


@pytest.mark.parametrize("target", ["armv7", "armv7:cortex-a7", "armv7:cortex-a53"])
def test_armv7(target: str, tiny_onnx: Path, compile_library: CompileLibrary) -> None:
    """The plain row runs on a CPU without fused multiply-add, the others on one that has it."""
    library = compile_library(tiny_onnx, target)
    inputs = random_inputs(library.compiled)
    for threads in (1, 2):
        assert max(range_errors(library.run(inputs, threads=threads), reference(tiny_onnx, inputs))) <= TOLERANCE


@pytest.mark.parametrize("tile", [conv.Tile(4, 2, 1, 3, False), conv.Tile(4, 4, 2, 3, True)], ids=["4x2", "4x4"])
def test_tall_tiles_of_the_first_convolution_on_arm64(
    tile: conv.Tile, compile_library: CompileLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They read distant parts of the padded image, which the kernel itself has written."""
    default = conv.default_tile
    monkeypatch.setattr(conv, "default_tile", lambda w, target: tile if isinstance(w.x, Plain) else default(w, target))
    library = compile_library(save_tiny(tmp_path), "arm64:generic")
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs), reference(library.model, inputs))) <= TOLERANCE


def test_armv7_without_what_the_library_needs(tiny_onnx: Path, compile_library: CompileLibrary) -> None:
    """No illegal instruction: a sentence."""
    library = compile_library(tiny_onnx, "armv7:cortex-a7")
    emulator = ["qemu-arm", "-cpu", "cortex-a9", *library.emulator[3:]]
    folder = library.compiled.folder
    np.zeros((1, 3, 8, 8), np.float32).tofile(folder / "zeros")
    command = [*emulator, str(library.driver), str(library.compiled.library.resolve()), "tiny", "1", "1"]
    done = subprocess.run(
        [*command, str(folder / "zeros"), "--", f"{folder / 'y'}=20"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "compiled for armv7:cortex-a7, but this CPU lacks VFPv4, integer division" in done.stderr


def run_plain(command: Sequence[str | Path], x: FloatArray, folder: Path, threads: int) -> FloatArray:
    x.tofile(folder / "x")
    subprocess.run([*command, str(threads), folder / "x", folder / "y"], check=True, timeout=100, env={})
    return np.fromfile(folder / "y", np.float32).reshape(1, -1)


def test_musl_on_arm64(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own objects, linked statically: there is no musl for arm64 on this machine that could load it."""
    objects: list[Path] = []

    def link_and_keep(
        output: Path, name: str, target: Target, sources: Sequence[Path], kernels: Sequence[Path]
    ) -> None:
        for source in (*sources, *sorted(RUNTIME.glob("*.c"))):
            objects.append(tmp_path / f"{len(objects)}.o")
            flags = ["-std=c11", "-fPIC", "-c"]
            compile_and_link(objects[-1], target=target, sources=[source], include_dirs=[RUNTIME], flags=flags)
        objects.extend(Path(shutil.copy(kernel, tmp_path)) for kernel in kernels)
        link_library(output, name, target, sources, kernels)

    monkeypatch.setattr(pipeline, "link_library", link_and_keep)
    compiled = compile_model(CompileOptions(tiny_onnx, target="arm64-musl", output=tmp_path / "out"))
    program = tmp_path / "program"
    compile_and_link(
        program,
        target=find_target("arm64-musl"),
        sources=[HERE / "plain_driver.c"],
        objects=objects,
        include_dirs=[compiled.folder],
        flags=["-std=c11", "-static", "-DMODEL=tiny", '-DMODEL_HEADER="tiny.h"'],
    )
    inputs = random_inputs(compiled)
    for threads in (1, 2):
        y = run_plain(["qemu-aarch64", program], inputs["x"], tmp_path, threads)
        assert max(range_errors([y], reference(tiny_onnx, inputs))) <= TOLERANCE


def test_android(tiny_onnx: Path, tmp_path: Path) -> None:
    """Its link only: nothing here can run Android's programs."""
    compiled = compile_model(CompileOptions(tiny_onnx, target="android-arm64:cortex-a55", output=tmp_path))
    with compiled.library.open("rb") as file:
        elf = ELFFile(file)
        dynamic, symbols = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".dynsym")
        assert isinstance(dynamic, DynamicSection)
        assert isinstance(symbols, SymbolTableSection)
        tags = {tag["d_tag"] for tag in dynamic.iter_tags()}
        needed = [vars(tag)["needed"] for tag in dynamic.iter_tags("DT_NEEDED")]
        undefined = {s.name for s in symbols.iter_symbols() if s.name and s["st_shndx"] == "SHN_UNDEF"}
        aligned = {segment["p_align"] for segment in elf.iter_segments("PT_LOAD")}
        assert elf["e_machine"] == "EM_AARCH64"
        assert not elf.get_section_by_name(".gnu.version_r")
        assert not list(elf.iter_segments("PT_TLS"))
    assert set(needed) <= {"libc.so", "libm.so"}
    assert undefined <= {*LIBC, *LIBM}
    assert aligned == {16384}
    assert {"DT_HASH", "DT_GNU_HASH"} <= tags
    assert not tags & {"DT_TEXTREL", "DT_VERNEED", "DT_RUNPATH", "DT_RPATH"}
