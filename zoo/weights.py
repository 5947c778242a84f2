"""Weights for a network, read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from separable.zoo.network import Network

_SHOWN_NAMES = 8


class WeightsError(ValueError):
    """A file of weights does not fit the network; the message names the entries."""


def load_weights(network: Network, path: Path) -> None:
    """Fill ``network`` from a state dict that ``torch.save`` wrote; nothing in the file is executed.

    Raises:
        WeightsError: the file is no state dict, or its names or shapes are not those of the network.
        OSError: the file cannot be read.
    """
    _fill(network, _read_state(path), path)


def load_for_fine_tuning(network: Network, path: Path) -> bool:
    """The same from a checkpoint of a network that may have other classes: a last layer that does not fit stays.

    Returns:
        Whether the last layer is the checkpoint's, too; else it is still the one that ``network`` had.

    Raises:
        WeightsError: as :func:`load_weights`, for all but the last layer.
        OSError: the file cannot be read.
    """
    state = _read_state(path)
    *_, last = (name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear))
    kept = {name: value for name, value in network.state_dict().items() if name.rpartition(".")[0] == last}
    fits = all(name in state and state[name].shape == value.shape for name, value in kept.items())
    _fill(network, state if fits else {**state, **kept}, path)
    return fits


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch's unpickler raises whatever a file that is no pickle leads it to
        # Not torch's own message, which advises to load the file with its code enabled.
        raise WeightsError(
            f"{path} is no state dict of torch with tensors only; write one with torch.save(net.state_dict(), ...)"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(
            f"{path} holds no state dict: expected tensors by name, as torch.save(net.state_dict()) writes"
        )
    return dict(state)


def _fill(network: Network, state: Mapping[str, torch.Tensor], path: Path) -> None:
    _check_fit(path, state, network.state_dict())
    network.load_state_dict(dict(state), strict=False)
    network.eval()


def _check_fit(path: Path, given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    # The counters of training steps are no part of what is computed.
    needed = {name for name in wanted if not name.endswith("num_batches_tracked")}
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    problems = [
        f"{label}: {_shorten(names)}"
        for label, names in (
            ("missing", sorted(needed - given.keys())),
            ("unknown", sorted(given.keys() - wanted.keys())),
            ("wrong shape", shapes),
        )
        if names
    ]
    if problems:
        raise WeightsError(f"{path} does not fit the network; " + "; ".join(problems))


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
