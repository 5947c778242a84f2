"""What a kernel computes: one frozen dataclass per kind. Equal workloads share one compiled kernel.

Spatial pairs are (y, x). A kernel's inputs, in order: the activations, then the constants (packed as the schedule's
``pack`` returns them), then the residual if the epilogue has one; its output comes last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

from tvm import tirx

from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked, Plain, Tensor

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a kernel window slides over an image; ``pad`` is what lies before the first row and column."""

    size: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: Pair = (0, 0)

    def reach(self, axis: int, outputs: int) -> int:
        """Input positions, padding included, that ``outputs`` consecutive output positions need along an axis."""
        return (outputs - 1) * self.stride[axis] + (self.size[axis] - 1) * self.dilation[axis] + 1


@dataclass(frozen=True)
class Conv:
    """2-D convolution with any groups, stride, dilation and padding, from blocked or plain [1, C, H, W] input.

    Products and sums have the dtype of the output; ``weights`` is the dtype in which weights are stored.
    """

    x: Tensor
    y: Blocked
    window: Window
    groups: int = 1
    epilogue: Epilogue = field(default_factory=Epilogue)
    residual: Blocked | None = None
    weights: str = "float32"

    @property
    def in_channels(self) -> int:
        """Channels of the input image."""
        return self.x.channels if isinstance(self.x, Blocked) else self.x.shape[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        taps = math.prod(self.window.size) * self.in_channels // self.groups
        return self.y.images * self.y.channels * self.y.height * self.y.width * taps


@dataclass(frozen=True)
class FewerProducts:
    """A convolution by an algorithm that saves products: it stores, and counts for, what the convolution does."""

    conv: Conv

    @property
    def y(self) -> Blocked:
        """Output image."""
        return self.conv.y

    @property
    def epilogue(self) -> Epilogue:
        """What is done to the sums."""
        return self.conv.epilogue

    @property
    def residual(self) -> Blocked | None:
        """What the epilogue adds."""
        return self.conv.residual

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the convolution; the kernel computes fewer."""
        return self.conv.macs


@dataclass(frozen=True)
class Winograd(FewerProducts):
    """A dense 3x3 convolution with stride 1 on blocked images that is computed by Winograd's minimal filtering."""

    @property
    def x(self) -> Blocked:
        """Input image."""
        assert isinstance(self.conv.x, Blocked)
        return self.conv.x

    @property
    def window(self) -> Window:
        """The convolution's window."""
        return self.conv.window


@dataclass(frozen=True)
class StrassenInputs:
    """The sums of quarters of an image that Strassen's algorithm multiplies, one after the other."""

    x: Blocked

    @property
    def pairs(self) -> int:
        """Pixels of one half; where they are odd in number, the one in the middle belongs to both."""
        return -(-self.x.height * self.x.width // 2)

    @property
    def second(self) -> int:
        """The first pixel of the second half."""
        return self.x.height * self.x.width - self.pairs

    @property
    def y(self) -> Blocked:
        """Each of the four sums has half of the channels, and half of the pixels as one row."""
        return Blocked(2 * self.x.channels, 1, self.pairs, self.x.lanes)

    @property
    def macs(self) -> int:
        """None: the mult-adds are those of the products."""
        return 0


@dataclass(frozen=True)
class Strassen(FewerProducts):
    """A dense 1x1 convolution that is computed by Strassen's algorithm, from an image and its sums."""

    @property
    def inputs(self) -> StrassenInputs:
        """What computes the sums."""
        assert isinstance(self.conv.x, Blocked)
        return StrassenInputs(self.conv.x)

    @property
    def x(self) -> Blocked:
        """The sums."""
        return self.inputs.y

    @property
    def pairs(self) -> int:
        """Pixels of one half."""
        return self.inputs.pairs

    @property
    def second(self) -> int:
        """The first pixel of the second half."""
        return self.inputs.second

    @property
    def depth(self) -> int:
        """Input channels of one half."""
        return self.conv.in_channels // 2


@dataclass(frozen=True)
class Depthwise:
    """2-D convolution with one filter per channel and as many output as input channels; all in the output's dtype."""

    x: Blocked
    y: Blocked
    window: Window
    epilogue: Epilogue = field(default_factory=Epilogue)
    residual: Blocked | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.y.images * self.y.channels * self.y.height * self.y.width * math.prod(self.window.size)


@dataclass(frozen=True)
class DepthwisePointwise:
    """A depthwise convolution and the 1x1 convolution that reads it, without storing the image between them.

    Attributes:
        x: input image.
        y: output of the 1x1 convolution.
        window: of the depthwise convolution.
        between: epilogue of the depthwise convolution; it has no residual.
        epilogue: of the 1x1 convolution.
        residual: what that adds to its result.
    """

    x: Blocked
    y: Blocked
    window: Window
    between: Epilogue
    epilogue: Epilogue
    residual: Blocked | None = None

    @property
    def middle(self) -> Blocked:
        """The image between the two, which is never stored as a whole."""
        return Blocked(self.x.channels, self.y.height, self.y.width, self.y.lanes, dtype=self.y.dtype)

    @property
    def depthwise(self) -> Depthwise:
        """The first half."""
        return Depthwise(self.x, self.middle, self.window, self.between)

    @property
    def pointwise(self) -> Conv:
        """The second half."""
        return Conv(self.middle, self.y, Window((1, 1)), 1, self.epilogue, self.residual, self.y.dtype)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of both."""
        return self.depthwise.macs + self.pointwise.macs


@dataclass(frozen=True)
class Dense:
    """``y[m, n] = sum_k x[m, k] w[k, n] + b[n]`` on plain row-major matrices."""

    x: Plain
    y: Plain
    epilogue: Epilogue = field(default_factory=Epilogue)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return math.prod(self.x.shape) * self.y.shape[-1]


@dataclass(frozen=True)
class Pool:
    """Maximum or average over a window; ``count_include_pad`` as in ONNX."""

    kind: str
    x: Blocked
    y: Blocked
    window: Window
    count_include_pad: bool = False

    @property
    def macs(self) -> int:
        """Additions or comparisons, counted as half an operation pair each."""
        return self.y.images * self.y.channels * self.y.height * self.y.width * math.prod(self.window.size) // 2


@dataclass(frozen=True)
class GlobalPool:
    """Maximum or mean over the whole image."""

    kind: str
    x: Blocked
    y: Blocked

    @property
    def macs(self) -> int:
        """Additions or comparisons, counted as half an operation pair each."""
        return self.x.images * self.x.channels * self.x.height * self.x.width // 2


@dataclass(frozen=True)
class Elementwise:
    """``activation(a operation b)`` on images; b is an image (equal size, or 1x1), a constant per channel, or absent.

    Attributes:
        operation: a name of ``elementwise.OPERATIONS``.
        x: one or two images; operands that are 1x1 are broadcast over the other's pixels.
        constant: the second operand is one number per channel, ``[blocks, lanes]``, instead of an image.
        swapped: compute ``b operation a``.
        activation: applied to the result.
        y: the output image.
    """

    operation: str
    x: tuple[Blocked, ...]
    y: Blocked
    constant: bool = False
    swapped: bool = False
    activation: Activation | None = None

    @property
    def macs(self) -> int:
        """Operations, counted as half a multiply-accumulate each."""
        return self.y.images * self.y.channels * self.y.height * self.y.width // 2


@dataclass(frozen=True)
class Softmax:
    """``e^x / sum(e^x)`` over the last axis of a plain tensor [rows, n]."""

    x: Plain
    y: Plain

    @property
    def macs(self) -> int:
        """Operations of the polynomial exponential, roughly, counted as multiply-accumulates."""
        return math.prod(self.x.shape) * 10


@dataclass(frozen=True)
class Lrn:
    """``X / (bias + alpha / size * s)^beta``, s the sum of squares over a window of ``size`` channels."""

    x: Blocked
    y: Blocked
    size: int
    alpha: float
    beta: float
    bias: float

    @property
    def macs(self) -> int:
        """Operations of the window and the roots, roughly, counted as multiply-accumulates."""
        return self.y.channels * self.y.height * self.y.width * (self.size + 10)


@dataclass(frozen=True)
class Resize:
    """Nearest-neighbour resizing of an image: output pixel (y, x) is input pixel (floor(y*h/H), floor(x*w/W))."""

    x: Blocked
    y: Blocked
    macs: int = 0


@dataclass(frozen=True)
class RoiAlign:
    """Means of samples, bilinear between pixels, of regions of images; an image of features for each region.

    Attributes:
        x: images, and regions [n, 5]: number of the image, left, top, right, bottom.
        y: n images.
        scale: pixels of x for one unit of the regions.
        samples: in each direction of an output pixel.
        shrinks: whether a region may be smaller than a pixel of x; otherwise it is stretched to one.
    """

    x: tuple[Blocked, Plain]
    y: Blocked
    scale: float
    samples: int
    shrinks: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the interpolation."""
        return self.y.images * self.y.channels * self.y.height * self.y.width * (2 * self.samples) ** 2


@dataclass(frozen=True)
class Reorder:
    """Change of layout, plain <-> blocked, or a copy, plain -> plain.

    The plain side is [N, C, H, W], or [N, H, W, C] if ``channels_last``.
    """

    x: Tensor
    y: Tensor
    channels_last: bool = False
    macs: int = 0


@dataclass(frozen=True)
class TopK:
    """Indices int64 [..., k] of the largest or smallest elements along the last axis of a plain tensor."""

    x: Plain
    y: Plain
    largest: bool

    @property
    def macs(self) -> int:
        """A comparison of each element, counted as a multiply-accumulate."""
        return math.prod(self.x.shape)


@dataclass(frozen=True)
class Suppress:
    """Scores with zeros for all boxes that a better one of their class covers.

    Attributes:
        x: boxes [n, count, 4] and scores [n, classes, count].
        y: scores that are left, of the same shape.
        limit: most boxes that are kept of a class.
        overlap: intersection over union above which two boxes are one.
        threshold: scores up to this are zero as well, if it is given.
        centred: whether a box is its centre and its size, else two opposite corners.
    """

    x: tuple[Plain, Plain]
    y: Plain
    limit: int
    overlap: float
    threshold: float | None
    centred: bool

    @property
    def macs(self) -> int:
        """The heap and the overlaps, roughly, counted as multiply-accumulates."""
        return math.prod(self.y.shape) * 20


@dataclass(frozen=True)
class Generic:
    """Any other operator, on plain tensors, as TVM's operator library defines it.

    ``text`` is the operator's unscheduled PrimFunc as script and identifies the workload; ``func`` is the function.
    """

    x: tuple[Plain, ...]
    y: Plain
    text: str
    func: tirx.PrimFunc = field(compare=False, repr=False)
    macs: int = 0


Called: TypeAlias = TopK | Suppress
"""Kernels that are C functions of the runtime."""

Workload: TypeAlias = (
    Conv
    | Depthwise
    | DepthwisePointwise
    | Dense
    | Pool
    | GlobalPool
    | Elementwise
    | Softmax
    | Lrn
    | Resize
    | RoiAlign
    | Reorder
    | Winograd
    | Strassen
    | StrassenInputs
    | Generic
    | Called
)
