"""A network's tasks: each workload once, with its calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Phases, build_model
from separable.compiler.tuning.tasks import tasks_of, weight_bytes
from tests.compiler.models import make_model, node, random, save
from tests.compiler.tiny import save_tiny


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    path = save_tiny(tmp_path_factory.mktemp("tiny"))
    return build_model(CompileOptions(path, target="x86-64-v3"), Phases())


def test_every_workload_with_a_space_is_a_task(built: Built) -> None:
    tasks = tasks_of(built)
    assert {task.name for task in tasks} <= {kernel.name for kernel in built.scheduled.kernels}
    assert {task.name.rpartition("_")[0] for task in tasks} >= {"conv", "depthwise", "pointwise"}
    assert all(len(task.space.tiles) > 1 and task.calls == 1 for task in tasks)
    assert [task.macs for task in tasks] == sorted((task.macs for task in tasks), reverse=True)


def test_the_default_of_a_task_is_the_tile_of_its_kernel(built: Built) -> None:
    tiles = {kernel.name: kernel.tile for kernel in built.scheduled.kernels}
    assert all(task.space.default == tiles[task.name] for task in tasks_of(built))


def test_equal_layers_are_one_task(tmp_path: Path) -> None:
    weights = {f"w{i}": random(16, 16, 1, 1, seed=i) for i in range(3)}
    nodes = [node("Conv", f"v{i} w{i}", f"v{i + 1}", f"conv{i}", kernel_shape=[1, 1]) for i in range(3)]
    path = save(make_model(nodes, {"v0": [1, 16, 9, 9]}, "v3", weights), tmp_path)
    tasks = tasks_of(build_model(CompileOptions(path, target="x86-64-v3"), Phases()))
    assert [task.calls for task in tasks if task.name.startswith("pointwise")] == [3]


def test_weights_are_those_of_all_layers(built: Built) -> None:
    floats = sum(array.size for step in built.program.steps for array in step.constants)
    assert weight_bytes(built.program) == 4 * floats > 0
