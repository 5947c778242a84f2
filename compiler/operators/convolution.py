"""Convolution, dense layers and batch normalisation: the operators with weights. Tensors are NCHW, weights OIHW."""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import const, scalar
from separable.compiler.operators.node import Converter, Node, Refused
from separable.compiler.operators.window import padding_of

op = relax.op


def _conv(node: Node) -> relax.Expr:
    """2-D; constant weights."""
    weight = node.constant(1, "weights")
    if weight.ndim != 4:
        raise Refused(f"{weight.ndim - 2}-D convolutions are not supported, only 2-D")
    kernel = list(weight.shape[2:])
    if node.attributes.get("kernel_shape", kernel) != kernel:
        raise Refused(f"kernel_shape is {node.attributes['kernel_shape']}, but the weights are {kernel} pixels")
    if node.has(2) and node.shape(2) != weight.shape[:1]:
        raise Refused(
            f"its bias has shape {list(node.shape(2))}, but must have one number for each of {weight.shape[0]} channels"
        )
    result = op.nn.conv2d(
        node.operand(0),
        node.operand(1),
        strides=node.attributes.get("strides", [1, 1]),
        padding=padding_of(node, kernel),
        dilation=node.attributes.get("dilations", [1, 1]),
        groups=node.attributes.get("group", 1),
    )
    if not node.has(2):
        return result
    return op.add(result, const(node.constant(2, "bias").reshape(1, -1, 1, 1)))


def _gemm(node: Node) -> relax.Expr:
    """The second operand is constant."""
    a, b = node.operand(0), node.constant(1, "weights")
    if node.attributes.get("transA", 0):
        a = op.permute_dims(a, [1, 0])
    if node.attributes.get("transB", 0):
        b = b.T
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    result = op.matmul(a, const(b * np.float32(alpha)))
    if not node.has(2) or beta == 0:
        return result
    bias = node.operand(2) if beta == 1 else op.multiply(node.operand(2), scalar(beta))
    return op.add(result, bias)


def _matmul(node: Node) -> relax.Expr:
    """The second operand is a constant matrix."""
    if node.constant(1, "the second operand").ndim != 2:
        raise Refused("the second operand must be a matrix")
    return op.matmul(node.operand(0), node.operand(1))


def _batch_normalization(node: Node) -> relax.Expr:
    """In inference mode; constant statistics."""
    if node.attributes.get("training_mode", 0) or len(node.output_shapes) > 1:
        raise Refused("it is in training mode; export the model with model.eval()")
    for index, role in enumerate(("scale", "bias", "mean", "variance"), start=1):
        node.constant(index, role)
    epsilon = node.attributes.get("epsilon", 1e-5)
    result = op.nn.batch_norm(*node.operands, axis=1, epsilon=epsilon, training=False)
    return relax.TupleGetItem(result, 0)


CONVERTERS: dict[str, Converter] = {
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
