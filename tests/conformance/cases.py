"""ONNX's own conformance cases, and what becomes of one of them here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, numpy_helper, version_converter
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from separable.compiler.backend import SeparableBackend
from separable.compiler.errors import CompileError

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
"""All but "real", whose networks have to be downloaded."""

PASSES = Path(__file__).with_name("passes.txt")
"""Names of the cases that must pass, a line each; ``python -m tests.conformance`` writes them anew."""


@dataclass(frozen=True)
class Case:
    """A model with inputs and the outputs that belong to them."""

    name: str
    model: onnx.ModelProto
    data: Sequence[tuple[Sequence[Any], Sequence[Any]]]
    rtol: float
    atol: float

    @property
    def operators(self) -> set[str]:
        return {node.op_type for node in self.model.graph.node}

    @property
    def is_float(self) -> bool:
        """Whether the data, which is the first input, is float32."""
        return bool(self.model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT)

    def run(self) -> None:
        """Compile and compare.

        Raises:
            CompileError: the model is refused.
            AssertionError: an output is wrong.
        """
        backend = SeparableBackend.prepare(self.model, threads=1)
        for inputs, expected in self.data:
            Runner.assert_similar_outputs(expected, backend.run(inputs), self.rtol, self.atol)

    def refusal(self) -> CompileError | None:
        """Why the model is refused; None if it gave right outputs."""
        try:
            self.run()
        except CompileError as error:
            return error
        return None


@cache
def all_cases() -> dict[str, Case]:
    """Every case by name, ``node/test_relu`` for example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cases of casts overflow on purpose
        loaded = [(kind, case) for kind in KINDS for case in load_model_tests(kind=kind)]
    cases = (_case(f"{kind}/{case.name}", case) for kind, case in loaded)
    return {case.name: case for case in cases}


def passing() -> list[str]:
    """Names of the cases that must pass."""
    return PASSES.read_text().split()


def _case(name: str, case: TestCase) -> Case:
    if case.model is not None:
        data = [tuple([_array(item) for item in part] for part in parts) for parts in case.data_sets or ()]
        return Case(name, case.model, data, case.rtol, case.atol)  # type: ignore[arg-type]
    folder = Path(case.model_dir or "")
    return Case(name, _modern(onnx.load(folder / "model.onnx")), list(_data_sets(folder)), case.rtol, case.atol)


def _modern(model: onnx.ModelProto) -> onnx.ModelProto:
    """In an operator set that we read, by ONNX's own converter, where the model is older and that can be done."""
    if model.opset_import[0].version >= 7:
        return model
    try:
        converted = version_converter.convert_version(model, 13)
    except RuntimeError:
        return model
    # The converter adds initializers that are no inputs, which is sound from IR version 4 on.
    converted.ir_version = max(converted.ir_version, 4)
    return converted


def _data_sets(folder: Path) -> Iterator[tuple[list[Any], list[Any]]]:
    for data in sorted(folder.glob("test_data_set_*")):
        count = len(list(data.glob("input_*.pb"))), len(list(data.glob("output_*.pb")))
        inputs, outputs = (
            [_tensor(data / f"{role}_{index}.pb") for index in range(number)]
            for role, number in zip(("input", "output"), count, strict=True)
        )
        yield inputs, outputs


def _tensor(path: Path) -> Any:
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def _array(item: Any) -> Any:
    return numpy_helper.to_array(item) if isinstance(item, TensorProto) else item
