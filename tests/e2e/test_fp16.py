"""``--precision fp16``: arm64 code under qemu, the same numbers emulated on this machine, and real networks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from separable.compiler.errors import UnsupportedPrecision
from separable.compiler.options import CompileOptions
from separable.compiler.passes import fuse_depthwise_pointwise
from separable.compiler.pipeline import compile_model
from separable.compiler.verify import TOLERANCES, verify_library
from separable.runtime.loader import load
from separable.targets.emulation import EMULATED_FP16

from .graphs import save_random_graph
from .support import (
    SHARED,
    CompileLibrary,
    magnitude_errors,
    needs_shared,
    random_inputs,
    range_errors,
    reference,
)
from .test_models import PHOTOS, QUICK, photos

A76, A55 = "arm64:cortex-a76", "arm64:cortex-a55"
SMALL = 2e-2
"""Error of random networks of a few layers, relative to the largest value of an output; most are below 5e-3."""
V1 = "mobilenet_v1_1.0_224"

SEEDS = {A76: (8, 19, 20, 25), A55: (2, 24), EMULATED_FP16: (5, 26)}
MORE_SEEDS = {A76: range(400, 430), A55: range(470, 490), EMULATED_FP16: range(430, 470)}

pytestmark = pytest.mark.xdist_group("fp16")


def check(seed: int, target: str, compile_library: CompileLibrary, folder: Path) -> None:
    library = compile_library(save_random_graph(seed, folder), target, "fp16")
    inputs = random_inputs(library.compiled)
    expected = reference(library.model, inputs)
    first, second = (library.run(inputs, threads) for threads in (1, 2))
    assert max(magnitude_errors(first, expected)) <= SMALL
    assert all((one == two).all() for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("seed", "target"),
    [
        *((seed, target) for target, seeds in SEEDS.items() for seed in seeds),
        *(pytest.param(seed, target, marks=pytest.mark.slow) for target, seeds in MORE_SEEDS.items() for seed in seeds),
    ],
)
def test_a_random_network(seed: int, target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """Of every operator, with channels and sizes that fill no block."""
    check(seed, target, compile_library, tmp_path)


def test_a_random_network_with_every_pair_fused(
    compile_library: CompileLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse_depthwise_pointwise, "decline", lambda workload, target: None)
    monkeypatch.setattr(fuse_depthwise_pointwise, "peak_bytes", lambda program: 0)
    check(24, A76, compile_library, tmp_path)


@needs_shared
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name != "vww_96_fp32" else []) for name in QUICK]
)
def test_trained_networks_stay_within_the_bound(name: str, compile_library: CompileLibrary) -> None:
    library = compile_library(SHARED / "models" / f"{name}.onnx", EMULATED_FP16, "fp16")
    verification = verify_library(library.compiled.library, library.model)
    assert verification.tolerance == TOLERANCES["fp16"] > 1e-7 + verification.max_error
    verification.require()


@needs_shared
def test_arm64_code_computes_what_the_emulation_does(compile_library: CompileLibrary) -> None:
    """A photo under qemu: the class of float32, and the error that the emulation predicts for all photos."""
    batch, _ = photos(V1, 1)
    model = SHARED / "models" / f"{V1}.onnx"
    (exact,) = reference(model, {"input": batch})
    (arm,) = compile_library(model, A76, "fp16").run({"input": batch})
    (emulated,) = compile_library(model, EMULATED_FP16, "fp16").run({"input": batch})
    assert arm.argmax() == exact.argmax()
    assert max(range_errors([arm], [exact])) <= SMALL
    assert max(range_errors([arm], [emulated])) <= 5e-3


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", PHOTOS)
def test_photos_are_recognised_as_in_float32(name: str, compile_library: CompileLibrary) -> None:
    batch, labels = photos(name, 320)
    library = compile_library(SHARED / "models" / f"{name}.onnx", EMULATED_FP16, "fp16")
    with load(library.compiled.library) as model:
        classes = np.concatenate([model(image[None]) for image in batch]).argmax(1)
    assert abs(int((classes == np.array(labels)).sum()) - PHOTOS[name][3]) <= 2


def test_a_cpu_without_float16_arithmetic_is_told(tiny_onnx: Path, compile_library: CompileLibrary) -> None:
    """No illegal instruction: a sentence."""
    library = compile_library(tiny_onnx, A76, "fp16")
    folder = library.compiled.folder
    np.zeros((1, 3, 8, 8), np.float32).tofile(folder / "zeros")
    emulator = ["qemu-aarch64", "-cpu", "cortex-a53", *library.emulator[3:]]
    command = [*emulator, str(library.driver), str(library.compiled.library.resolve()), "tiny", "1", "1"]
    done = subprocess.run(
        [*command, str(folder / "zeros"), "--", f"{folder / 'y'}=20"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "compiled for arm64:cortex-a76, but this CPU lacks" in done.stderr
    assert "half-precision arithmetic (FP16)" in done.stderr


def half_arithmetic(library: Path) -> int:
    """How many instructions compute in float16, by their encodings; conversions, which every ARMv8 has, are none."""
    with library.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".text")
        assert section is not None
        code = section.data()
    words = np.frombuffer(code[: len(code) // 4 * 4], "<u4")
    vector = (words & 0x9F60C400) == 0x0E400400  # three registers
    vector |= (words & 0x9F7E0C00) == 0x0E780800  # two registers
    vector |= ((words & 0x9FC03400) == 0x0F001000) & ((words & 0xC000) != 0xC000)  # by element
    scalar = ((words & 0xFFE00000) == 0x1EE00000) & ((words & 0x001E7C00) != 0x00024000)
    scalar |= (words & 0xFFC00000) == 0x1FC00000  # multiply-add
    return int((vector | scalar).sum())


@pytest.mark.parametrize("target", ["arm64", "arm64:cortex-a53", A76, "arm64+fp16"])
def test_float16_is_computed_only_where_it_was_asked_for(
    target: str, tiny_onnx: Path, compile_library: CompileLibrary
) -> None:
    assert half_arithmetic(compile_library(tiny_onnx, target).compiled.library) == 0
    if target in (A76, "arm64+fp16"):
        assert half_arithmetic(compile_library(tiny_onnx, target, "fp16").compiled.library) > 100


def test_the_manifest_states_precision_and_error(tiny_onnx: Path, tmp_path: Path) -> None:
    options = CompileOptions(tiny_onnx, target=EMULATED_FP16, output=tmp_path, precision="fp16", verify=True)
    manifest = compile_model(options).manifest
    assert manifest["precision"] == "fp16"
    assert 1e-6 < manifest["max_error"] < TOLERANCES["fp16"]
    assert {spec["dtype"] for spec in (*manifest["inputs"], *manifest["outputs"])} == {"float32"}


@pytest.mark.parametrize("target", ["arm64", "arm64:cortex-a53", "x86-64-v4", "armv7", "native", "android-arm64"])
def test_a_target_without_float16_arithmetic_is_refused(target: str, tiny_onnx: Path, tmp_path: Path) -> None:
    options = CompileOptions(tiny_onnx, target=target, output=tmp_path / "out", precision="fp16")
    with pytest.raises(UnsupportedPrecision, match=r"lacks; targets that have it: arm64:cortex-a55, .*\+fp16"):
        compile_model(options)
    assert not (tmp_path / "out").exists()


def test_the_feature_may_be_added_to_a_row(tiny_onnx: Path, compile_library: CompileLibrary) -> None:
    library = compile_library(tiny_onnx, "arm64+fp16", "fp16")
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs), reference(tiny_onnx, inputs))) <= SMALL
