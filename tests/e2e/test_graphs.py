"""Random networks against ONNX Runtime: what no network at hand combines, some other network does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.compiler.passes import fuse_depthwise_pointwise

from .graphs import save_random_graph
from .support import CompileLibrary, magnitude_errors, random_inputs, reference

TOLERANCE = 1e-5
SEEDS = {
    "native": range(16),
    "x86-64-v3": range(16, 19),
    "x86-64-v2": range(19, 21),
    "arm64:generic": range(21, 26),
    "arm64:cortex-a53": range(30, 32),
    "arm64:cortex-a55": range(32, 35),
    "armv7": range(26, 28),
    "armv7:cortex-a7": range(28, 30),
}
MORE_SEEDS = {
    "native": range(100, 180),
    "x86-64-v3": range(180, 220),
    "x86-64-v2": range(220, 250),
    "arm64:generic": range(250, 290),
    "arm64:cortex-a53": range(310, 330),
    "arm64:cortex-a55": range(330, 370),
    "armv7": range(290, 300),
    "armv7:cortex-a7": range(300, 310),
}
# Networks with a depthwise convolution right before a pointwise one.
FUSED_SEEDS = {"native": (5, 6, 29, 36), "arm64:generic": (24, 26)}


def cases() -> Iterator[object]:
    for target, seeds in SEEDS.items():
        for seed in seeds:
            yield pytest.param(seed, target)
    for target, seeds in MORE_SEEDS.items():
        for seed in seeds:
            yield pytest.param(seed, target, marks=pytest.mark.slow)


def check(seed: int, target: str, compile_library: CompileLibrary, folder: Path) -> None:
    library = compile_library(save_random_graph(seed, folder), target)
    inputs = random_inputs(library.compiled)
    expected = reference(library.model, inputs)
    for threads in (1, 2):
        assert max(magnitude_errors(library.run(inputs, threads), expected)) <= TOLERANCE


@pytest.mark.parametrize(("seed", "target"), list(cases()))
def test_a_random_network(seed: int, target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    check(seed, target, compile_library, tmp_path)


@pytest.mark.parametrize(("seed", "target"), [(s, target) for target, seeds in FUSED_SEEDS.items() for s in seeds])
def test_a_random_network_with_every_pair_fused(
    seed: int, target: str, compile_library: CompileLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images this small never leave the caches, so the cost model would leave all pairs apart."""
    monkeypatch.setattr(fuse_depthwise_pointwise, "decline", lambda workload, target: None)
    monkeypatch.setattr(fuse_depthwise_pointwise, "peak_bytes", lambda program: 0)
    check(seed, target, compile_library, tmp_path)
