from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from separable.benchmarks.duel import OutputsDiffer, kernel_microseconds, kernel_ratios, whole_times
from separable.benchmarks.workload import random_inputs
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model, compile_model
from separable.schedules import depthwise
from separable.schedules.workload import Depthwise, Workload
from tests.compiler.tiny import save_tiny, tiny_model


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tiny network with its default tiles, and with another tile of its depthwise convolution."""
    folder = tmp_path_factory.mktemp("duel")
    model = save_tiny(folder)
    built = build_model(CompileOptions(model), Phases())
    w, tile = next((k.workload, k.tile) for k in built.scheduled.kernels if isinstance(k.workload, Depthwise))
    assert isinstance(tile, depthwise.Tile)
    tiles: dict[Workload, object] = {w: replace(tile, rows=1, columns=1)}
    return (
        compile_model(CompileOptions(model, output=folder / "default")).library,
        compile_model(CompileOptions(model, output=folder / "given"), tiles=tiles).library,
    )


def test_every_kernel_has_a_ratio_and_a_time(libraries: tuple[Path, Path]) -> None:
    default, given = libraries
    inputs = random_inputs(default)
    ratios = kernel_ratios(given, default, inputs, threads=1, rounds=2)
    microseconds = kernel_microseconds(default, inputs, threads=1, rounds=2)
    assert set(ratios) == set(microseconds) >= {"conv_0", "depthwise_0", "pointwise_0"}
    assert all(value > 0 for value in (*ratios.values(), *microseconds.values()))


def test_whole_networks_take_turns(libraries: tuple[Path, Path]) -> None:
    first, second = whole_times(*libraries, random_inputs(libraries[0]), threads=1, rounds=3)
    assert first.shape == second.shape == (3, 10)


def test_wrong_outputs_do_not_count(libraries: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model(fc_b=np.ones(5, np.float32)).SerializeToString())
    other = compile_model(CompileOptions(path, output=tmp_path / "other")).library
    with pytest.raises(OutputsDiffer, match="differs by"):
        kernel_ratios(other, libraries[0], random_inputs(other), threads=1, rounds=1)
