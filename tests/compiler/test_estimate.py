"""Estimates of whole networks: nothing runs, so nothing here depends on the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from separable.compiler.errors import NoEstimate, UnknownTarget
from separable.compiler.estimate import code_mixes, estimate_built, estimate_model
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Phases, build_model
from separable.targets.published import MULT_ADDS, PUBLISHED
from separable.targets.table import all_targets
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import to_onnx
from separable.zoo.mobilenet_v1 import MobileNetV1Network

from .tiny import save_tiny

ALONE = [figure for figure in PUBLISHED if figure.threads == 1]
CORES = [target.name for target in all_targets() if target.ghz]


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estimate") / "mobilenet.onnx"
    # Its weights mean nothing: only their sizes matter.
    path.write_bytes(to_onnx(MobileNetV1Network(MobileNetV1())).SerializeToString())
    return path


@pytest.fixture(scope="module")
def built(mobilenet: Path) -> Built:
    return build_model(CompileOptions(mobilenet, target="arm64:cortex-a76"), Phases())


@pytest.mark.parametrize("target", CORES)
def test_every_core_gets_a_time_with_bounds_and_a_time_for_every_kernel(target: str, tmp_path: Path) -> None:
    estimate = estimate_model(save_tiny(tmp_path), target, code=False)
    assert 0 < estimate.low < estimate.milliseconds < estimate.high
    assert estimate.milliseconds == pytest.approx(sum(kernel.milliseconds for kernel in estimate.kernels))
    assert [node for kernel in estimate.kernels for node in kernel.nodes][:2] == ["stem", "stem_relu"]
    for kernel in estimate.kernels:
        assert kernel.milliseconds == pytest.approx(kernel.cycles / estimate.ghz / 1e6)
        parts = (kernel.core_cycles, kernel.data_cycles)
        assert 0.999 * max(parts) <= kernel.cycles <= 1.001 * sum(parts)


@pytest.mark.parametrize("target", ["arm64", "armv7", "android-arm64", "armv7:cortex-a9"])
def test_rows_of_no_clock_are_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(NoEstimate, match=rf"no time can be estimated for {target}(:generic)?: .* name a core"):
        estimate_model(save_tiny(tmp_path), target)


def test_float16_is_refused(tmp_path: Path) -> None:
    options = CompileOptions(save_tiny(tmp_path), target="arm64:cortex-a76", precision="fp16")
    with pytest.raises(NoEstimate, match="no time can be estimated for a model in fp16, only for one in fp32"):
        estimate_built(build_model(options, Phases()))


def test_an_unknown_target_is_refused_as_by_compile(tmp_path: Path) -> None:
    with pytest.raises(UnknownTarget, match="cortex-a76"):
        estimate_model(save_tiny(tmp_path), "arm64:cortex-a77")


def test_a_network_takes_no_less_than_the_peak_allows(built: Built) -> None:
    for threads in (1, 2, 4):
        estimate = estimate_built(built, threads)
        assert estimate.mult_adds == MULT_ADDS
        assert estimate.peak_gflops == pytest.approx(threads * 16 * 2.42)
        assert estimate.low < estimate.milliseconds
        assert 2 * MULT_ADDS / estimate.milliseconds / 1e6 < estimate.peak_gflops


def test_threads_help_but_not_more_than_there_are(built: Built) -> None:
    one, two, four = (estimate_built(built, threads).milliseconds for threads in (1, 2, 4))
    assert one / 2 <= two < one
    assert two / 2 <= four < two


def test_what_the_rows_say_decides(built: Built) -> None:
    row = built.target
    base = estimate_built(built).milliseconds
    assert estimate_built(built, machine=replace(row, fma_per_cycle=1)).milliseconds > 1.6 * base
    slow_memory = replace(row, memory_gb_per_s=1, chip_gb_per_s=1)
    assert estimate_built(built, machine=slow_memory).milliseconds > 1.2 * base
    assert estimate_built(built, machine=replace(row, l1_bytes=8 * row.l1_bytes)).milliseconds < base
    # Memory keeps its own clock.
    faster = estimate_built(built, machine=replace(row, ghz=2 * row.ghz)).milliseconds
    assert base / 2 < faster < 0.6 * base


def test_the_weights_of_the_classifier_come_from_memory(built: Built) -> None:
    bounds = {node: kernel.bound for kernel in estimate_built(built).kernels for node in kernel.nodes}
    assert bounds["classifier"] == "memory"
    assert bounds["pointwise_6"] == "core"


def test_rows_never_measured_have_wider_bounds(built: Built) -> None:
    here = replace(built.target, arch="x86_64")
    unmeasured, measured = estimate_built(built), estimate_built(built, machine=here)
    assert not unmeasured.measured
    assert measured.measured
    assert unmeasured.milliseconds == measured.milliseconds
    assert unmeasured.high > measured.high


def test_spilled_sums_in_the_code_cost_time(built: Built) -> None:
    mixes = code_mixes(built)
    assert set(mixes) == {kernel.name for kernel in built.scheduled.kernels}
    assert all(mixes[kernel.name] for kernel in built.scheduled.kernels if kernel.name.startswith("pointwise"))
    read = estimate_built(built, mixes=mixes).milliseconds
    assert read == pytest.approx(estimate_built(built).milliseconds, rel=0.05)
    spilled = {name: tuple(replace(mix, stores=mix.stores + 2) for mix in found) for name, found in mixes.items()}
    assert estimate_built(built, mixes=spilled).milliseconds > 1.3 * read


@pytest.mark.parametrize("row", sorted({figure.row for figure in ALONE}))
def test_published_times_of_one_thread_lie_within_the_bounds(row: str, mobilenet: Path) -> None:
    """They are of other programs, which need longer than ours; those of more threads are in docs/estimate.md."""
    built = build_model(CompileOptions(mobilenet, target=row), Phases())
    for figure in ALONE:
        if figure.row == row:
            estimate = estimate_built(built, machine=replace(built.target, ghz=figure.ghz))
            assert estimate.low < estimate.milliseconds < figure.milliseconds < estimate.high
