from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from separable.benchmarks.duel import Duel, DuelFailed, Turns, hold_duel
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


def save_inputs(library: Path, folder: Path) -> Path:
    path = folder / "inputs.npz"
    np.savez(path, **random_inputs(library))  # type: ignore[arg-type]  # of an option of its own
    return path


def test_both_take_every_turn(libraries: tuple[Path, Path], tmp_path: Path) -> None:
    default, given = libraries
    duel = hold_duel(given, default, save_inputs(default, tmp_path), threads=1, rounds=2)
    assert set(duel.kernel_ratios) >= {"conv_0", "depthwise_0", "pointwise_0"}
    for turns in (duel.challenger, duel.champion):
        assert turns.whole.shape == (2, 3)
        assert all(len(times) == 2 and min(times) > 0 for times in turns.kernels.values())


def test_wrong_outputs_do_not_count(libraries: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model(fc_b=np.ones(5, np.float32)).SerializeToString())
    other = compile_model(CompileOptions(path, output=tmp_path / "other")).library
    with pytest.raises(DuelFailed, match="the outputs differ by"):
        hold_duel(other, libraries[0], save_inputs(other, tmp_path), threads=1, rounds=1)


def test_a_library_that_does_not_load(libraries: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DuelFailed, match="absent"):
        hold_duel(tmp_path / "absent.so", libraries[0], save_inputs(libraries[0], tmp_path), threads=1, rounds=1)


def test_ratios_are_medians_over_the_turns() -> None:
    fast = Turns(np.full((6, 3), 1.0), {"conv_0": [1.0, 2.0, 9.0]})
    slow = Turns(np.full((6, 3), 2.0), {"conv_0": [2.0, 4.0, 9.0]})
    duel = Duel(challenger=fast, champion=slow)
    assert duel.kernel_ratios == {"conv_0": 0.5}
    assert (duel.whole.ratio, duel.whole.verdict) == (0.5, "faster")
