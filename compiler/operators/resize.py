"""Resizing of images: to the nearest pixel, or linear between pixels."""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import Array, const
from separable.compiler.operators.node import Converter, Node, Refused

op = relax.op


def _resize(node: Node) -> relax.Expr:
    """4-D; height and width to constant sizes; `nearest` or `linear` without `antialias`."""
    node.require_rank(4, "resizes")
    old, new = node.shape(), node.output_shapes[0]
    mode = node.attributes.get("mode", "nearest")
    coordinates = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if node.op == "Upsample" or node.opset < 11:
        coordinates = "asymmetric"
    if old == new:
        return node.operand(0)
    if old[:2] != new[:2]:
        raise Refused("only height and width can be resized")
    if mode not in ("nearest", "linear"):
        raise Refused(f"mode '{mode}' is not supported, only 'nearest' and 'linear'")
    if coordinates not in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
        raise Refused(f"coordinate_transformation_mode '{coordinates}' is not supported")
    if coordinates == "align_corners" and 1 in new[2:]:
        raise Refused("a height or width of 1 has no corners to align")
    if node.attributes.get("antialias", 0):
        raise Refused("antialias is not supported")
    scales = node.setting("scales", 1 if node.op == "Upsample" or node.opset < 11 else 2)
    axes = [axis % 4 for axis in node.attributes.get("axes") or range(4)]
    factors = dict(zip(axes, scales or (), strict=False))
    if not all(np.isclose(factor * old[axis], new[axis], rtol=0, atol=1e-3) for axis, factor in factors.items()):
        raise Refused(f"scales {scales} do not give whole sizes; state the sizes instead")
    keeps = node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch"
    if keeps and old[2] * new[3] != old[3] * new[2]:
        raise Refused(f"sizes {list(new[2:])} do not keep the aspect ratio of {list(old[2:])}; stretch it instead")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor" if node.opset >= 11 else "floor")
    if mode == "nearest" and not _is_repetition(old, new, coordinates, rounding):
        rows, columns = (const(_nearest(old[axis], new[axis], coordinates, rounding)) for axis in (2, 3))
        return op.take(op.take(node.operand(0), rows, axis=2, mode="clip"), columns, axis=3, mode="clip")
    return op.image.resize2d(
        node.operand(0),
        tuple(new[2:]),
        layout="NCHW",
        method="nearest_neighbor" if mode == "nearest" else "linear",
        coordinate_transformation_mode=coordinates,
        rounding_method=rounding if mode == "nearest" else "",
    )


def _is_repetition(old: tuple[int, ...], new: tuple[int, ...], coordinates: str, rounding: str) -> bool:
    """Whether the nearest pixel of an image is ``floor(y * old / new)``, which has a kernel of its own."""
    whole = new[2] % old[2] == 0 and new[3] % old[3] == 0
    return (coordinates, rounding) == ("asymmetric", "floor") or (
        whole and coordinates == "half_pixel" and rounding.startswith("round")
    )


def _nearest(old: int, new: int, coordinates: str, rounding: str) -> Array:
    """The pixel (int64, one for each of ``new``) that is copied; worked out here, as rounding decides halves."""
    y = np.arange(new)
    if coordinates == "asymmetric":
        at = y * old / new
    elif coordinates == "align_corners":
        at = y * (old - 1) / (new - 1)
    elif coordinates == "pytorch_half_pixel" and new == 1:
        at = np.zeros(1)
    else:
        at = (y + 0.5) * old / new - 0.5
    pixels = {
        "round_prefer_floor": np.ceil(at - 0.5),
        "round_prefer_ceil": np.floor(at + 0.5),
        "floor": np.floor(at),
        "ceil": np.ceil(at),
    }
    if rounding not in pixels:
        raise Refused(f"nearest_mode '{rounding}' is no value that ONNX defines")
    return np.clip(pixels[rounding], 0, old - 1).astype(np.int64)


CONVERTERS: dict[str, Converter] = {"Resize": _resize, "Upsample": _resize}
