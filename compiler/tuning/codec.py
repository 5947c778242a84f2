"""Workloads and tiles <-> JSON values.

A dataclass becomes an object with its type's name under ``type``, its fields beside it. Reading is driven by the types
of the fields: only the classes listed here are ever built, each field is checked before, and how deep a value nests
follows from the classes, whatever the text says. ``Generic`` workloads are no data and have no JSON.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from separable.schedules import conv, dense, depthwise, depthwise_pointwise
from separable.schedules.epilogue import ACTIVATIONS, Activation, Epilogue
from separable.schedules.space import NARROW, PANEL, TILES, Tile
from separable.schedules.tensor import DTYPE_BYTES, Blocked, Halo, Plain
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Window, Workload

_TYPE = "type"
_LARGEST = 1 << 24
"""No dimension, stride or tile parameter of a network is larger."""
_LONGEST = 16

_CLASSES: Mapping[str, type] = {
    "Activation": Activation,
    "Blocked": Blocked,
    "Conv": Conv,
    "Dense": Dense,
    "Depthwise": Depthwise,
    "DepthwisePointwise": DepthwisePointwise,
    "Epilogue": Epilogue,
    "Halo": Halo,
    "Plain": Plain,
    "Window": Window,
    "conv.Tile": conv.Tile,
    "dense.Tile": dense.Tile,
    "depthwise.Tile": depthwise.Tile,
    "depthwise_pointwise.Tile": depthwise_pointwise.Tile,
}
_NAMES = {cls: name for name, cls in _CLASSES.items()}
# Fields that may be zero; every other integer is at least 1.
_FROM_ZERO = {"top", "left", "bottom", "right", "pad"}
# Fields that records do not have: what is recorded computes one image.
_UNRECORDED = {"images", PANEL}


def encode(value: Any) -> Any:
    """A workload or tile as a value for ``json.dumps``."""
    if is_dataclass(value) and type(value) in _NAMES:
        recorded = (field.name for field in fields(value) if field.name not in _UNRECORDED)
        values = {name: encode(getattr(value, name)) for name in recorded}
        return {_TYPE: _NAMES[type(value)], **values}
    if isinstance(value, tuple):
        return [encode(element) for element in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no form in a record")


def decode_workload(value: object) -> Workload:
    """The workload that JSON describes.

    Raises:
        ValueError: it describes none; the message says where.
    """
    workload: Workload = _decode(value, tuple(TILES), "workload")
    return workload


def decode_tile(value: object, w: Workload) -> Tile:
    """The tile that JSON describes, of the type that the workload's schedule takes.

    Raises:
        ValueError: as :func:`decode_workload`.
    """
    tile: Tile = _decode(value, (TILES[type(w)],), "tile")
    return tile


def _decode(value: object, expected: Sequence[Any], where: str) -> Any:
    """``value`` as one of the expected types."""
    classes = {_NAMES[kind]: kind for kind in expected if kind in _NAMES}
    if isinstance(value, dict):
        name = value.get(_TYPE)
        if not isinstance(name, str) or name not in classes:
            raise ValueError(f"{where}: type {_short(name)}, expected {_either(classes)}")
        return _decode_class(value, classes[name], where)
    for kind in expected:
        if kind is type(None) and value is None:
            return None
        if kind in (bool, str) and type(value) is kind:
            return _checked_text(value, where) if isinstance(value, str) else value
        if kind is int and type(value) is int:
            return _checked_integer(value, where)
        if kind is float and type(value) in (int, float):
            return _checked_float(value, where)
        if get_origin(kind) is tuple and isinstance(value, list):
            return _decode_tuple(value, get_args(kind), where)
    names = [*classes, *(getattr(kind, "__name__", str(kind)) for kind in expected if kind not in _NAMES)]
    raise ValueError(f"{where}: {_short(value)}, expected {_either(names)}")


def _decode_class(value: Mapping[str, object], cls: type, where: str) -> Any:
    hints = _hints(cls)
    if unknown := value.keys() - hints.keys() - {_TYPE}:
        raise ValueError(f"{where}: unknown field {_short(min(unknown))}")
    if missing := hints.keys() - value.keys() - _later(cls):
        raise ValueError(f"{where}: field {min(missing)!r} is missing")
    return cls(
        **{name: _decode(field, hints[name], f"{where}.{name}") for name, field in value.items() if name != _TYPE}
    )


def _decode_tuple(value: list[object], element_types: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    any_length = len(element_types) == 2 and element_types[1] is Ellipsis
    if len(value) > _LONGEST or (not any_length and len(value) != len(element_types)):
        raise ValueError(f"{where}: {len(value)} elements, expected {_LONGEST if any_length else len(element_types)}")
    kinds = [element_types[0]] * len(value) if any_length else element_types
    return tuple(
        _decode(item, (kind,), f"{where}[{i}]") for i, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _checked_integer(value: object, where: str) -> object:
    field = where.rpartition(".")[2].partition("[")[0]
    least = 0 if field in _FROM_ZERO else 1
    if not least <= value <= _LARGEST:  # type: ignore[operator]  # the caller knows that it is an integer
        raise ValueError(f"{where}: {_short(value)}, expected {least} to {_LARGEST}")
    return value


def _checked_float(value: Any, where: str) -> float:
    if not abs(value) <= 1e30:
        raise ValueError(f"{where}: {_short(value)}, expected a finite number")
    return float(value)


def _checked_text(value: str, where: str) -> str:
    known = ACTIVATIONS if where.endswith(".name") else DTYPE_BYTES
    if value not in known:
        raise ValueError(f"{where}: {_short(value)}, expected {_either(known)}")
    return value


@cache
def _hints(cls: type) -> dict[str, tuple[Any, ...]]:
    """The types that each field of a class may have."""
    found = {}
    for name, hint in get_type_hints(cls).items():
        if name in _UNRECORDED:
            continue
        union = get_origin(hint) in (Union, types.UnionType)
        found[name] = get_args(hint) if union else (hint,)
    return found


@cache
def _later(cls: type) -> frozenset[str]:
    """The fields that older records lack: they say float32 there, and no tile is narrower than others."""
    return frozenset(field.name for field in fields(cls) if field.default == "float32" or field.name == NARROW)


def _either(names: Any) -> str:
    return " or ".join(names)


def _short(value: object) -> str:
    """A value of any size as a few characters."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
