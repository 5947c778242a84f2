from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto

from separable.compiler.errors import UnsupportedOp
from separable.compiler.importer import import_model
from tests.compiler.models import make_model, node, operators, save

INPUTS = {"b": [1, 5, 4], "s": [1, 2, 5]}


def group(**changes: NodeProto | None) -> list[NodeProto]:
    nodes = {
        "select": node("NonMaxSuppression", "b s limit", "i", "select"),
        "gather": node("GatherND", "s i", "g", "gather"),
        "scatter": node("ScatterND", "z i g", "y", "scatter"),
    }
    return [changed for name in nodes if (changed := changes.get(name, nodes[name])) is not None]


def import_group(nodes: list[NodeProto], folder: Path, zeros: NDArray[Any] | None = None, outputs: str = "y") -> Any:
    weights = {"z": np.zeros((1, 2, 5), np.float32) if zeros is None else zeros, "limit": np.array([3])}
    return import_model(save(make_model(nodes, INPUTS, outputs, weights, opset=18), folder), {})


def test_three_nodes_become_one(tmp_path: Path) -> None:
    imported = import_group(group(), tmp_path)
    assert operators(imported.mod) == ["separable.suppress"]
    assert imported.outputs[0].shape == (1, 2, 5)
    assert list(imported.op_nodes.values()) == ["scatter"]


def test_two_groups(tmp_path: Path) -> None:
    again = [
        node("NonMaxSuppression", "b y limit", "i2", "select2"),
        node("GatherND", "y i2", "g2", "gather2"),
        node("ScatterND", "z i2 g2", "y2", "scatter2"),
    ]
    imported = import_group([*group(), *again], tmp_path, outputs="y2")
    assert operators(imported.mod) == ["separable.suppress", "separable.suppress"]


@pytest.mark.parametrize(
    "changes",
    [
        {"gather": node("GatherND", "z i", "g", "gather")},
        {"scatter": node("ScatterND", "z i g", "y", "scatter", reduction="add")},
        {"scatter": node("ScatterND", "s i g", "y", "scatter")},
    ],
    ids=["other scores", "sums", "no zeros"],
)
def test_other_groups_are_refused_by_name(changes: dict[str, NodeProto], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOp, match=r"'select' \(NonMaxSuppression\): .*scatter their scores"):
        import_group(group(**changes), tmp_path)


def test_other_numbers_than_zeros_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOp, match="NonMaxSuppression"):
        import_group(group(), tmp_path, np.ones((1, 2, 5), np.float32))


def test_a_selection_that_somebody_else_reads_is_refused(tmp_path: Path) -> None:
    nodes = [*group(), node("Cast", "g", "w", to=1)]
    with pytest.raises(UnsupportedOp, match="NonMaxSuppression"):
        import_group(nodes, tmp_path, outputs="y w")


def test_boxes_that_do_not_fit_the_scores(tmp_path: Path) -> None:
    model = make_model(
        group(), {"b": [1, 6, 4], "s": [1, 2, 5]}, "y", {"z": np.zeros((1, 2, 5), np.float32), "limit": np.array([3])}
    )
    with pytest.raises(UnsupportedOp, match="do not fit"):
        import_model(save(model, tmp_path), {})
