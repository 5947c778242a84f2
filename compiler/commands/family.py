"""The families that ``separable choose`` chooses from: the paper's sixteen MobileNets, or what a CSV file lists."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Collection
from functools import partial
from pathlib import Path

from separable.compiler.choosing.accuracies import Listed, read_accuracies
from separable.compiler.choosing.member import Accuracy, FamilyError, Member
from separable.compiler.commands.units import shell_path
from separable.compiler.commands.zoo import without_torch
from separable.compiler.interrupts import interrupt_later
from separable.zoo.architecture import MobileNetV1
from separable.zoo.cost import network_cost
from separable.zoo.family import FAMILY, network_title, paper_accuracy


def paper_family(*, interpolate: bool) -> list[Member]:
    """The paper's family; without interpolation eight of its members have no accuracy."""
    return [_mobilenet(network, _paper(network, interpolate)) for network in FAMILY]


def listed_family(path: Path) -> list[Member]:
    """What a CSV file lists.

    Raises:
        FamilyError: the file is malformed, or lists networks that there are not.
        OSError: a file cannot be read.
    """
    entries = read_accuracies(path)
    stems = Counter(listed.model.stem for listed in entries if listed.model is not None)
    ambiguous = {stem for stem, count in stems.items() if count > 1}
    return [_listed(listed, path, ambiguous) for listed in entries]


def _listed(listed: Listed, path: Path, ambiguous: Collection[str]) -> Member:
    accuracy = Accuracy(listed.accuracy, path.name)
    if listed.model is not None:
        digest = hashlib.sha256(listed.model.read_bytes()).hexdigest()[:16]
        stem = listed.model.stem
        title = os.path.relpath(listed.model.with_suffix(""), path.parent) if stem in ambiguous else stem
        chosen = f"separable compile {shell_path(listed.model)}"
        return Member(title, f"{stem}-{digest}", "", accuracy, partial(shutil.copy, listed.model), next=chosen)
    assert listed.alpha is not None
    assert listed.resolution is not None
    try:
        return _mobilenet(MobileNetV1(listed.alpha, listed.resolution), accuracy)
    except ValueError as error:
        raise FamilyError(f"{path}: {error}") from error


def _paper(network: MobileNetV1, interpolate: bool) -> Accuracy | None:
    known = paper_accuracy(network.alpha, network.resolution)
    if known.table is not None:
        return Accuracy(known.percent, f"Table {known.table}")
    return Accuracy(known.percent, "interpolated", True) if interpolate else None


def _mobilenet(network: MobileNetV1, accuracy: Accuracy | None) -> Member:
    cost = network_cost(network)
    return Member(
        network_title(network),
        network.name,
        str(network.resolution),
        accuracy,
        partial(_write, network),
        (cost.mult_adds, cost.parameters),
        f"separable zoo mobilenet-v1 --alpha {network.alpha:g} --resolution {network.resolution} --weights "
        f"TRAINED.pt -o {network.name}.onnx",
    )


def _write(network: MobileNetV1, path: Path) -> None:
    try:
        from separable.zoo.export import export_untrained
        from separable.zoo.mobilenet_v1 import MobileNetV1Network
    except ModuleNotFoundError as error:
        raise without_torch(error) from error
    with interrupt_later():
        export_untrained(MobileNetV1Network(network), path)
