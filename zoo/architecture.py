"""MobileNet V1 as a list of layers: the paper's Table 1 thinned by the width multiplier, without a line of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["relu", "relu6"]
LayerKind = Literal["conv", "depthwise", "pointwise", "classifier"]
Variant = Literal["separable", "full", "shallow"]
Head = Literal["logits", "attributes", "embedding"]

# (output channels at alpha 1, stride) of the thirteen depthwise separable layers. Table 1 prints stride 2 for the last
# one as well, but its input and output are both 7x7 and only stride 1 gives the paper's 569 million mult-adds.
_SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
# Shallow MobileNet is without the five layers of 14x14x512.
_SHALLOW = (*_SEPARABLE[:6], *_SEPARABLE[11:])
_STEM_CHANNELS = 32
_PREFIXES: dict[Variant, str] = {"separable": "", "full": "conv_", "shallow": "shallow_"}
_SMALLEST_RESOLUTION = 32


@dataclass(frozen=True)
class Layer:
    """One convolution or the classifier.

    A convolution has no bias, is padded by ``kernel // 2`` on every side, and is followed by batch normalisation and
    the activation.

    Attributes:
        name: unique in the network, such as ``pointwise_7``.
        kind: which of the paper's layer types it is.
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: height and width of the filter.
        stride: step of the filter in both directions.
        in_size: height and width of the input.
    """

    name: str
    kind: LayerKind
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    in_size: int

    @property
    def out_size(self) -> int:
        """Height and width of the output."""
        return -(-self.in_size // self.stride)

    @property
    def groups(self) -> int:
        """Groups of the convolution: every channel on its own in a depthwise layer."""
        return self.in_channels if self.kind == "depthwise" else 1


@dataclass(frozen=True)
class MobileNetV1:
    """One member of the family.

    Attributes:
        alpha: width multiplier, in (0, 1]; every layer has ``round(alpha * channels)`` channels.
        resolution: height and width of the input picture in pixels (the paper's rho is ``resolution / 224``).
        classes: outputs of the classifier.
        activation: what follows each batch normalisation; the paper's is ``relu``.
        variant: ``separable`` is the paper's Table 1; ``full`` has one 3x3 convolution in place of each depthwise
            separable layer (Conv MobileNet, Table 4); ``shallow`` has five of these layers less (Table 5).
        head: what the classifier's outputs are: ``logits`` of one class, ``attributes`` (a sigmoid each, as the face
            attributes of Table 12), or an ``embedding`` of length one (as the faces of Table 14).

    Raises:
        ValueError: a value is out of its range.
    """

    alpha: float = 1.0
    resolution: int = 224
    classes: int = 1000
    activation: Activation = "relu"
    variant: Variant = "separable"
    head: Head = "logits"

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise ValueError(f"alpha {self.alpha} is outside (0, 1]")
        if self.resolution < _SMALLEST_RESOLUTION:
            raise ValueError(
                f"resolution {self.resolution} is below {_SMALLEST_RESOLUTION}, the network's total stride"
            )
        if self.classes < 1:
            raise ValueError(f"{self.classes} classes: there must be at least one")
        if self.activation not in ("relu", "relu6"):
            raise ValueError(f"activation {self.activation!r} is neither relu nor relu6")

    @property
    def name(self) -> str:
        """The network's usual name, ``mobilenet_v1_0.75_192``."""
        return f"{_PREFIXES[self.variant]}mobilenet_v1_{self.alpha:g}_{self.resolution}"

    def layers(self) -> tuple[Layer, ...]:
        """All layers in the order they run: 28 of the paper's Table 1."""
        channels, size = self._thin(_STEM_CHANNELS), self.resolution
        layers = [Layer("conv_0", "conv", 3, channels, 3, 2, size)]
        for number, (full_width, stride) in enumerate(_SHALLOW if self.variant == "shallow" else _SEPARABLE, start=1):
            width, size = self._thin(full_width), layers[-1].out_size
            if self.variant == "full":
                layers.append(Layer(f"conv_{number}", "conv", channels, width, 3, stride, size))
            else:
                depthwise = Layer(f"depthwise_{number}", "depthwise", channels, channels, 3, stride, size)
                pointwise = Layer(f"pointwise_{number}", "pointwise", channels, width, 1, 1, depthwise.out_size)
                layers += [depthwise, pointwise]
            channels = width
        return (*layers, Layer("classifier", "classifier", channels, self.classes, 1, 1, 1))

    def _thin(self, channels: int) -> int:
        return max(1, round(self.alpha * channels))
