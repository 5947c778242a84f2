"""Explicit padding of sliding windows (convolution, pooling), whatever way the model states it."""

from __future__ import annotations

from separable.compiler.operators.node import Node, Refused


def padding_of(node: Node, kernel: list[int]) -> list[int]:
    """Padding ``[top, left, bottom, right]`` of a 2-D window operator on an NCHW tensor.

    ``auto_pad`` and ``ceil_mode`` are worked out from the static shapes: ``SAME`` splits
    ``total = (out - 1) * stride + (kernel - 1) * dilation + 1 - in`` and puts the odd one at the end (``SAME_UPPER``)
    or the beginning (``SAME_LOWER``); with ``ceil_mode`` the end has what the last window needs.

    Raises:
        Refused: the attribute has a value that ONNX does not define, or no window fits the padded image.
    """
    mode = node.attributes.get("auto_pad", "NOTSET")
    strides = node.attributes.get("strides", [1, 1])
    dilations = node.attributes.get("dilations", [1, 1])
    windows = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    outputs = node.output_shapes[0][2:]
    extents = [(out - 1) * stride + window for out, stride, window in zip(outputs, strides, windows, strict=True)]
    totals = [max(0, extent - size) for extent, size in zip(extents, node.shape()[2:], strict=True)]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        begin = [(total + (mode == "SAME_LOWER")) // 2 for total in totals]
        return begin + [total - before for total, before in zip(totals, begin, strict=True)]
    if mode not in ("NOTSET", "VALID"):
        raise Refused(f"auto_pad '{mode}' is no value that ONNX defines")
    pads = list(node.attributes.get("pads", [0, 0, 0, 0])) if mode == "NOTSET" else [0, 0, 0, 0]
    if min(pads) < 0:
        raise Refused("negative padding is not supported; slice the input instead")
    if node.attributes.get("ceil_mode", 0):
        begin = pads[:2]
        pads[2:] = [max(0, total - before) for total, before in zip(totals, begin, strict=True)]
    sizes = [size + before + after for size, before, after in zip(node.shape()[2:], pads[:2], pads[2:], strict=True)]
    if any(window > size for window, size in zip(windows, sizes, strict=True)):
        raise Refused(f"its window of {windows} pixels is larger than its input of {sizes} with padding")
    return pads
