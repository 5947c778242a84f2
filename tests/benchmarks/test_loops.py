from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from separable.benchmarks.loops import app, loops_of
from separable.compiler.errors import UnknownTarget
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_untrained
from separable.zoo.mobilenet_v1 import MobileNetV1Network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loops") / "model.onnx"
    export_untrained(MobileNetV1Network(MobileNetV1(0.25, 128)), path)
    return path


def test_loops_become_faster_and_compute_as_much(model: Path) -> None:
    loops = list(loops_of(model, "arm64:cortex-a55"))
    known = [loop for loop in loops if loop.before is not None and loop.after is not None]
    assert {"pointwise", "depthwise"} <= {loop.kernel.rpartition("_")[0] for loop in loops}
    assert len(known) >= 5
    for loop in known:
        assert loop.before is not None
        assert loop.after is not None
        assert loop.products <= loop.after <= loop.before


def test_a_core_that_runs_ahead_has_no_such_count(model: Path) -> None:
    with pytest.raises(UnknownTarget, match="arm64:cortex-a55"):
        list(loops_of(model, "arm64:cortex-a76"))


def test_the_command_prints_a_line_for_each_loop(model: Path) -> None:
    done = CliRunner().invoke(app, ["--models", str(model), "--target", "arm64:cortex-a53"])
    assert done.exit_code == 0
    assert "pointwise_0" in done.output


def test_a_mistake_is_said_without_a_traceback(model: Path) -> None:
    done = CliRunner().invoke(app, ["--models", str(model), "--target", "arm64:cortex-a99"])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
