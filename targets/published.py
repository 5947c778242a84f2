"""Published latencies of MobileNet V1 1.0-224 in float32 on chips with the cores of the table, in other programs.

Nothing here was measured by us, and none of it is ours: the figures show what such a chip does with this network. Only
those are listed that name chip, threads and float32: ncnn and MNN compute in half precision on Cortex-A55, A76 and
later, so that those rows have none. Sources: [tvm] TVM's wiki, networks tuned by AutoTVM; [xnnpack] and [ncnn] the
README of the project; [mnn] MNN's benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass

MULT_ADDS = 568_740_352
"""Of the network that the figures are of, by which it is known."""


@dataclass(frozen=True)
class Published:
    """One figure.

    Attributes:
        row: the target row of the cores, without system and extensions.
        chip: the chip or the device.
        ghz: clock of these cores in 10^9 cycles per second.
        threads: threads, each on a core of its own.
        program: what ran the network.
        milliseconds: of one inference.
    """

    row: str
    chip: str
    ghz: float
    threads: int
    program: str
    milliseconds: float


_A53, _A72, _A73 = "arm64:cortex-a53", "arm64:cortex-a72", "arm64:cortex-a73"

PUBLISHED = (
    Published(_A53, "Raspberry Pi 3B", 1.2, 4, "TVM", 121.8),
    Published(_A72, "RK3399", 1.8, 2, "TVM", 77.9),
    Published(_A72, "Raspberry Pi 4", 1.5, 1, "ncnn", 123.8),
    Published(_A72, "Raspberry Pi 4", 1.5, 4, "ncnn", 60.7),
    Published(_A72, "Raspberry Pi 4", 1.5, 4, "XNNPACK", 72),
    Published(_A73, "Kirin 970", 2.36, 1, "ncnn", 103.9),
    Published(_A73, "Kirin 970", 2.36, 4, "ncnn", 34.1),
    Published(_A73, "Kirin 970", 2.36, 4, "TVM", 41.3),
    Published(_A73, "Pixel 2 (Snapdragon 835)", 2.35, 1, "XNNPACK", 86),
    Published(_A73, "Pixel 2 (Snapdragon 835)", 2.35, 4, "XNNPACK", 27),
    Published(_A73, "Snapdragon 835", 2.45, 1, "ncnn", 103.3),
    Published(_A73, "Snapdragon 835", 2.45, 4, "ncnn", 36.7),
    Published(_A73, "Snapdragon 835", 2.45, 4, "MNN", 28.3),
)


def published_for(target: str) -> tuple[Published, ...]:
    """The figures of a target's cores, whatever the system and the extensions; of no other cores, however similar."""
    row = target.partition("+")[0].removeprefix("android-").replace("-musl", "")
    return tuple(figure for figure in PUBLISHED if figure.row == row)
