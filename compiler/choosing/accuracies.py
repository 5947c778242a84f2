"""A user's own accuracies, as CSV: of widths and resolutions of MobileNet, or of ONNX files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from separable.compiler.choosing.member import FamilyError

WIDTHS, MODELS = ("alpha", "resolution", "accuracy"), ("model", "accuracy")


@dataclass(frozen=True)
class Listed:
    """One line of the file.

    Attributes:
        accuracy: as it is given.
        alpha, resolution: of a MobileNet V1; None where the file lists models.
        model: an ONNX file; None where it does not.
    """

    accuracy: float
    alpha: float | None = None
    resolution: int | None = None
    model: Path | None = None


def read_accuracies(path: Path) -> list[Listed]:
    """Read a CSV file with the columns ``alpha,resolution,accuracy`` or ``model,accuracy``.

    Paths of models are relative to the file's folder. Other columns are ignored, as are lines that begin with ``#``.

    Raises:
        FamilyError: the file is no such table; names the line.
        OSError: it cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        try:
            lines = [(number, line) for number, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
            reader = csv.DictReader((line for _, line in lines), skipinitialspace=True)
            columns = tuple(reader.fieldnames or ())
            rows = list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise FamilyError(f"{path} is no CSV file: {error}") from error
    wanted = next((wanted for wanted in (WIDTHS, MODELS) if set(wanted) <= set(columns)), None)
    if wanted is None:
        raise FamilyError(f"{path}: expected the columns {','.join(WIDTHS)} or {','.join(MODELS)} in its first line")
    listed: list[Listed] = []
    seen: dict[tuple[str, ...], int] = {}
    for (number, _), row in zip(lines[1:], rows, strict=False):
        what = tuple(row[column] for column in wanted[:-1])
        if what in seen:
            raise FamilyError(f"{path}, line {number}: {' '.join(what)} is in line {seen[what]} already")
        seen[what] = number
        try:
            listed.append(_listed(row, wanted, path.parent))
        except (TypeError, ValueError) as error:
            raise FamilyError(f"{path}, line {number}: expected {','.join(wanted)}, found {dict(row)}") from error
    if not listed:
        raise FamilyError(f"{path} lists no network: add a line with {','.join(wanted)}")
    return listed


def _listed(row: Mapping[str, str], wanted: tuple[str, ...], folder: Path) -> Listed:
    accuracy = float((row["accuracy"] or "").removesuffix("%"))
    if not math.isfinite(accuracy):
        raise ValueError("no accuracy")
    if wanted == MODELS:
        return Listed(accuracy, model=folder / row["model"])
    return Listed(accuracy, alpha=float(row["alpha"]), resolution=int(row["resolution"]))
