"""The tables of Howard et al., "MobileNets", 2017, as printed, and how the zoo builds what they list.

Costs are given as they are printed, so that their rounding is known. Where a printed cost is not what the architecture
gives, a remark says why; accuracies cannot be computed without the data sets, and are quoted only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from separable.zoo.architecture import Layer


@dataclass(frozen=True)
class Build:
    """A network of the catalogue with options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


Source: TypeAlias = Build | tuple[Layer, ...]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        model: as the paper calls it.
        mult_adds: in millions, as printed (billions in Table 13, where ``unit`` says so).
        parameters: in millions, as printed.
        source: what the costs are computed from; None if the paper does not say enough.
        accuracy: as printed, of the table's kind.
        remark: why computed costs deviate, or are missing.
    """

    model: str
    mult_adds: str
    parameters: str
    source: Source | None
    accuracy: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        number: in the paper.
        title: what it shows.
        accuracy: what its accuracies are; empty if it has none.
        rows: in the paper's order.
        unit: mult-adds of one printed unit.
    """

    number: int
    title: str
    accuracy: str
    rows: tuple[Row, ...]
    unit: float = 1e6


@dataclass(frozen=True)
class PrintedShare:
    """A row of Table 2: percent of mult-adds and parameters of one layer type, as printed."""

    type: str
    mult_adds: str
    parameters: str
    remark: str = ""


SHARES_TITLE = "Resources per layer type of 1.0 MobileNet-224"
SHARES = (
    PrintedShare("Conv 1x1", "94.86", "74.59"),
    PrintedShare("Conv DW 3x3", "3.06", "1.06"),
    PrintedShare("Conv 3x3", "1.19", "0.02", "misprinted: only with 1.91 do the four mult-adds add up to 100"),
    PrintedShare("Fully connected", "0.18", "24.33"),
)


def _mobilenet(name: str = "mobilenet-v1", alpha: float = 1.0, resolution: int = 224) -> Build:
    return Build(name, {"alpha": alpha, "resolution": resolution})


def _separable(channels: int, size: int) -> tuple[Layer, ...]:
    return (
        Layer("depthwise", "depthwise", channels, channels, 3, 1, size),
        Layer("pointwise", "pointwise", channels, channels, 1, 1, size),
    )


_BASELINE = Row("1.0 MobileNet-224", "569", "4.2", _mobilenet(), "70.6")
_DOGS, _ATTRIBUTES, _EMBEDDING = "mobilenet-dogs", "mobilenet-face-attributes", "mobilenet-face-embedding"
_UNKNOWN_HEAD = (
    "the paper does not describe the embedding's layers: parameters rise as the resolution falls, which one linear "
    "layer of 128 outputs, as here, does not explain"
)
_UNPUBLISHED = "an in-house network that the paper does not describe"

TABLES = (
    Table(
        3,
        "Modifications of a standard convolution of 14x14x512",
        "",
        (
            Row("Convolution", "462", "2.36", (Layer("conv", "conv", 512, 512, 3, 1, 14),)),
            Row("Depthwise separable convolution", "52.3", "0.27", _separable(512, 14)),
            Row("alpha = 0.75", "29.6", "0.15", _separable(384, 14)),
            Row("rho = 0.714", "15.1", "0.15", _separable(384, 10)),
        ),
    ),
    Table(
        4,
        "Depthwise separable or full convolutions",
        "ImageNet top-1, %",
        (
            Row("Conv MobileNet", "4866", "29.3", Build("conv-mobilenet"), "71.7"),
            Row("MobileNet", "569", "4.2", _mobilenet(), "70.6"),
        ),
    ),
    Table(
        5,
        "Narrow or shallow",
        "ImageNet top-1, %",
        (
            Row("0.75 MobileNet", "325", "2.6", _mobilenet(alpha=0.75), "68.4"),
            Row("Shallow MobileNet", "307", "2.9", Build("shallow-mobilenet"), "65.3"),
        ),
    ),
    Table(
        6,
        "Width multiplier",
        "ImageNet top-1, %",
        (
            _BASELINE,
            Row("0.75 MobileNet-224", "325", "2.6", _mobilenet(alpha=0.75), "68.4"),
            Row("0.5 MobileNet-224", "149", "1.3", _mobilenet(alpha=0.5), "63.7"),
            Row("0.25 MobileNet-224", "41", "0.5", _mobilenet(alpha=0.25), "50.6"),
        ),
    ),
    Table(
        7,
        "Resolution",
        "ImageNet top-1, %",
        (
            _BASELINE,
            Row("1.0 MobileNet-192", "418", "4.2", _mobilenet(resolution=192), "69.1"),
            Row("1.0 MobileNet-160", "290", "4.2", _mobilenet(resolution=160), "67.2"),
            Row("1.0 MobileNet-128", "186", "4.2", _mobilenet(resolution=128), "64.4"),
        ),
    ),
    Table(
        8,
        "Popular networks",
        "ImageNet top-1, %",
        (
            _BASELINE,
            Row(
                "GoogleNet",
                "1550",
                "6.8",
                Build("googlenet"),
                "69.8",
                "6.8 is the sum of GoogLeNet's own table, whose K are 1024; it says 1.5 billion mult-adds",
            ),
            Row(
                "VGG 16",
                "15300",
                "138",
                Build("vgg16"),
                "71.5",
                "printed without the fully connected layers' 124 million",
            ),
        ),
    ),
    Table(
        9,
        "Smaller MobileNet and popular networks",
        "ImageNet top-1, %",
        (
            Row("0.50 MobileNet-160", "76", "1.32", _mobilenet(alpha=0.5, resolution=160), "60.2"),
            Row(
                "SqueezeNet",
                "1700",
                "1.25",
                Build("squeezenet-1.0"),
                "57.5",
                "printed are multiplications plus additions, twice the mult-adds",
            ),
            Row("AlexNet", "720", "60", Build("alexnet"), "57.2", "AlexNet's own paper says 60 million"),
        ),
    ),
    Table(
        10,
        "Stanford Dogs",
        "top-1, %",
        (
            Row(
                "Inception V3",
                "5000",
                "23.2",
                Build("inception-v3", {"classes": 120}),
                "84",
                "5 billion is what the Inception paper says in words; 23.2 is neither with 120 nor with 1000 classes",
            ),
            Row("1.0 MobileNet-224", "569", "3.3", _mobilenet(_DOGS), "83.3"),
            Row("0.75 MobileNet-224", "325", "1.9", _mobilenet(_DOGS, 0.75), "81.9"),
            Row("1.0 MobileNet-192", "418", "3.3", _mobilenet(_DOGS, 1.0, 192), "81.9"),
            Row("0.75 MobileNet-192", "239", "1.9", _mobilenet(_DOGS, 0.75, 192), "80.5"),
        ),
    ),
    Table(
        11,
        "PlaNet; costs from the text of section 4.4",
        "Im2GPS within 2500/750/200/25/1 km, %",
        (
            Row(
                "PlaNet",
                "5740",
                "52",
                None,
                "77.6/64.0/51.1/31.7/11.0",
                "an Inception V3 whose number of cells the paper does not give",
            ),
            Row(
                "PlaNet MobileNet",
                "580",
                "13",
                Build("mobilenet-planet"),
                "79.3/60.3/45.2/31.7/11.4",
                "the text's 0.58 million mult-adds are 0.58 billion; ten million parameters in the last layer",
            ),
        ),
    ),
    Table(
        12,
        "Face attributes",
        "mean AP, %",
        (
            Row("1.0 MobileNet-224", "568", "3.2", _mobilenet(_ATTRIBUTES), "88.7"),
            Row("0.5 MobileNet-224", "149", "0.8", _mobilenet(_ATTRIBUTES, 0.5), "88.1"),
            Row(
                "0.25 MobileNet-224",
                "45",
                "0.2",
                _mobilenet(_ATTRIBUTES, 0.25),
                "87.2",
                "a slip: Table 6 has 41 for it",
            ),
            Row("1.0 MobileNet-128", "185", "3.2", _mobilenet(_ATTRIBUTES, 1.0, 128), "88.1"),
            Row(
                "0.5 MobileNet-128",
                "48",
                "0.8",
                _mobilenet(_ATTRIBUTES, 0.5, 128),
                "87.7",
                "48.7 million, rounded down",
            ),
            Row(
                "0.25 MobileNet-128",
                "15",
                "0.2",
                _mobilenet(_ATTRIBUTES, 0.25, 128),
                "86.4",
                "a slip, in the proportion of the one at 224",
            ),
            Row("Baseline", "1600", "7.5", None, "86.9", f"{_UNPUBLISHED}; 75 million parameters in the text"),
        ),
    ),
    Table(
        13,
        "COCO object detection; mult-adds in billions",
        "mAP at IoU 0.50:0.05:0.95, %",
        (
            Row(
                "SSD 300, deeplab-VGG",
                "34.9",
                "33.1",
                Build("ssd-vgg"),
                "21.1",
                "what deeplab-VGG leaves out of SSD's 35.6 million parameters is not in the paper",
            ),
            Row("SSD 300, Inception V2", "3.8", "13.7", Build("ssd-inception-v2"), "22.0"),
            Row("SSD 300, MobileNet", "1.2", "6.8", Build("ssd-mobilenet"), "19.3"),
            *(
                Row(
                    f"Faster-RCNN {resolution}, {title}",
                    mult_adds,
                    parameters,
                    Build(f"faster-rcnn-{name}", {"resolution": resolution}),
                    accuracy,
                )
                for resolution, title, name, mult_adds, parameters, accuracy in (
                    (300, "VGG", "vgg", "64.3", "138.5", "22.9"),
                    (300, "Inception V2", "inception-v2", "118.2", "13.3", "15.4"),
                    (300, "MobileNet", "mobilenet", "25.2", "6.1", "16.4"),
                    (600, "VGG", "vgg", "149.6", "138.5", "25.7"),
                    (600, "Inception V2", "inception-v2", "129.6", "13.3", "21.9"),
                    (600, "MobileNet", "mobilenet", "30.5", "6.1", "19.8"),
                )
            ),
        ),
        unit=1e9,
    ),
    Table(
        14,
        "MobileNet distilled from FaceNet",
        "accuracy at 1e-4, %",
        (
            Row("FaceNet", "1600", "7.5", None, "83", "Schroff et al., 2015; not in the zoo"),
            Row("1.0 MobileNet-160", "286", "4.9", _mobilenet(_EMBEDDING, 1.0, 160), "79.4", _UNKNOWN_HEAD),
            Row("1.0 MobileNet-128", "185", "5.5", _mobilenet(_EMBEDDING, 1.0, 128), "78.3", _UNKNOWN_HEAD),
            Row(
                "0.75 MobileNet-160",
                "166",
                "3.4",
                _mobilenet(_EMBEDDING, 0.75, 160),
                "75.2",
                f"printed as 0.75 MobileNet-128, but 166 million is what 160 pixels cost; {_UNKNOWN_HEAD}",
            ),
            Row("0.75 MobileNet-128", "108", "3.8", _mobilenet(_EMBEDDING, 0.75, 128), "72.5", _UNKNOWN_HEAD),
        ),
    ),
)
