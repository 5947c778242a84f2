"""``scatter(0, s, gather(scores, s)), s = nms(boxes, scores) => nms'(boxes, scores)``, which has a static shape.

How many boxes NonMaxSuppression selects depends on data. The scores of those that it selects, with zeros for all
others, do not: the three ONNX nodes become one whose result has the shape of the scores. It keeps the operator's name,
as the operator on its own cannot be compiled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from onnx import NodeProto, helper

from separable.compiler.fold_shapes import FoldedGraph

_SELECT, _GATHER, _SCATTER = "NonMaxSuppression", "GatherND", "ScatterND"


def fuse_suppression(folded: FoldedGraph, outputs: Sequence[str]) -> FoldedGraph:
    """Replace every such group of three nodes whose intermediate tensors nobody else reads."""
    producers = {name: node for node in folded.nodes for name in node.output}
    reads = Counter([name for node in folded.nodes for name in node.input] + list(outputs))
    dropped: set[str] = set()
    nodes: list[NodeProto] = []
    for node in folded.nodes:
        fused = _match(node, folded, producers, reads)
        if fused is not None:
            dropped.update((node.input[1], node.input[2]))
        nodes.append(fused or node)
    kept = [node for node in nodes if dropped.isdisjoint(node.output)]
    return replace(folded, nodes=kept) if dropped else folded


def _match(
    scatter: NodeProto, folded: FoldedGraph, producers: dict[str, NodeProto], reads: Counter[str]
) -> NodeProto | None:
    if scatter.op_type != _SCATTER or _attribute(scatter, "reduction", b"none") != b"none":
        return None
    base, selected, updates = scatter.input
    select, gather = producers.get(selected), producers.get(updates)
    if select is None or select.op_type != _SELECT or gather is None or gather.op_type != _GATHER:
        return None
    scores = select.input[1]
    zeros = folded.constants.get(base)
    together = list(gather.input) == [scores, selected] and (reads[selected], reads[updates]) == (2, 1)
    if not together or _attribute(gather, "batch_dims", 0) or zeros is None or zeros.any():
        return None
    if zeros.shape != folded.types[scores].shape:
        return None
    attributes = {attr.name: helper.get_attribute_value(attr) for attr in select.attribute}
    return helper.make_node(_SELECT, list(select.input), list(scatter.output), name=scatter.name, **attributes)


def _attribute(node: NodeProto, name: str, default: object) -> object:
    return next((helper.get_attribute_value(attr) for attr in node.attribute if attr.name == name), default)
