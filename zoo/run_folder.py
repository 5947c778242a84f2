"""The folder of a training run: what it goes on from, its weights and its curve."""

from __future__ import annotations

import csv
import hashlib
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from separable.compiler.files import whole_file, write_whole
from separable.zoo.dataset import Pictures
from separable.zoo.network import Network
from separable.zoo.recipe import Recipe

COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "validation_accuracy")
_STATE, _WEIGHTS, _CURVE = "state.pt", "weights.pt", "curve.csv"


class TrainingError(ValueError):
    """A run cannot be started or gone on with; the message says why."""


class RunFolder:
    """Reads and writes the state of one run.

    Attributes:
        curve: a line for each epoch that is done, by :data:`COLUMNS`.
    """

    def __init__(
        self, folder: Path, network: Network, recipe: Recipe, pictures: Pictures, teacher: nn.Module | None
    ) -> None:
        """Open or make a folder for a run of these."""
        folder.mkdir(parents=True, exist_ok=True)
        self.curve: list[dict[str, float]] = []
        self._folder, self._network = folder, network
        self._run = {
            "network": network.name,
            "recipe": asdict(recipe),
            "pictures": _digest(pictures.values, pictures.labels),
            "teacher": _digest(*(value.numpy() for value in teacher.state_dict().values())) if teacher else "",
        }

    def resume(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring network and optimizer to where the run stopped, if it ever began.

        Raises:
            TrainingError: the folder holds something else.
        """
        path = self._folder / _STATE
        if not path.exists():
            return
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            self._check(state["run"])
            self._network.load_state_dict(state["weights"])
            optimizer.load_state_dict(state["optimizer"])
            self.curve = list(state["curve"])
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{path} is no state of a run of this network: remove it or choose another folder"
            ) from error

    def save(self, optimizer: torch.optim.Optimizer, line: Sequence[float]) -> dict[str, float]:
        """Add a line to the curve and write everything; each file is there whole, before or after."""
        self.curve.append(dict(zip(COLUMNS, line, strict=True)))
        weights = self._network.state_dict()
        state = {"run": self._run, "weights": weights, "optimizer": optimizer.state_dict(), "curve": self.curve}
        for name, content in ((_STATE, state), (_WEIGHTS, weights)):
            with whole_file(self._folder / name) as file:
                torch.save(content, file)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.curve)
        write_whole(self._folder / _CURVE, text.getvalue())
        return self.curve[-1]

    def _check(self, stored: Mapping[str, Any]) -> None:
        others = [name for name, now in self._run.items() if _but_epochs(stored[name]) != _but_epochs(now)]
        if others:
            raise TrainingError(
                f"{self._folder} holds a run of {stored['network']} with another {' and '.join(others)}: "
                "choose another folder"
            )


def _but_epochs(value: object) -> object:
    """Whoever wants more epochs goes on with the same run."""
    return {**value, "epochs": 0} if isinstance(value, dict) else value


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
