"""Random small networks: valid, of every operator that mobile networks use, at the sizes where kernels break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

FloatArray = NDArray[np.float32]

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33)
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 14, 17)
ACTIVATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Relu", {}),
    ("LeakyRelu", {"alpha": 0.1}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    ("HardSwish", {}),
    ("Elu", {"alpha": 0.7}),
    ("Softplus", {}),
    ("Abs", {}),
    ("Neg", {}),
)
OPSET = 17


@dataclass(frozen=True)
class Tensor:
    """A value of the network and an example of it."""

    name: str
    value: FloatArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


class GraphBuilder:
    """A network under construction. Every node is run at once, so that only sound ones stay."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, NDArray[Any]] = {}
        self.inputs: list[Tensor] = []
        self.tensors: list[Tensor] = []

    def choose(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def add_input(self, *shape: int) -> Tensor:
        tensor = Tensor(f"input{len(self.inputs)}", self.rng.uniform(-1, 1, shape).astype(np.float32))
        self.inputs.append(tensor)
        self.tensors.append(tensor)
        return tensor

    def weight(self, *shape: int, scale: float = 1.0) -> FloatArray:
        return np.asarray(scale * self.rng.standard_normal(shape), np.float32)

    def add(self, op: str, *operands: Tensor | NDArray[Any] | None, outputs: int = 1, **attributes: Any) -> Tensor:
        """Append a node; arrays become weights, None leaves an optional operand out. Returns its last output."""
        names: list[str] = []
        feeds: dict[str, NDArray[Any]] = {}
        for operand in operands:
            if operand is None:
                names.append("")
                continue
            if isinstance(operand, Tensor):
                name, value = operand.name, np.asarray(operand.value)
            else:
                name, value = f"w{len(self.weights)}", operand
                self.weights[name] = value
            names.append(name)
            feeds[name] = value
        results = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(op, names, results, name=f"{op}_{len(self.nodes)}", **attributes)
        self.nodes.append(node)
        made = [Tensor(name, value) for name, value in zip(results, run_node(node, feeds), strict=True)]
        self.tensors += made
        return made[-1]

    def images(self) -> list[Tensor]:
        return [tensor for tensor in self.tensors if len(tensor.shape) == 4]

    def image(self) -> Tensor:
        """One of the latest images."""
        images = self.images()
        return images[max(0, len(images) - 1 - int(self.rng.integers(3)))]

    def like(self, tensor: Tensor) -> list[Tensor]:
        return [other for other in self.tensors if other.shape == tensor.shape]

    def model(self) -> onnx.ModelProto:
        """The network; outputs are what nobody reads, and now and then something that is read."""
        read = {name for node in self.nodes for name in node.input}
        made = self.tensors[len(self.inputs) :]
        outputs = [t for t in made if t.name not in read]
        outputs += [t for t in made if t.name in read and self.chance(0.15)]
        outputs = outputs[-6:]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.shape) for t in self.inputs],
            [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.shape) for t in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def run_node(node: NodeProto, feeds: dict[str, NDArray[Any]]) -> list[FloatArray]:
    """A node's outputs by ONNX Runtime."""
    graph = helper.make_graph(
        [node],
        "node",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in feeds.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(output, np.float32) for output in session.run(None, feeds)]


def conv(b: GraphBuilder, x: Tensor | None = None, channels: int | None = None, **fixed: Any) -> Tensor:
    """Any convolution: grouped, depthwise, dilated, strided, with padding on any side."""
    x = x or b.image()
    _, c, h, w = x.shape
    kind = "plain" if channels or fixed else b.choose(("plain", "plain", "pointwise", "depthwise", "grouped"))
    groups = 1
    out = channels or b.choose(CHANNELS)
    if kind == "depthwise":
        groups = c
        out = c * (2 if b.chance(0.15) else 1)
    elif kind == "grouped":
        groups = b.choose([g for g in range(1, c + 1) if c % g == 0])
        out = groups * b.choose((1, 2, 3, 5))
    kernel = [1, 1] if kind == "pointwise" else [b.choose((1, 2, 3, 3, 5)) for _ in "hw"]
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": [b.choose((1, 1, 2, 3)) for _ in "hw"],
        "dilations": [b.choose((1, 1, 2)) for _ in "hw"],
        "pads": [b.choose((0, 1, 1, 2)) for _ in "tlbr"] if kind != "pointwise" or b.chance(0.1) else [0] * 4,
        "group": groups,
    } | fixed
    kernel = attributes["kernel_shape"]
    for axis, size in enumerate((h, w)):
        reach = (kernel[axis] - 1) * attributes["dilations"][axis] + 1
        missing = reach - size - attributes["pads"][axis] - attributes["pads"][axis + 2]
        attributes["pads"][axis + 2] += max(missing, 0)
    weight = b.weight(out, c // groups, *kernel, scale=(c // groups * kernel[0] * kernel[1]) ** -0.5)
    result = b.add("Conv", x, weight, b.weight(out) if b.chance(0.6) else None, **attributes)
    if b.chance(0.4):
        result = batch_norm(b, result)
    return activation(b, result) if b.chance(0.6) else result


def same_conv(b: GraphBuilder, x: Tensor, channels: int) -> Tensor:
    """A 3x3 convolution that keeps height and width."""
    fixed = {"kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1] * 4}
    return conv(b, x, channels, **fixed)


def batch_norm(b: GraphBuilder, x: Tensor | None = None) -> Tensor:
    x = x or b.image()
    c = x.shape[1]
    variance = b.rng.uniform(0.3, 2, c).astype(np.float32)
    return b.add("BatchNormalization", x, b.weight(c), b.weight(c), b.weight(c), variance, epsilon=1e-3)


def activation(b: GraphBuilder, x: Tensor | None = None) -> Tensor:
    x = x or b.image()
    kind = int(b.rng.integers(len(ACTIVATIONS) + 4))
    if kind < len(ACTIVATIONS):
        op, attributes = ACTIVATIONS[kind]
        return b.add(op, x, **attributes)
    if kind == len(ACTIVATIONS):
        return b.add("Clip", x, np.array(0, np.float32), np.array(6, np.float32))
    if kind == len(ACTIVATIONS) + 1:
        return b.add("Clip", x, np.array(-0.5, np.float32), np.array(0.7, np.float32))
    if kind == len(ACTIVATIONS) + 2:
        return b.add("PRelu", x, b.weight(x.shape[1], *[1] * (len(x.shape) - 2)))
    return b.add("Mul", x, b.add("Sigmoid", x))


def arithmetic(b: GraphBuilder) -> Tensor:
    """Two tensors, or a tensor and a constant, in either order."""
    x = b.choose(b.tensors)
    op = b.choose(("Add", "Add", "Sub", "Mul", "Max", "Min", "Div"))
    kind = b.choose(("tensor", "channel", "scalar", "pixel", "itself"))
    other: Tensor | FloatArray = x
    if kind == "tensor":
        other = b.choose(b.like(x))
    elif kind == "channel" and len(x.shape) == 4:
        other = b.weight(x.shape[1], 1, 1)
    elif kind == "pixel":
        other = b.weight(*x.shape[-2:])
    elif kind == "scalar":
        other = b.weight()
    if op == "Div":
        value = other.value if isinstance(other, Tensor) else other
        if np.abs(value).min() < 0.3:
            op = "Mul"
    operands = (other, x) if b.chance(0.5) and op != "Div" else (x, other)
    return b.add(op, *operands)


def residual(b: GraphBuilder) -> Tensor:
    """Two branches that meet in a sum, in either order."""
    x = b.image()
    left = same_conv(b, x, x.shape[1])
    right = b.choose((x, left, same_conv(b, x, x.shape[1]), pool(b, x, same=True)))
    total = b.add("Add", *((left, right) if b.chance(0.5) else (right, left)))
    return activation(b, total) if b.chance(0.5) else total


def pointwise(b: GraphBuilder, x: Tensor, channels: int) -> Tensor:
    """A 1x1 convolution, now and then a strided or a padded one."""
    pads = [0] * 4 if b.chance(0.9) else [1, 0, 0, 1]
    return conv(b, x, channels, kernel_shape=[1, 1], strides=[1, 1] if b.chance(0.9) else [2, 1], pads=pads)


def separable(b: GraphBuilder, x: Tensor | None = None, channels: int | None = None) -> Tensor:
    """Depthwise and pointwise convolution."""
    x = x or b.image()
    weight = b.weight(x.shape[1], 1, 3, 3, scale=1 / 3)
    stride = b.choose((1, 1, 2))
    deep = b.add("Conv", x, weight, kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2, group=x.shape[1])
    deep = activation(b, batch_norm(b, deep)) if b.chance(0.7) else deep
    return pointwise(b, deep, channels or b.choose(CHANNELS))


def inverted_residual(b: GraphBuilder) -> Tensor:
    x = b.image()
    narrow = separable(b, pointwise(b, x, 3 * x.shape[1]), x.shape[1])
    return b.add("Add", narrow, x) if narrow.shape == x.shape else narrow


def squeeze_excite(b: GraphBuilder) -> Tensor:
    x = b.image()
    squeezed = b.add(b.choose(("GlobalAveragePool", "GlobalMaxPool")), x)
    fixed = {"kernel_shape": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0] * 4}
    gate = conv(b, conv(b, squeezed, b.choose(CHANNELS), **fixed), x.shape[1], **fixed)
    gate = b.add(b.choose(("Sigmoid", "HardSigmoid")), gate)
    return b.add("Mul", *((x, gate) if b.chance(0.5) else (gate, x)))


def concat(b: GraphBuilder) -> Tensor:
    """Images side by side along an axis; possibly the same one twice."""
    x = b.image()
    axis = b.choose((1, 1, 1, 1, 2, 3))
    fits = [t for t in b.images() if all(t.shape[i] == x.shape[i] for i in range(4) if i != axis)]
    parts = [b.choose(fits) for _ in range(b.choose((1, 2, 2, 3)))]
    if axis == 1 and b.chance(0.6):
        parts.append(same_conv(b, x, b.choose((8, 16, 32, 48))))
        parts = parts[::-1] if b.chance(0.5) else parts
    return b.add("Concat", *parts, axis=axis)


def pool(b: GraphBuilder, x: Tensor | None = None, same: bool = False) -> Tensor:
    x = x or b.image()
    op = b.choose(("MaxPool", "AveragePool"))
    if same:
        return b.add(op, x, kernel_shape=[3, 3], pads=[1] * 4)
    kernel = [min(b.choose((1, 2, 3)), size) for size in x.shape[2:]]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": [b.choose((1, 2)) for _ in "hw"]}
    if b.chance(0.3) and min(kernel) > 1:
        # Of a window that starts behind the image, ONNX and ONNX Runtime think differently: keep it inside.
        attributes["ceil_mode"] = 1
    else:
        attributes["pads"] = [int(b.rng.integers(size)) for size in kernel * 2]
        if op == "AveragePool":
            attributes["count_include_pad"] = int(b.chance(0.5))
    return b.add(op, x, **attributes)


def reduce(b: GraphBuilder) -> Tensor:
    op = b.choose(("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"))
    x = b.image()
    if op.startswith("Global"):
        return b.add(op, x)
    return b.add(op, x, axes=b.choose(([2, 3], [2, 3], [1], [3], [1, 2])), keepdims=int(b.chance(0.5)))


def resize(b: GraphBuilder) -> Tensor:
    x = b.image()
    factors = [b.choose((1, 2, 2, 3)), b.choose((2, 2, 3))]
    sizes = [*x.shape[:2], *(size * factor for size, factor in zip(x.shape[2:], factors, strict=True))]
    mode = b.choose(("nearest", "nearest", "linear"))
    coordinates = b.choose(("asymmetric", "half_pixel", "align_corners"))
    if 1 in x.shape[2:] and coordinates == "align_corners":
        coordinates = "half_pixel"
    if mode == "nearest":
        rounding = b.choose(("floor", "round_prefer_floor"))
        if coordinates == "align_corners":
            sizes[2:] = [2 * size - 1 for size in x.shape[2:]]
        if b.chance(0.3) and coordinates == "asymmetric":
            sizes[2:] = [int(b.rng.integers(1, 2 * size + 1)) for size in x.shape[2:]]
            rounding = "floor"
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    else:
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    return b.add("Resize", x, None, None, np.array(sizes, np.int64), **attributes)


def move(b: GraphBuilder) -> Tensor:
    """Slices, transposes, shuffles, paddings and reshapes."""
    x = b.image()
    _, c, h, w = x.shape
    kind = b.choose(("slice", "split", "transpose", "shuffle", "pad", "flatten", "rows", "depth"))
    if kind == "slice":
        axis = b.choose((1, 2, 3))
        start, stop = sorted(int(i) for i in b.rng.choice(x.shape[axis] + 1, 2, replace=False))
        bounds = [np.array([value], np.int64) for value in (start, stop, axis, b.choose((1, 1, 2)))]
        return b.add("Slice", x, *bounds)
    if kind == "split" and c > 1:
        sizes = np.array([c // 2, c - c // 2], np.int64)
        return b.add("Split", x, sizes, axis=1, outputs=2)
    if kind == "transpose":
        return b.add("Transpose", x, perm=b.choose(([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2])))
    if kind == "shuffle" and c % 2 == 0:
        split = b.add("Reshape", x, np.array([1, 2, c // 2, h, w], np.int64))
        mixed = b.add("Transpose", split, perm=[0, 2, 1, 3, 4])
        return b.add("Reshape", mixed, np.array([1, c, h, w], np.int64))
    if kind == "pad":
        pads = np.array([0, 0, *b.rng.integers(0, 3, 2), 0, 0, *b.rng.integers(0, 3, 2)], np.int64)
        return b.add("Pad", x, pads)
    if kind == "depth" and h % 2 == w % 2 == 0:
        return b.add("SpaceToDepth", x, blocksize=2)
    if kind == "rows":
        return b.add("Reshape", x, np.array([1, c, h * w], np.int64))
    return b.add("Flatten", x)


def dense(b: GraphBuilder) -> Tensor:
    """A matrix product on whatever is not an image, else on a flattened one."""
    flat = [t for t in b.tensors if len(t.shape) in (2, 3)]
    x = b.choose(flat) if flat and b.chance(0.6) else b.add("Flatten", b.image())
    weight = b.weight(x.shape[-1], b.choose(CHANNELS), scale=x.shape[-1] ** -0.5)
    if len(x.shape) == 2 and b.chance(0.5):
        return b.add("Gemm", x, weight.T.copy(), b.weight(weight.shape[1]), transB=1)
    return b.add("MatMul", x, weight)


def softmax(b: GraphBuilder) -> Tensor:
    x = b.choose(b.tensors)
    return b.add("Softmax", x, axis=b.choose([1, -1]))


BLOCKS: tuple[tuple[Callable[[GraphBuilder], Tensor], int], ...] = (
    (partial(conv), 6),
    (separable, 3),
    (residual, 3),
    (inverted_residual, 2),
    (squeeze_excite, 2),
    (concat, 3),
    (pool, 2),
    (reduce, 2),
    (resize, 2),
    (move, 3),
    (arithmetic, 3),
    (activation, 2),
    (batch_norm, 1),
    (dense, 2),
    (softmax, 1),
)


def random_graph(seed: int, blocks: int = 6) -> onnx.ModelProto:
    """A network of ``blocks`` building blocks that depends on the seed only."""
    b = GraphBuilder(seed)
    for _ in range(1 + b.chance(0.2)):
        b.add_input(1, b.choose(CHANNELS), b.choose(SIZES), b.choose(SIZES))
    choices = [block for block, weight in BLOCKS for _ in range(weight)]
    for _ in range(blocks):
        b.choose(choices)(b)
    return b.model()


def save_random_graph(seed: int, folder: Path) -> Path:
    path = folder / f"random{seed}.onnx"
    path.write_bytes(random_graph(seed).SerializeToString())
    return path
