"""What the options name: models, numbers of threads and peers, each a list with commas between."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from separable.benchmarks.peers import OURS, PEERS
from separable.zoo.architecture import MobileNetV1

ALL_VARIANTS = "all-variants"
ALL_PEERS = "all"

# The paper's widths and resolutions.
_ALPHAS = (1.0, 0.75, 0.5, 0.25)
_RESOLUTIONS = (224, 192, 160, 128)
_VARIANT = re.compile(r"v1-(\d+(?:\.\d+)?)-(\d+)")


def variant_name(network: MobileNetV1) -> str:
    """The short name of one of the zoo's networks, ``v1-1.0-224``."""
    return f"v1-{network.alpha}-{network.resolution}"


def model_name(model: MobileNetV1 | Path) -> str:
    """What a model is called in the results."""
    return model.stem if isinstance(model, Path) else variant_name(model)


def parse_models(text: str) -> list[MobileNetV1 | Path]:
    """Networks of the zoo by name, ``v1-0.75-192``, all sixteen as ``all-variants``, and ONNX files by path.

    Raises:
        ValueError: something is neither.
    """
    models: list[MobileNetV1 | Path] = []
    for name in _split(text):
        variant = _VARIANT.fullmatch(name)
        if name == ALL_VARIANTS:
            models += [MobileNetV1(alpha, resolution) for alpha in _ALPHAS for resolution in _RESOLUTIONS]
        elif variant:
            models.append(MobileNetV1(float(variant[1]), int(variant[2])))
        elif Path(name).is_file():
            models.append(Path(name))
        else:
            raise ValueError(f"{name!r} is neither a file nor a network such as v1-1.0-224 or {ALL_VARIANTS}")
    return models


def parse_threads(text: str, cpus: int) -> list[int]:
    """Numbers of threads.

    Raises:
        ValueError: one is no number, or not between 1 and ``cpus``.
    """
    counts = []
    for name in _split(text):
        if not name.isdecimal() or not 1 <= int(name) <= cpus:
            raise ValueError(f"{name!r} threads: expected a number from 1 to the {cpus} CPUs that may be used")
        counts.append(int(name))
    return counts


def parse_peers(text: str) -> list[str]:
    """Peers by name, or ``all``; ours is first, named or not.

    Raises:
        ValueError: a name is unknown; the message offers the nearest one.
    """
    names = [name for name in PEERS if name != OURS] if text == ALL_PEERS else _split(text)
    for name in names:
        if name not in PEERS:
            nearest = difflib.get_close_matches(name, PEERS, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(PEERS)}"
            raise ValueError(f"there is no peer {name!r}; {hint}")
    return [OURS, *(name for name in names if name != OURS)]


def _split(text: str) -> Sequence[str]:
    """The parts between commas, each once, in order."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
