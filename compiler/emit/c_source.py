"""Program + plan -> the generated C: a function per step that passes a kernel its pointers, and the model's tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from separable.compiler.emit.weights import SYMBOL, WeightBlob
from separable.compiler.importer import TensorSpec
from separable.compiler.plan_memory import MemoryPlan
from separable.compiler.program import Program, Step, Value
from separable.compiler.schedule import ScheduledKernel
from separable.schedules.call import Call
from separable.schedules.tensor import DTYPE_BYTES, Blocked, Plain
from separable.targets.row import Target

if TYPE_CHECKING:
    from separable.compiler.pipeline import Built

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
OPS = "ops"
"""Folder in it with kernels in C, linked only where a model needs them."""

_CYCLES_PER_THREAD = 1000
"""Work that pays for one more thread in a step, in cycles of the estimate below.

To hand out a share of a step and learn that it is done, a few cache lines go from core to core and back: 0.2 to 0.4
microseconds for two threads that are awake, or about 1000 cycles (Zen 5 in a virtual machine, 2 threads, 2026-11-23).
MobileNet V1 0.25-128 and the vww network ran 0 to 1 % faster there than without a limit, 1 to 2 % slower at 4000 cycles
a thread, and 20 % and 10 % slower at 16000 and 8000.
"""

_BYTES_PER_CYCLE = 16
"""What one core moves from L2 or beyond at least, where all of its inputs, weights and outputs are there."""

_FUNCTIONS = """\
/* See the comment at the top for what these do. */
int32_t {name}_create(const separable_options *options, separable_handle **handle);
int32_t {name}_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
int32_t {name}_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
    separable_kernel_time times[], int32_t capacity);
void {name}_destroy(separable_handle *handle);
const char *{name}_last_error(const separable_handle *handle);
const char *{name}_variant(const separable_handle *handle);
const char *{name}_describe(void);
int32_t {name}_abi_version(void);
"""

_API = """\
SEPARABLE_EXPORT int32_t {name}_create(const separable_options *options, separable_handle **handle)
{{
    return separable_create(&model, options, handle);
}}

SEPARABLE_EXPORT int32_t {name}_run(separable_handle *handle, const void *const inputs[], void *const outputs[])
{{
    return separable_run(handle, inputs, outputs);
}}

SEPARABLE_EXPORT int32_t {name}_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
    separable_kernel_time times[], int32_t capacity)
{{
    return separable_profile(handle, inputs, outputs, times, capacity);
}}

SEPARABLE_EXPORT void {name}_destroy(separable_handle *handle)
{{
    separable_destroy(handle);
}}

SEPARABLE_EXPORT const char *{name}_last_error(const separable_handle *handle)
{{
    return separable_last_error(handle);
}}

SEPARABLE_EXPORT const char *{name}_variant(const separable_handle *handle)
{{
    return separable_variant_of(handle);
}}

SEPARABLE_EXPORT const char *{name}_describe(void)
{{
    return model.description;
}}

SEPARABLE_EXPORT int32_t {name}_abi_version(void)
{{
    return SEPARABLE_ABI_VERSION;
}}
"""


def isa_mask(target: Target) -> int:
    """The bits of ``runtime/isa_bits.h`` for the extensions that the target's code may use."""
    text = (RUNTIME / "isa_bits.h").read_text()
    bits = {name: int(bit) for bit, name in re.findall(r"SEPARABLE_ISA\((\d+), (\w+),", text)}
    return sum(1 << bits[name] for name in target.isa)


def header_source(name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str:
    """``NAME.h``: the runtime's public types, the prototypes, and the buffer sizes."""
    lines = [(RUNTIME / "separable.h").read_text().rstrip(), "", f"#ifndef SEPARABLE_MODEL_{name}_H"]
    lines += [f"#define SEPARABLE_MODEL_{name}_H", "", "#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
    for role, specs in (("INPUT", inputs), ("OUTPUT", outputs)):
        for index, spec in enumerate(specs):
            lines.append(f"/* {role.lower()}s[{index}]: {_comment(spec.name)}, {spec.dtype} {list(spec.shape)} */")
        sizes = ", ".join(str(_nbytes(spec)) for spec in specs)
        lines += [f"#define {name}_{role}_COUNT {len(specs)}", f"#define {name}_{role}_BYTES {{{sizes}}}", ""]
    lines += [_FUNCTIONS.format(name=name), "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
    return "\n".join(lines)


def model_source(
    name: str,
    variants: Sequence[Built],
    *,
    target: str,
    blob: WeightBlob,
    threads: int,
    description: Mapping[str, Any],
) -> str:
    """``NAME.c``.

    Args:
        name: of the model.
        variants: the same model for one CPU or several, the preferred one first.
        target: what the library is compiled for, for messages.
        blob: the constants of all steps of all variants, one after the other.
        threads: that the model uses if its user names no number; 0: as many as the CPUs.
        description: what the model tells about itself.
    """
    inputs, outputs = variants[0].imported.inputs, variants[0].imported.outputs
    lines = [f"/* Generated for model {name}, target {target}. */", '#include "model.h"']
    lines += [f'#include "{OPS}/{source}.h"' for source in called_sources(variants)] + [""]
    lines += [f"extern const unsigned char {SYMBOL}[];", ""]
    entries, offsets = [], iter(blob.offsets)
    for index, variant in enumerate(variants):
        code, entry = _variant(f"variant_{index}", variant, list(islice(offsets, len(variant.program.steps))))
        lines += code
        entries.append(entry)
    lines += ["static const separable_variant variants[] = {", *entries, "};", ""]
    for role, specs in (("inputs", inputs), ("outputs", outputs)):
        lines += [f"static const separable_tensor {role}[] = {{", *(_tensor(spec) for spec in specs), "};", ""]
    lines += [
        "static const separable_model model = {",
        f"    .name = {_text(name)},",
        f"    .target = {_text(target)},",
        f"    .description = {_text(json.dumps(description))},",
        f"    .weights = {SYMBOL},",
        "    .variants = variants,",
        "    .inputs = inputs,",
        "    .outputs = outputs,",
        f"    .variant_count = {len(variants)},",
        f"    .input_count = {len(inputs)},",
        f"    .output_count = {len(outputs)},",
        f"    .default_threads = {threads},",
        "};",
        "",
        _API.format(name=name),
    ]
    return "\n".join(lines)


def called_sources(variants: Sequence[Built]) -> list[str]:
    """Names of the files of ``runtime/ops`` that kernels are in."""
    kernels = [kernel for variant in variants for kernel in variant.scheduled.kernels]
    return sorted({kernel.lowered.source for kernel in kernels if isinstance(kernel.lowered, Call)})


def _variant(prefix: str, built: Built, offsets: Sequence[Sequence[int]]) -> tuple[list[str], str]:
    """The functions and tables of a variant, and its entry in the table of variants."""
    program, scheduled, target = built.program, built.scheduled, built.target
    addresses = _Addresses(program, built.plan)
    lines = [line for kernel in scheduled.kernels for line in _kernel_declaration(kernel)] + [""]
    halos: list[str] = []
    steps: list[str] = []
    for index, (step, kernel) in enumerate(zip(program.steps, scheduled.calls, strict=True)):
        function = f"{prefix}_step_{index}"
        lines += _step_function(function, step, kernel.name, addresses, offsets[index])
        zero, traffic = _halo(step, addresses), _traffic(step, scheduled.constants[index])
        flops, limit = 2 * step.workload.macs, step_threads(step, scheduled.constants[index], target)
        steps.append(
            f"    {{{_text('+'.join(step.nodes))}, {_text(kernel.name)}, {function}, {kernel.lowered.extent}, "
            f"{limit}, {{{len(halos)}, {1 if zero else 0}}}, {flops}, {traffic}}},"
        )
        halos += [zero] if zero else []
    lines += [f"static const separable_step {prefix}_steps[] = {{", *steps, "};", ""]
    if halos:
        lines += [f"static const separable_halo {prefix}_halos[] = {{", *halos, "};", ""]
    fields = {
        "name": _text(target.name),
        "isa": f"UINT64_C({isa_mask(target):#x})",
        "in_order": int(target.in_order),
        "steps": f"{prefix}_steps",
        "halos": f"{prefix}_halos" if halos else 0,
        "step_count": len(steps),
        "arena_bytes": built.plan.arena_bytes,
        "scratch_bytes": scheduled.scratch_bytes,
    }
    return lines, f"    {{{', '.join(f'.{field} = {value}' for field, value in fields.items())}}},"


def _kernel_declaration(kernel: ScheduledKernel) -> list[str]:
    """A kernel's prototype or, if it is a function of the runtime, the definition that passes its settings."""
    inputs = [f"x{index}" for index in range(kernel.lowered.pointers - 1)]
    parameters = ", ".join([*(f"const void *{name}" for name in inputs), "void *y"])
    prototype = f"int32_t {kernel.name}({parameters}, void *scratch, int32_t begin, int32_t end)"
    if not isinstance(kernel.lowered, Call):
        return [f"{prototype};"]
    arguments = ", ".join([*inputs, "y", *kernel.lowered.settings, "scratch, begin, end"])
    call = f"    {kernel.lowered.function}({arguments});"
    return [f"static {prototype}", "{", call, "    return 0;", "}"]


class _Addresses:
    """The C expression of a value's address, from the frame of a run."""

    def __init__(self, program: Program, plan: MemoryPlan) -> None:
        self.plan = plan
        self.external = {value.root: f"f->inputs[{index}]" for index, value in enumerate(program.inputs)}
        self.external |= {value.root: f"f->outputs[{index}]" for index, value in enumerate(program.outputs)}

    def arena_offset(self, value: Value) -> int:
        return self.plan.offsets[value.root] + value.byte_offset

    def of(self, value: Value, constant: bool) -> str:
        if value.root not in self.external:
            return f"f->arena + {self.arena_offset(value)}"
        base = self.external[value.root]
        kind = "const unsigned char *" if constant else "unsigned char *"
        return f"({kind}){base} + {value.byte_offset}" if value.byte_offset else base


def _step_function(name: str, step: Step, kernel: str, addresses: _Addresses, offsets: Sequence[int]) -> list[str]:
    residual = getattr(step.workload, "residual", None) is not None
    inputs = [addresses.of(value, constant=True) for value in step.inputs]
    weights = [f"f->weights + {offset}" for offset in offsets]
    tail = [inputs.pop()] if residual else []
    arguments = ", ".join([*inputs, *weights, *tail, addresses.of(step.output, constant=False)])
    return [
        f"static void {name}(const separable_frame *f, void *scratch, int32_t begin, int32_t end)",
        "{",
        f"    {kernel}({arguments}, scratch, begin, end);",
        "}",
        "",
    ]


def _halo(step: Step, addresses: _Addresses) -> str | None:
    """The entry of the halo table for a step's output."""
    y = step.output.tensor
    if not isinstance(y, Blocked) or not y.halo:
        return None
    _, rows, columns, _ = y.shape
    pixel = y.pixel_bytes
    fields = (
        addresses.arena_offset(step.output),
        y.planes,
        rows,
        columns * pixel,
        y.halo.top,
        y.halo.bottom,
        y.halo.left * pixel,
        y.halo.right * pixel,
    )
    return f"    {{{', '.join(str(field) for field in fields)}}},"


def _dtype(step: Step) -> str:
    """What the step computes in: float16 where its result is."""
    return "float16" if step.output.tensor.dtype == "float16" else "float32"


def _traffic(step: Step, constants: Sequence[Any]) -> int:
    """Bytes the step must move at least: its inputs, weights and output once."""
    tensors = [value.tensor for value in (*step.inputs, step.output)]
    return sum(tensor.nbytes for tensor in tensors) + sum(int(array.nbytes) for array in constants)


def step_threads(step: Step, constants: Sequence[Any], target: Target) -> int:
    """How many threads are worth waking for a step with these packed constants."""
    return thread_limit(2 * step.workload.macs, _traffic(step, constants), target.for_vectors(_dtype(step)))


def thread_limit(flops: int, traffic: int, target: Target) -> int:
    """How many threads are worth waking for a step of so many float operations and bytes; 1 leaves it to the caller."""
    cycles = max(flops / target.flops_per_cycle, traffic / _BYTES_PER_CYCLE)
    return max(1, int(cycles / _CYCLES_PER_THREAD))


def _tensor(spec: TensorSpec) -> str:
    dims = ", ".join(str(dim) for dim in spec.shape) or "0"
    return f"    {{{_text(spec.name)}, {_text(spec.dtype)}, {len(spec.shape)}, {{{dims}}}, {_nbytes(spec)}}},"


def _nbytes(spec: TensorSpec) -> int:
    assert spec.dtype in DTYPE_BYTES
    return Plain(spec.shape, spec.dtype).nbytes


def _text(text: str) -> str:
    """A C string literal; names come from the model file and may hold anything."""
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'\\"?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{escaped}"'


def _comment(text: str) -> str:
    """``text`` with everything replaced that could end a C comment or the line."""
    return re.sub(r"[^\w.:/\[\]-]", "_", text, flags=re.ASCII)
