"""The paper's family, 4 widths times 4 resolutions, and how accurate its members are.

The paper prints the accuracies of eight of them: four in Table 6, three more in Table 7 and one in Table 9. Its Figures
4 and 5 show all sixteen as points without numbers. The other eight are interpolated: a width costs as many points at
every resolution as it costs at 224, as if both had nothing to do with each other::

    accuracy(alpha, r) = accuracy(alpha, 224) + accuracy(1, r) - accuracy(1, 224)

At 0.5-160, the only printed one that this can be held against, it gives 60.3 where Table 9 has 60.2. It flatters narrow
networks of low resolutions: of the checkpoints that TensorFlow published in 2018, 0.25-128 is 8.3 points below
0.25-224, where this rule has 6.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from separable.zoo.architecture import MobileNetV1
from separable.zoo.paper import TABLES, Build

ALPHAS = (1.0, 0.75, 0.5, 0.25)
RESOLUTIONS = (224, 192, 160, 128)
ACCURACY = "ImageNet top-1, %"
FAMILY = tuple(MobileNetV1(alpha, resolution) for alpha in ALPHAS for resolution in RESOLUTIONS)


@dataclass(frozen=True)
class PaperAccuracy:
    """ImageNet top-1 in percent, and the number of the table that it is printed in; None if it is interpolated."""

    percent: float
    table: int | None


def printed_accuracies() -> dict[tuple[float, int], PaperAccuracy]:
    """What the paper prints, by width and resolution; each with the table that is about it."""
    printed: dict[tuple[float, int], PaperAccuracy] = {}
    for table in sorted(TABLES, key=lambda table: table.number not in (6, 7)):
        for row in table.rows if table.accuracy == ACCURACY else ():
            if isinstance(row.source, Build) and row.source.name == "mobilenet-v1":
                at = row.source.options["alpha"], row.source.options["resolution"]
                printed.setdefault(at, PaperAccuracy(float(row.accuracy), table.number))
    return printed


def paper_accuracy(alpha: float, resolution: int) -> PaperAccuracy:
    """The accuracy of a member of the family, printed or interpolated.

    Raises:
        KeyError: it is no member.
    """
    printed = printed_accuracies()
    if (alpha, resolution) in printed:
        return printed[alpha, resolution]
    along = printed[alpha, RESOLUTIONS[0]].percent, printed[ALPHAS[0], resolution].percent
    return PaperAccuracy(round(sum(along) - printed[ALPHAS[0], RESOLUTIONS[0]].percent, 1), None)


def network_title(network: MobileNetV1) -> str:
    """What the paper calls it: ``0.75 MobileNet-192``."""
    alpha = f"{network.alpha:g}" if network.alpha < 1 else f"{network.alpha:.1f}"
    return f"{alpha} MobileNet-{network.resolution}"
