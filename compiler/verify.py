"""Does the library compute what the ONNX file says? Both run on the same inputs, and the outputs are compared."""

from __future__ import annotations

import importlib.util
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ValueInfoProto

from separable.compiler.detections import SCORES, are_detections, in_order_of
from separable.compiler.errors import CompileError, InputError, InvalidModel, VerificationFailed
from separable.compiler.inputs import Array, random_inputs
from separable.compiler.preflight import fixed_size, load_model
from separable.runtime.loader import Model, TensorSpec, load
from separable.targets.row import Target

TOLERANCES: Mapping[str, float] = {"fp32": 1e-4, "fp16": 5e-2}
"""Largest error, relative to the range of the output, at which a library counts as equal to its model, by precision.

Two float32 implementations differ by 1e-6 to 1e-5. With float16, classifiers by 1e-3 to 2e-2, and detectors by up to
3e-2 where boxes are regressed from noise (random inputs); a wrong kernel is off by the range itself.
"""

_ONNXRUNTIME = "onnxruntime"
_ERRORS_ONLY = 3
# What some systems call the architectures of the target rows.
_MACHINES = {"amd64": "x86_64", "AMD64": "x86_64", "arm64": "aarch64", "armv7l": "armv7", "armv8l": "armv7"}

Reference = Callable[[Mapping[str, Array]], Sequence[Array]]


@dataclass(frozen=True)
class Deviation:
    """How far one output is from the reference.

    Attributes:
        output: its name.
        max_abs: largest absolute difference of an element; infinite where only one of both is a number.
        span: largest minus smallest value of the reference, by which errors are measured; 1 for a detector's scores.
    """

    output: str
    max_abs: float
    span: float

    @property
    def relative(self) -> float:
        """The largest difference as a share of the output's range."""
        return self.max_abs / self.span


@dataclass(frozen=True)
class Verification:
    """The comparison of all outputs with those of ``reference``, an ONNX implementation and its version."""

    reference: str
    deviations: tuple[Deviation, ...]
    precision: str = "fp32"

    @property
    def max_error(self) -> float:
        """The worst output's error as a share of its range."""
        return max(deviation.relative for deviation in self.deviations)

    @property
    def tolerance(self) -> float:
        """The largest error allowed for the library's precision."""
        return TOLERANCES[self.precision]

    def require(self, tolerance: float | None = None) -> None:
        """Check every output.

        Args:
            tolerance: largest error allowed, relative to the range of the output; that of the precision if None.

        Raises:
            VerificationFailed: lists the outputs whose error is above ``tolerance``.
        """
        tolerance = self.tolerance if tolerance is None else tolerance
        if failed := [deviation for deviation in self.deviations if not deviation.relative <= tolerance]:
            lines = [f"  - output '{item.output}': {item.relative:.2e} of its range" for item in failed]
            head = f"the library and {self.reference} differ by more than {tolerance:g}:"
            raise VerificationFailed("\n".join([head, *lines]))


def verify_library(
    library: Path, model: Path, inputs: Mapping[str, Array] | None = None, *, seed: int = 0
) -> Verification:
    """Run a library and its ONNX model on the same inputs.

    Args:
        library: the compiled model; it must be made for this machine.
        model: the ONNX file, run by ONNX Runtime if that is installed, else by ONNX's reference implementation.
        inputs: arrays by input name; default: random ones.
        seed: of the random inputs.

    Raises:
        ModelError: the library cannot be loaded here.
        InvalidModel: the ONNX file is unsound or the reference cannot run it.
        InputError: library and file have different inputs or outputs, or ``inputs`` do not fit.
    """
    graph = load_model(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    with load(library) as compiled:
        fed = [info for info in graph.input if info.name not in weights]
        _check_names("inputs", [info.name for info in fed], compiled.inputs)
        _check_shapes(fed, compiled.inputs)
        _check_names("outputs", [info.name for info in graph.output], compiled.outputs)
        reference_name, reference = _reference(model)
        arrays = random_inputs(compiled.inputs, seed) if inputs is None else inputs
        try:
            expected = reference(arrays)
        except Exception as error:  # both implementations raise many unrelated types
            raise InvalidModel(f"{reference_name} cannot run {model}: {error}") from error
        deviations = _compare(compiled, compiled.run(arrays), expected)
        return Verification(reference_name, deviations, _precision(compiled))


def reference_outputs(model: Path, inputs: Mapping[str, Array]) -> list[Array]:
    """What the reference implementation makes of an ONNX file, in the order of the model's outputs.

    Raises:
        InvalidModel: it cannot run the model.
    """
    name, reference = _reference(model)
    try:
        return list(reference(inputs))
    except Exception as error:  # both implementations raise many unrelated types
        raise InvalidModel(f"{name} cannot run {model}: {error}") from error


def runs_here(arch: str, libc: str | None = None) -> bool:
    """Whether this machine is of an architecture and has a C library (if that matters), named as in the target rows."""
    ours = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    return arch == _MACHINES.get(platform.machine(), platform.machine()) and libc in (None, ours)


def check_runs_here(target: Target) -> None:
    """Check, before any work, that this machine can run a target's libraries.

    Raises:
        CompileError: the target is of another architecture or system.
    """
    if not runs_here(target.arch, target.libc):
        raise CompileError(
            f"a library for {target.name} ({target.arch}, {target.libc}) cannot be verified on this "
            f"{platform.machine()} machine; compile it without --verify, and run `separable verify` on the device"
        )


def deviation(name: str, actual: Array, expected: Array) -> Deviation:
    """Compare an output of any shape with the reference's. NaN equals NaN, and infinity an infinity of its sign."""
    ours, theirs = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        difference = np.where(same, 0.0, np.abs(ours - theirs))
    worst = float(np.where(np.isnan(difference), math.inf, difference).max(initial=0.0))
    finite = theirs[np.isfinite(theirs)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    # A constant output, such as a single number, has no range: its size takes the place.
    return Deviation(name, worst, span or float(np.abs(finite).max(initial=0.0)) or 1.0)


def compare_outputs(
    actual: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float = TOLERANCES["fp32"]
) -> tuple[Deviation, ...]:
    """Compare outputs by name; those of a detector as a set of boxes, with scores as the probabilities they are.

    How far the scores of the boxes that were found spread says nothing about their accuracy: an untrained detector's
    may all be alike.

    Args:
        actual: what the library made, by name.
        expected: what the reference made.
        tolerance: the largest difference of scores at which boxes may be the same.
    """
    if not are_detections(expected):
        return tuple(deviation(name, actual[name], theirs) for name, theirs in expected.items())
    ordered = in_order_of(expected, actual, tolerance)
    found = (deviation(name, ordered[name], theirs) for name, theirs in expected.items())
    return tuple(replace(item, span=1.0) if item.output == SCORES else item for item in found)


def _precision(compiled: Model) -> str:
    precision = str(compiled.manifest.get("precision", "fp32"))  # libraries before --precision existed say nothing
    if precision not in TOLERANCES:
        raise InputError(f"the library computes in {precision!r}, which this version does not know")
    return precision


def _compare(compiled: Model, actual: Mapping[str, Array], expected: Sequence[Array]) -> tuple[Deviation, ...]:
    theirs = dict(zip((spec.name for spec in compiled.outputs), expected, strict=True))
    for spec in compiled.outputs:
        if theirs[spec.name].shape != spec.shape:
            shape = list(theirs[spec.name].shape)
            raise InputError(f"output '{spec.name}' is {list(spec.shape)} in the library, {shape} in ONNX")
    return compare_outputs(actual, theirs, TOLERANCES[_precision(compiled)])


def _check_names(role: str, model: Sequence[str], library: Sequence[TensorSpec]) -> None:
    ours = [spec.name for spec in library]
    if list(model) != ours:
        raise InputError(
            f"the library was compiled from another model: its {role} are {', '.join(ours)}, "
            f"those of the ONNX file {', '.join(model)}"
        )


def _check_shapes(model: Sequence[ValueInfoProto], library: Sequence[TensorSpec]) -> None:
    """Sizes that the ONNX file fixes must be the library's; it may leave some open."""
    for info, spec in zip(model, library, strict=True):
        if not info.type.tensor_type.HasField("shape"):
            continue
        sizes = [fixed_size(dim) for dim in info.type.tensor_type.shape.dim]
        same = (size in (0, ours) for size, ours in zip(sizes, spec.shape, strict=False))
        if len(sizes) != len(spec.shape) or not all(same):
            theirs = ", ".join(str(size or "?") for size in sizes)
            raise InputError(
                f"the library was compiled from another model or with another --shape: its input is {spec}, "
                f"that of the ONNX file [{theirs}]"
            )


def _reference(path: Path) -> tuple[str, Reference]:
    """An ONNX implementation and its name; it takes arrays by name and returns the outputs in the model's order."""
    try:
        if importlib.util.find_spec(_ONNXRUNTIME) is not None:
            return f"ONNX Runtime {version(_ONNXRUNTIME)}", _onnxruntime(path)
        return f"ONNX's reference implementation {version('onnx')}", _evaluator(path)
    except Exception as error:  # as above
        raise InvalidModel(f"no reference implementation can load {path}: {error}") from error


def _onnxruntime(path: Path) -> Reference:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, dict(inputs))


def _evaluator(path: Path) -> Reference:
    from onnx.reference import ReferenceEvaluator

    evaluator: Any = ReferenceEvaluator(str(path))
    return lambda inputs: evaluator.run(None, dict(inputs))
