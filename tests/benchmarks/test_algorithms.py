from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from separable.benchmarks.algorithms import Algorithm, Gain, Layer, app, gain_table, measure_gain
from tests.compiler.models import make_model, node, random, save


def save_network(folder: Path) -> Path:
    """A convolution of the plain image, and one for each algorithm; the first image leaves the last one room."""
    nodes = [
        node("Conv", "x w1", "a", name="stem", pads=[1, 1, 1, 1]),
        node("Conv", "a w2", "b", name="body", pads=[1, 1, 1, 1]),
        node("AveragePool", "b", "p", name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p w3", "c", name="wide"),
        node("Conv", "c w4", "y", name="dense"),
    ]
    weights = {"w1": random(384, 3, 3, 3), "w2": random(64, 384, 3, 3, seed=1)}
    weights |= {"w3": random(128, 64, 1, 1, seed=2), "w4": random(128, 128, 1, 1, seed=3)}
    return save(make_model(nodes, {"x": (1, 3, 28, 28)}, weights=weights), folder)


@pytest.mark.parametrize(("algorithm", "layer"), [(Algorithm.WINOGRAD, "body"), (Algorithm.STRASSEN, "dense")])
def test_both_libraries_are_right_and_timed(
    algorithm: Algorithm, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("separable.schedules.strassen_tile._WORTH_IT", float("inf"))
    gain = measure_gain(save_network(tmp_path), tmp_path, rounds=2, algorithm=algorithm)
    kernels = {layer.nodes: layer.kernel for layer in gain.layers}
    assert kernels["stem"].startswith("conv")
    assert kernels[layer].startswith(algorithm)
    assert all(layer.direct_us > 0 < layer.chosen_us for layer in gain.layers)
    assert 0 < gain.direct_error < 1e-5
    assert 0 < gain.chosen_error < 1e-5


def test_the_table_shows_what_changed_and_the_sum() -> None:
    gain = Gain((Layer("stem", "conv_0", 10, 10), Layer("body", "winograd_0", 100, 40)), 1e-7, 2e-7)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(gain_table(gain, Algorithm.WINOGRAD))
    _, body, total = (line.split() for line in capture.get().splitlines())
    assert body == ["body", "winograd_0", "100.0", "40.0", "0.40"]
    assert total == ["all", "layers", "110.0", "50.0", "0.45"]


def test_an_error_is_told_without_a_traceback(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "absent.onnx")])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
