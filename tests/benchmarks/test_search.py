from __future__ import annotations

from pathlib import Path

import pytest

from separable.benchmarks.search import best_of, find_model, networks_of, others
from separable.compiler.importer import import_model
from tests.schedules.workloads import one_of_each


def test_networks_take_one_candidate_of_each_workload() -> None:
    workloads = one_of_each(8)
    first, second, third = (workloads[kind] for kind in ("pointwise", "conv", "depthwise"))
    networks = networks_of({first: ["a", "b", "c"], second: ["d"], third: []})
    assert networks == [{first: "a", second: "d"}, {first: "b"}, {first: "c"}]


def test_best_come_first() -> None:
    assert best_of({"slow": 1.2, "fast": 0.8, "same": 1.0}, 2) == ["fast", "same"]


def test_others_are_all_but_the_default() -> None:
    assert others(["a", "b", "c"], "b") == ["a", "c"]


def test_a_network_of_the_zoo_is_exported(tmp_path: Path) -> None:
    model = find_model("v1-0.25-128", tmp_path)
    assert [spec.shape for spec in import_model(model, {}).inputs] == [(1, 3, 128, 128)]


def test_a_file_stays_where_it_is(tmp_path: Path) -> None:
    assert find_model("net.onnx", tmp_path) == Path("net.onnx")


def test_an_unknown_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither an ONNX file nor"):
        find_model("v9", tmp_path)
