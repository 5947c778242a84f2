"""The table of ONNX operators that can be compiled, as Markdown: ``docs/operators.md``.

What limits an operator is the docstring of its converter.
"""

from __future__ import annotations

import textwrap

from onnx import defs

from separable.compiler.operators import CONVERTERS, ON_INTEGERS
from separable.compiler.preflight import MIN_OPSET

_IMAGE = "elementwise"
_NO_KERNEL = "none: nothing is computed"
_TVM = "TVM's definition"

KERNELS: dict[str, str] = {
    "Abs": _IMAGE,
    "Add": _IMAGE,
    "AveragePool": "pool",
    "BatchNormalization": f"none after a convolution; {_IMAGE}",
    "Cast": "none from float32 to float32",
    "Clip": _IMAGE,
    "Concat": "none where parts can be written in place; reorder",
    "Conv": "conv, depthwise, depthwise_pointwise, winograd, strassen",
    "Div": _IMAGE,
    "Dropout": _NO_KERNEL,
    "Exp": _IMAGE,
    "Flatten": _NO_KERNEL,
    "Gemm": "conv for one row, dense",
    "GlobalAveragePool": "global_pool",
    "GlobalMaxPool": "global_pool",
    "HardSigmoid": _IMAGE,
    "HardSwish": _IMAGE,
    "Identity": _NO_KERNEL,
    "LRN": "lrn",
    "LeakyRelu": _IMAGE,
    "MatMul": "conv for one row, dense",
    "Max": _IMAGE,
    "MaxPool": "pool",
    "Min": _IMAGE,
    "Mul": _IMAGE,
    "Neg": _IMAGE,
    "NonMaxSuppression": "suppress",
    "ReduceMax": "global_pool over height and width",
    "ReduceMean": "global_pool over height and width",
    "Relu": _IMAGE,
    "Reshape": _NO_KERNEL,
    "Resize": "resize to the nearest pixel",
    "Sigmoid": _IMAGE,
    "Softmax": "softmax over the last axis",
    "Sqrt": _IMAGE,
    "Squeeze": _NO_KERNEL,
    "Sub": _IMAGE,
    "Sum": _IMAGE,
    "Tanh": _IMAGE,
    "TopK": "top_k",
    "Transpose": "reorder to channels last",
    "Unsqueeze": _NO_KERNEL,
    "Upsample": "resize to the nearest pixel",
}
"""Files of ``schedules/`` with the operator's own kernels; the other operators have none."""

_INTEGERS = textwrap.fill(
    f"- Within a model, these also compute in int32 and int64: {', '.join(sorted(ON_INTEGERS))}.",
    width=120,
    subsequent_indent="  ",
)

_HEAD = f"""# Operators

The ONNX operators that can be compiled. `separable operators` prints this page.

- Inputs of a model are float32, of static shapes with at least one element.
{_INTEGERS}
- What only computes shapes is worked out when the model is compiled, in any type and by more operators than these.
- Models are in operator set {MIN_OPSET} or later; *since* is the first set from then on that has the operator.
- *Kernel* names the file of `schedules/` for images in blocks of channels, from the first convolution on. An operator
  without one, and what its kernel does not fit, is compiled from {_TVM}, vectorised and in parallel.
- Everything else is refused before anything is compiled, by one message that lists every node.

ONNX's own conformance cases that must pass are listed in `tests/conformance/passes.txt`; its other cases must be
refused, or give right numbers.

| operator | since | limits | kernel |
|---|---|---|---|
"""


def operator_table() -> str:
    """The page, with a line for each operator in alphabetical order."""
    since = _first_opsets()
    rows = (
        f"| {name} | {max(since[name], MIN_OPSET)} | {_limits(name)} | {KERNELS.get(name, '')} |\n"
        for name in sorted(CONVERTERS)
    )
    return _HEAD + "".join(rows)


def _first_opsets() -> dict[str, int]:
    first: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            first[schema.name] = min(schema.since_version, first.get(schema.name, schema.since_version))
    return first


def _limits(name: str) -> str:
    return " ".join((CONVERTERS[name].__doc__ or "").split()).rstrip(".")
