"""ONNX's backend interface: a model in memory is compiled for this machine, loaded and run.

    rep = separable.backend.prepare(model)
    outputs = rep.run([image])

Some operands must be constants for this compiler: weights, shapes, axes, bounds. Where a model takes them as inputs, as
ONNX's own node tests do, it is compiled for the values they have: at the first run, and again when they change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from separable.compiler.errors import CompileError, DynamicShape, InputError, InvalidModel, UnsupportedOp
from separable.compiler.exprs import Array
from separable.compiler.importer import import_model
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.runtime.loader import Model, ModelError, load

Arrays = Sequence[Any] | Mapping[str, Any]
"""Inputs of a run: in the order of the model's, or by name."""


class SeparableRep(BackendRep):
    """A model that is ready to run.

    Args:
        model: the model.
        threads: threads of a run; None for every CPU that may be used.

    Raises:
        CompileError: the model cannot be compiled, whatever the values of its inputs.
    """

    def __init__(self, model: ModelProto, threads: int | None) -> None:
        weights = {tensor.name for tensor in model.graph.initializer}
        self._model = model
        self._threads = threads
        self._inputs = [info.name for info in model.graph.input if info.name not in weights]
        self._outputs = namedtupledict("Outputs", [info.name for info in model.graph.output])
        self._whole: Model | None = None
        self._specialised: tuple[Any, Model] | None = None
        self._with_values = False
        try:
            self._whole = _compile(model, {}, threads)
        except DynamicShape:
            pass  # the arrays of the first run have shapes
        except UnsupportedOp:
            # With values for all inputs but the data there may be more to compile.
            if len(self._inputs) < 2:
                raise
            self._with_values = True

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model.

        Args:
            inputs: an array for each input, in order or by name; one array will do for one input.
            **kwargs: none.

        Returns:
            The outputs, a tuple whose items also have the outputs' names.

        Raises:
            CompileError: the model cannot be compiled for these values.
            InputError: the inputs do not fit the model.
        """
        if kwargs:
            raise InputError(f"run has no option {next(iter(kwargs))!r}")
        arrays = self._named(inputs)
        library = self._library_for(arrays)
        try:
            results = library.run({spec.name: arrays[spec.name] for spec in library.inputs})
        except ModelError as error:
            raise InputError(str(error)) from error
        outputs: tuple[Any, ...] = self._outputs(*(results[spec.name] for spec in library.outputs))
        return outputs

    def _named(self, inputs: Any) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            given = dict(inputs)
        else:
            arrays = _in_order(inputs)
            if len(arrays) != len(self._inputs):
                raise InputError(f"{len(arrays)} inputs are given, the model has {len(self._inputs)}")
            given = dict(zip(self._inputs, arrays, strict=True))
        if missing := [name for name in self._inputs if name not in given]:
            raise InputError(f"input '{missing[0]}' is missing")
        return {name: np.asarray(given[name], order="C") for name in self._inputs}

    def _library_for(self, arrays: Mapping[str, Array]) -> Model:
        """The model for these shapes and, where that is needed, with every input but the first compiled in."""
        if self._whole is not None:
            return self._whole
        values = {name: arrays[name] for name in self._inputs[1:]} if self._with_values else {}
        shapes = {name: array.shape for name, array in arrays.items()}
        key = (shapes, {name: (value.dtype, value.tobytes()) for name, value in values.items()})
        if self._specialised is not None and self._specialised[0] == key:
            return self._specialised[1]
        try:
            free = {name: shape for name, shape in shapes.items() if name not in values}
            library = _compile(with_constants(self._model, values), free, self._threads)
        except UnsupportedOp:
            if self._with_values or len(self._inputs) < 2:
                raise
            self._with_values = True
            return self._library_for(arrays)
        self._specialised = key, library
        return library


class SeparableBackend(Backend):
    """Compiles for the machine it runs on."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model can be compiled as it is, without values for its inputs."""
        if not cls.supports_device(device):
            return False
        with tempfile.TemporaryDirectory(prefix="separable-") as folder:
            try:
                import_model(_save(model, Path(folder)), {})
            except CompileError:
                return False
        return True

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", threads: int | None = None, **kwargs: Any) -> SeparableRep:
        """Compile a model.

        Args:
            model: the model.
            device: "CPU".
            threads: threads of a run; None for every CPU that may be used.
            **kwargs: none.

        Raises:
            CompileError: the model cannot be compiled, or the device or an option is none of ours.
        """
        if not cls.supports_device(device):
            raise InputError(f"device '{device}' is not supported, only 'CPU'")
        if kwargs:
            raise InputError(f"prepare has no option {next(iter(kwargs))!r}")
        if not isinstance(model, ModelProto):
            raise InputError(f"the model is a {type(model).__name__}, expected a ModelProto; use onnx.load")
        return SeparableRep(model, threads)

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Compile a model and run it once; see :meth:`prepare` and :meth:`SeparableRep.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Compile one node for the inputs it is given, and run it.

        Args:
            node: the node.
            inputs: an array for each operand that is not left out; one array will do for one operand.
            device: "CPU".
            outputs_info: not needed: shapes and types are inferred.
            **kwargs: ``opset_version``, by default the newest that ONNX knows; the rest is for :meth:`prepare`.

        Raises:
            CompileError: the node cannot be compiled.
        """
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        arrays = list(inputs.values()) if isinstance(inputs, Mapping) else _in_order(inputs)
        if len(arrays) != len(names):
            raise InputError(f"{len(arrays)} inputs are given, the node has {len(names)}")
        operands = {name: np.asarray(array) for name, array in zip(names, arrays, strict=True)}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in operands.items()
        ]
        graph = helper.make_graph(
            [node], "node", infos, [onnx.ValueInfoProto(name=name) for name in node.output if name]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
        return cls.run_model(onnx.shape_inference.infer_shapes(model), operands, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether ``device`` is a CPU."""
        try:
            return bool(Device(device).type == DeviceType.CPU)
        except (AttributeError, ValueError):
            return False


def with_constants(model: ModelProto, values: Mapping[str, Array]) -> ModelProto:
    """A copy of a model with some of its inputs replaced by initializers."""
    copy = ModelProto()
    copy.CopyFrom(model)
    # Since IR version 4, an initializer need not be an input as well.
    copy.ir_version = max(copy.ir_version, 4)
    kept = [info for info in copy.graph.input if info.name not in values]
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    copy.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    return copy


def _in_order(inputs: Any) -> list[Any]:
    """Inputs that are given without names."""
    if isinstance(inputs, np.ndarray):
        return [inputs]
    try:
        return list(inputs)
    except TypeError as error:
        raise InputError(f"the inputs are a {type(inputs).__name__}, expected arrays in a list or by name") from error


def _compile(model: ModelProto, shapes: Mapping[str, tuple[int, ...]], threads: int | None) -> Model:
    # The library's pages stay mapped when its file is gone.
    with tempfile.TemporaryDirectory(prefix="separable-") as folder:
        path = _save(model, Path(folder))
        options = CompileOptions(
            path, output=Path(folder) / "library", shapes=shapes, threads=0 if threads is None else threads
        )
        return load(compile_model(options).library)


def _save(model: ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    try:
        path.write_bytes(model.SerializeToString())
    except ValueError as error:
        raise InvalidModel(f"the model cannot be written to a file: {error}; compile it from its file") from error
    return path


is_compatible = SeparableBackend.is_compatible
prepare = SeparableBackend.prepare
run_model = SeparableBackend.run_model
run_node = SeparableBackend.run_node
supports_device = SeparableBackend.supports_device
