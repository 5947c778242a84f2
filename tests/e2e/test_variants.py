"""One library for several CPUs: under qemu as one phone's core after the other, and here by name."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.runtime.loader import ModelError, load
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import find_variants

from .support import (
    SHARED,
    CompileLibrary,
    Library,
    build_driver,
    emulator_for,
    needs_shared,
    random_inputs,
    range_errors,
    reference,
)

TOLERANCE = 1e-4
MAX_VARIANT_BYTES = 600_000
SUITED = {
    "cortex-a53": "arm64:cortex-a53",
    "cortex-a72": "arm64:cortex-a72",
    "cortex-a76": "arm64:cortex-a76",
    "neoverse-n1": "arm64:cortex-a76",
    "max": "arm64:cortex-a76",
}
"""By CPU that qemu plays: the kernels for it."""

pytestmark = pytest.mark.xdist_group("variants")


@pytest.fixture(scope="module")
def plain_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that needs nothing beyond Armv8.0."""
    return build_driver("arm64:generic", tmp_path_factory.mktemp("driver"))


def on_cpu(library: Library, driver: Path, cpu: str) -> Library:
    """The same library on another CPU of the emulator."""
    program, _, _, *rest = emulator_for("arm64:generic")
    return replace(library, driver=driver, emulator=(program, "-cpu", cpu, *rest))


@pytest.mark.parametrize("cpu", SUITED)
def test_each_cpu_gets_its_kernels_and_right_numbers(
    cpu: str, tiny_onnx: Path, plain_driver: Path, compile_library: CompileLibrary, capfd: pytest.CaptureFixture[str]
) -> None:
    library = on_cpu(compile_library(tiny_onnx, "arm64"), plain_driver, cpu)
    inputs = random_inputs(library.compiled)
    for threads in (1, 2):
        assert max(range_errors(library.run(inputs, threads=threads), reference(tiny_onnx, inputs))) <= TOLERANCE
        assert capfd.readouterr().out == f"{SUITED[cpu]}\n"


@pytest.mark.parametrize("row", find_variants("arm64").rows, ids=lambda row: row.name)
def test_each_variant_by_name(
    row: Target, tiny_onnx: Path, plain_driver: Path, compile_library: CompileLibrary, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also that for a core which qemu cannot play."""
    library = on_cpu(compile_library(tiny_onnx, "arm64"), plain_driver, "max")
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs, variant=row.name), reference(tiny_onnx, inputs))) <= TOLERANCE
    assert capfd.readouterr().out == f"{row.name}\n"


@pytest.mark.skipif(emulator_for("x86-64-v2") != (), reason="the driver runs on x86-64 only")
@pytest.mark.parametrize(("cpu", "suited"), [("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")])
def test_each_level_of_x86_64(
    cpu: str, suited: str, tiny_onnx: Path, compile_library: CompileLibrary, capfd: pytest.CaptureFixture[str]
) -> None:
    library = replace(compile_library(tiny_onnx, "x86-64"), emulator=("qemu-x86_64", "-cpu", cpu))
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs), reference(tiny_onnx, inputs))) <= TOLERANCE
    assert capfd.readouterr().out == f"{suited}\n"


@needs_shared
@pytest.mark.parametrize(
    "cpu", ["cortex-a76", *(pytest.param(cpu, marks=pytest.mark.slow) for cpu in ("cortex-a53", "neoverse-n1", "max"))]
)
def test_a_trained_network(
    cpu: str, plain_driver: Path, compile_library: CompileLibrary, capfd: pytest.CaptureFixture[str]
) -> None:
    model = SHARED / "models" / "vww_96_fp32.onnx"
    library = on_cpu(compile_library(model, "arm64"), plain_driver, cpu)
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs), reference(model, inputs))) <= TOLERANCE
    assert capfd.readouterr().out == f"{SUITED[cpu]}\n"


def test_what_needs_dot_products_refuses_a_cpu_without(
    tiny_onnx: Path, plain_driver: Path, compile_library: CompileLibrary, tmp_path: Path
) -> None:
    """No illegal instruction: a sentence."""
    library = on_cpu(compile_library(tiny_onnx, "arm64:cortex-a76"), plain_driver, "cortex-a53")
    np.zeros((1, 3, 8, 8), np.float32).tofile(tmp_path / "zeros")
    command = [*library.emulator, str(plain_driver), str(library.compiled.library.resolve()), "tiny", "1", "1"]
    done = subprocess.run(
        [*command, str(tmp_path / "zeros"), "--", f"{tmp_path / 'y'}=20"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "tiny was compiled for arm64:cortex-a76, but this CPU lacks" in done.stderr
    assert "int8 dot product" in done.stderr


@pytest.mark.skipif(emulator_for("x86-64-v2") != (), reason="x86-64 runs on x86-64 only")
def test_variants_of_x86_64_by_name(tiny_onnx: Path, tmp_path: Path) -> None:
    compiled = compile_model(CompileOptions(tiny_onnx, target="x86-64", output=tmp_path / "out"))
    inputs = random_inputs(compiled)
    expected = reference(tiny_onnx, inputs)
    here = set(detect_host().isa)
    fitting = [row.name for row in find_variants("x86-64").rows if set(row.isa) <= here]
    with load(compiled.library) as model:
        assert model.variant == fitting[0]
    for row in find_variants("x86-64").rows:
        if row.name in fitting:
            with load(compiled.library, variant=row.name, threads=1) as model:
                assert model.variant == row.name
                assert max(range_errors([model(inputs["x"])], expected)) <= TOLERANCE
        else:
            with pytest.raises(ModelError, match=f"compiled for {row.name}, but this CPU lacks"):
                load(compiled.library, variant=row.name)
    with pytest.raises(ModelError, match=r"options\.variant is 'x86-64-v9', tiny has x86-64-v4, x86-64-v3, x86-64-v2"):
        load(compiled.library, variant="x86-64-v9")


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(("fat", "single"), [("arm64", "arm64:cortex-a76"), ("x86-64", "x86-64-v4")])
def test_weights_are_stored_once(fat: str, single: str, tmp_path: Path) -> None:
    model = SHARED / "models" / "mobilenet_v1_1.0_224.onnx"
    several, one = (
        compile_model(CompileOptions(model, target=target, output=tmp_path / target)) for target in (fat, single)
    )
    added = several.library.stat().st_size - one.library.stat().st_size
    assert added / (len(several.manifest["variants"]) - 1) <= MAX_VARIANT_BYTES
    assert len(one.manifest["variants"]) == 1
