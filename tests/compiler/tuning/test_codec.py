"""Workloads and tiles survive JSON, and nothing else comes out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from separable.compiler.tuning.codec import decode_tile, decode_workload, encode
from separable.schedules import conv
from separable.schedules.space import has_space, space
from tests.compiler.tuning.samples import TARGET, pointwise
from tests.schedules.workloads import mobilenet, one_of_each

WORKLOADS = [w for w in [*one_of_each(8).values(), *mobilenet(8)[:3]] if has_space(w)]


@pytest.mark.parametrize("w", WORKLOADS, ids=lambda w: type(w).__name__)
def test_round_trip(w: Any) -> None:
    assert decode_workload(json.loads(json.dumps(encode(w)))) == w
    for tile in space(w, TARGET).tiles[:20]:
        decoded = decode_tile(json.loads(json.dumps(encode(tile))), w)
        assert decoded == tile
        assert hash(decoded) == hash(tile)


def test_equal_workloads_have_equal_json() -> None:
    assert json.dumps(encode(pointwise())) == json.dumps(encode(pointwise()))


def test_a_dtype_that_is_missing_is_float32() -> None:
    """As in records from before there was another."""
    old = encode(pointwise())
    for holder, name in ((old["x"], "dtype"), (old["y"], "dtype"), (old, "weights")):
        assert holder.pop(name) == "float32"
    assert decode_workload(old) == pointwise()


def test_a_tile_from_before_there_were_two_widths_has_one() -> None:
    old = encode(conv.Tile(1, 6, 2, 8, pixels_outer=False, narrow=True))
    assert old.pop("narrow") is True
    assert decode_tile(old, pointwise()) == conv.Tile(1, 6, 2, 8, pixels_outer=False)


def changed(path: str, value: object) -> dict[str, Any]:
    """The JSON of a workload with one value replaced; ``...`` removes it."""
    whole = json.loads(json.dumps(encode(pointwise())))
    *parents, last = path.split(".")
    at = whole
    for name in parents:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return dict(whole)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("type", "Generic", "workload: type 'Generic'"),
        ("type", "os.system", "workload: type 'os.system'"),
        ("type", ["Conv"], "workload: type"),
        ("x.type", "Window", r"workload\.x: type 'Window', expected Plain or Blocked"),
        ("x.channels", "64", r"workload\.x\.channels: '64'"),
        ("x.channels", True, r"workload\.x\.channels: True"),
        ("x.channels", 64.0, r"workload\.x\.channels: 64\.0"),
        ("x.channels", 0, r"workload\.x\.channels: 0"),
        ("x.channels", -1, "expected 1 to"),
        ("x.channels", 10**40, "a huge number"),
        ("x.channels", ..., "field 'channels' is missing"),
        ("x.halo", None, r"workload\.x\.halo: None"),
        ("x.secret", 1, "unknown field 'secret'"),
        ("window.size", [1], "1 elements, expected 2"),
        ("window.size", [1, 1, 1], "3 elements, expected 2"),
        ("window.size", {"type": "Halo"}, r"workload\.window\.size"),
        ("window.pad", [-1, 0], "expected 0 to"),
        ("epilogue.activation", {"type": "Activation", "name": "eval", "parameters": []}, "'eval'"),
        ("epilogue.activation", {"type": "Activation", "name": "relu", "parameters": ["x"]}, "parameters"),
        ("epilogue.activation", {"type": "Activation", "name": "clip", "parameters": [0.0] * 1000}, "1000 elements"),
        ("epilogue.activation", {"type": "Activation", "name": "clip", "parameters": [1e99]}, "finite"),
        ("residual", [], r"workload\.residual"),
        ("x.dtype", "float8", r"workload\.x\.dtype: 'float8', expected float32 or "),
    ],
)
def test_what_is_no_workload(path: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_workload(changed(path, value))


@pytest.mark.parametrize("value", [None, 1, "Conv", [], {}, {"type": None}])
def test_what_is_nothing(value: object) -> None:
    with pytest.raises(ValueError, match="workload"):
        decode_workload(value)


def test_a_tile_of_another_schedule() -> None:
    with pytest.raises(ValueError, match=r"tile: type 'depthwise\.Tile', expected conv\.Tile"):
        decode_tile({"type": "depthwise.Tile", "rows": 1, "columns": 1}, pointwise())


def test_what_has_no_form() -> None:
    with pytest.raises(TypeError):
        encode(object())
