"""One small workload of every kind, and the layers of MobileNet."""

from __future__ import annotations

from separable.compiler._tvm import tvm
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import (
    Conv,
    Dense,
    Depthwise,
    DepthwisePointwise,
    Elementwise,
    Generic,
    GlobalPool,
    Lrn,
    Pool,
    Reorder,
    Resize,
    RoiAlign,
    Softmax,
    Strassen,
    StrassenInputs,
    Window,
    Winograd,
    Workload,
)

_RELU6 = Epilogue(activation=Activation("clip", (0.0, 6.0)))
_AROUND = Halo(1, 1, 1, 1)


def transpose(rows: int, columns: int) -> Generic:
    """A matrix transposed, as an operator of no other kind."""
    x = tvm.te.placeholder((rows, columns), name="X")
    y = tvm.te.compute((columns, rows), lambda i, j: x[j, i], name="Y")
    func = tvm.te.create_prim_func([x, y])
    return Generic((Plain((rows, columns)),), Plain((columns, rows)), func.script(), func)


def one_of_each(lanes: int) -> dict[str, Workload]:
    """By the name of its kind."""
    image, around = Blocked(2 * lanes, 7, 7, lanes), Blocked(2 * lanes, 7, 7, lanes, _AROUND)
    pixel = Blocked(2 * lanes, 1, 1, lanes)
    three = Window((3, 3), pad=(1, 1))
    return {
        "pointwise": Conv(image, around, Window((1, 1)), epilogue=Epilogue(True, Activation("relu")), residual=image),
        "conv": Conv(Plain((1, 3, 14, 16)), Blocked(2 * lanes, 14, 16, lanes), three, epilogue=_RELU6),
        "depthwise": Depthwise(around, image, three, _RELU6),
        "depthwise_pointwise": DepthwisePointwise(around, around, three, _RELU6, _RELU6),
        "dense": Dense(Plain((13, 24)), Plain((13, 5 * lanes))),
        "pool": Pool("avg", image, image, three),
        "global_pool": GlobalPool("avg", image, pixel),
        "elementwise": Elementwise("multiply", (image, pixel), around),
        "softmax": Softmax(Plain((4, 100)), Plain((4, 100))),
        "lrn": Lrn(image, image, 5, 1e-4, 0.75, 1.0),
        "resize": Resize(image, Blocked(2 * lanes, 14, 14, lanes)),
        "roi_align": RoiAlign((image, Plain((3, 5))), Blocked(2 * lanes, 2, 2, lanes, images=3), 0.5, 2, False),
        "reorder": Reorder(image, Plain((1, 2 * lanes, 7, 7))),
        "winograd": Winograd(Conv(around, image, three, epilogue=_RELU6)),
        "strassen": Strassen(Conv(image, around, Window((1, 1)), epilogue=_RELU6)),
        "strassen_inputs": StrassenInputs(image),
        "generic": transpose(5, 24),
    }


def mobilenet(lanes: int, alpha: float = 1.0, resolution: int = 224) -> list[Workload]:
    """The convolutions of MobileNet V1 (Howard et al. 2017, table 1) and its classifier."""

    def image(channels: int, size: int, halo: Halo = _AROUND) -> Blocked:
        return Blocked(int(channels * alpha), size, size, lanes, halo)

    size = resolution // 2
    channels = 32
    first = Window((3, 3), (2, 2), pad=(1, 1))
    layers: list[Workload] = [
        Conv(Plain((1, 3, resolution, resolution)), image(channels, size), first, epilogue=_RELU6)
    ]
    strides = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for out_channels, stride in strides:
        window = Window((3, 3), (stride, stride), pad=(1, 1))
        smaller = size // stride
        filtered = image(channels, smaller, Halo())
        layers.append(Depthwise(image(channels, size), filtered, window, _RELU6))
        layers.append(Conv(filtered, image(out_channels, smaller), Window((1, 1)), epilogue=_RELU6))
        channels, size = out_channels, smaller
    layers.append(Conv(image(channels, 1, Halo()), Blocked(1000, 1, 1, lanes), Window((1, 1))))
    return layers
