"""The arrays that a compiled model is run on: from files, or random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separable.compiler.errors import InputError
from separable.compiler.picture import load_input
from separable.runtime.loader import TensorSpec

Array = NDArray[Any]

_INTEGERS_BELOW = 10


def read_inputs(
    specs: Sequence[TensorSpec],
    files: Sequence[str],
    *,
    mean: float | Sequence[float] = 127.5,
    std: float | Sequence[float] = 127.5,
) -> dict[str, Array]:
    """Read every input of a model.

    Args:
        specs: the model's inputs.
        files: ``name=path`` for each input; the name may be left out where there is one input.
        mean: see :func:`separable.compiler.picture.load_input`.
        std: see there.

    Returns:
        Contiguous arrays by input name.

    Raises:
        InputError: a file does not fit, or an input has none.
    """
    paths = _paths(specs, files)
    return {spec.name: load_input(paths[spec.name], spec.shape, mean=mean, std=std) for spec in specs}


def random_inputs(specs: Sequence[TensorSpec], seed: int) -> dict[str, Array]:
    """Arrays that depend on the seed only: floats are normal (0, 1), integers uniform from 0 to 9, flags 0 or 1."""
    random = np.random.default_rng(seed)
    return {spec.name: _random_array(spec, random) for spec in specs}


def _random_array(spec: TensorSpec, random: np.random.Generator) -> Array:
    if spec.dtype.kind == "f":
        return random.standard_normal(spec.shape).astype(spec.dtype)
    return random.integers(2 if spec.dtype.kind == "b" else _INTEGERS_BELOW, size=spec.shape).astype(spec.dtype)


def _paths(specs: Sequence[TensorSpec], files: Sequence[str]) -> Mapping[str, Path]:
    paths: dict[str, Path] = {}
    for text in files:
        # Names of tensors and of files may both hold '='; what counts is whether the model knows the name.
        named = next((spec.name for spec in specs if text.startswith(f"{spec.name}=")), None)
        if named is None and len(specs) > 1:
            raise InputError(f"--input {text}: the model has {len(specs)} inputs; give NAME=FILE for {_list(specs)}")
        if named is None and "=" in text and not Path(text).exists():
            raise InputError(
                f"--input {text}: the model has no input '{text.partition('=')[0]}'; it has {_list(specs)}"
            )
        name = specs[0].name if named is None else named
        if name in paths:
            raise InputError(f"--input {text}: input '{name}' is given twice")
        paths[name] = Path(text if named is None else text.removeprefix(f"{named}="))
    if missing := [spec for spec in specs if spec.name not in paths]:
        raise InputError(f"no --input for {_list(missing)}")
    return paths


def _list(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(str(spec) for spec in specs)
