"""A model that takes no time, and what contenders are given for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from separable.benchmarks.contest import Contest
from separable.benchmarks.costs import Costs
from separable.benchmarks.workload import Workload


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """y = relu(x), with a file that is no library."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "relu.onnx"
    path.write_bytes(model.SerializeToString())
    library = tmp_path / "relu.so"
    library.write_bytes(b"no library")
    return Workload(
        name="relu",
        model=path,
        static_model=path,
        library=library,
        inputs={"x": np.array([[-1, 0, 1, 2]], np.float32)},
        expected={"y": np.array([[0, 0, 1, 2]], np.float32)},
        flops=4,
        weight_bytes=0,
        arena_bytes=64,
    )


@pytest.fixture
def contest() -> Contest:
    """Ours at 10 ms, a peer at 20, another at 25, and one that failed; 10^9 operations, a peak of 200 GFLOPS.

    The C program needs 24 MB, of which weights are 16.5 MB and the arena is 4.3 MB.
    """
    medians = {"Ours": 10, "Other 1.0": 20, "Third <3>": 25}
    return Contest(
        model="net",
        threads=2,
        flops=10**9,
        peak_gflops=200,
        copy_gbs=40,
        times={title: np.full((6, 10), median, np.float64) for title, median in medians.items()},
        weight_bytes=16_500_000,
        arena_bytes=4_300_000,
        costs={
            "Ours (C)": Costs(load_ms=0.3, first_run_ms=11, memory_mb=24),
            **{title: Costs(load_ms=1.5, first_run_ms=12, memory_mb=34) for title in medians},
        },
        errors=dict.fromkeys(("Ours (C)", *medians), 1e-6),
        failures={"absent": "it is <not> installed"},
    )
