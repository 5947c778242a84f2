"""Loops before and after, run side by side; and what the loops of real layers reach."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pytest

from separable.compiler.emit.dual_issue import cycles
from separable.compiler.emit.listing import innermost_loops, multiply_adds
from separable.compiler.emit.object_file import assembly
from separable.compiler.emit.split_loads import split_loads
from separable.schedules import conv
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Window
from separable.targets.row import Target
from separable.targets.table import find_target

from ...schedules.harness import lower
from .arm64_interpreter import STACK, Machine

A53, A55 = find_target("arm64:cortex-a53"), find_target("arm64:cortex-a55")
CALLER_SAVED = [str(number) for number in range(18)]
BLOCKS = 2
"""Blocks of four input channels in one iteration."""


def loop_of(pixels: int, vectors: int, style: str) -> str:
    """A loop over sums as LLVM writes it: pixels from x1, weights from x2, the count in x3; results go to x5."""
    sums = [f"{number}" for number in range(pixels * vectors)]
    pixel_registers = [f"{31 - number}" for number in range(pixels)]
    weight_registers = [f"{31 - pixels - number}" for number in range(vectors)]
    position = {"x1": 0, "x2": 0}
    body = ["subs x3, x3, #1"] if style == "counted early" else []

    def load(registers: list[str], base: str) -> None:
        for index in range(0, len(registers), 2):
            pair = registers[index : index + 2]
            operands = f"{'ldp' if len(pair) == 2 else 'ldr'} {', '.join(f'q{register}' for register in pair)}, [{base}"
            at = 16 * len(pair)
            body.append(f"{operands}], #{at}" if style == "moving" else f"{operands}, #{position[base]}]")
            position[base] += at

    for _ in range(BLOCKS):
        load(pixel_registers, "x1")
        for lane in range(4):
            load(weight_registers, "x2")
            body += [
                f"fmla v{sums[v * pixels + p]}.4s, v{weight}.4s, v{pixel}.s[{lane}]"
                for v, weight in enumerate(weight_registers)
                for p, pixel in enumerate(pixel_registers)
            ]
    if style != "moving":
        body.append(f"add x1, x1, #{position['x1']}")
        body.append("add x2, x2, x4" if style == "by register" else f"add x2, x2, #{position['x2']}")
    if style != "counted early":
        body.append("subs x3, x3, #1")
    stores = [f"str q{number}, [x5, #{16 * index}]" for index, number in enumerate(sums)]
    code = ["kernel:", ".LBB0_1:", *body, "b.ne .LBB0_1", *stores, "ret", ".Lfunc_end0:"]
    return "".join(line + "\n" if line.endswith(":") else "\t" + line.replace(" ", "\t", 1) + "\n" for line in code)


def state_after(
    code: str, pixels: int, vectors: int, iterations: int, last: str
) -> tuple[npt.NDArray[np.uint8], Machine]:
    """What a loop leaves, where the memory ends with what ``last`` points to."""
    nbytes = {"x1": 16 * BLOCKS * pixels * iterations, "x2": 64 * BLOCKS * vectors * iterations}
    first = "x2" if last == "x1" else "x1"
    results = 16 * pixels * vectors
    values = np.random.default_rng(1).normal(size=(results + sum(nbytes.values())) // 4).astype(np.float32)
    machine = Machine(values, seed=2)
    start = STACK + results
    machine.x |= {first: start, last: start + nbytes[first], "x3": iterations, "x4": 64 * BLOCKS * vectors, "x5": STACK}
    machine.run(code.splitlines())
    return machine.memory[STACK : STACK + results], machine


@pytest.mark.parametrize("target", [A53, A55], ids=lambda target: str(target.cpu))
@pytest.mark.parametrize("style", ["constant", "moving", "by register", "counted early"])
@pytest.mark.parametrize(("pixels", "vectors"), [(9, 2), (8, 2), (7, 3), (4, 4), (2, 8), (5, 1)])
def test_a_loop_computes_the_same(target: Target, style: str, pixels: int, vectors: int) -> None:
    code = loop_of(pixels, vectors, style)
    changed = split_loads(code, target)
    assert "ldr d" in changed
    kept = [name for name in Machine(np.zeros(0, np.float32), 0).x if name in code or name[1:] not in CALLER_SAVED]
    unnamed = [number for number in range(8, 16) if not re.search(rf"\b[qv]{number}\b", code)]
    for iterations in (1, 2, 5):
        for last in ("x1", "x2"):
            expected, before = state_after(code, pixels, vectors, iterations, last)
            results, after = state_after(changed, pixels, vectors, iterations, last)
            np.testing.assert_array_equal(results, expected)
            assert [after.x[name] for name in kept] == [before.x[name] for name in kept]
            np.testing.assert_array_equal(after.v[unnamed], before.v[unnamed])


def test_lanes_of_float16_stay_in_the_lower_registers() -> None:
    """The instruction has four bits for them."""
    code = loop_of(7, 2, "constant")
    renamed = {f"{31 - number}": f"{15 - number}" for number in range(9)} | {f"{n}": f"{16 + n}" for n in range(14)}
    code = re.sub(r"\b([qv])(\d+)\b", lambda match: match[1] + renamed[match[2]], code)
    changed = split_loads(code.replace(".4s", ".8h").replace(".s[", ".h["), A55)
    assert "ldr d" in changed
    factors = {int(number) for number in re.findall(r"v(\d+)\.h\[", changed)}
    assert factors <= set(range(16))
    assert {int(number) for number in re.findall(r"ldr d(\d+)", changed)} - factors, "weights take the upper ones"


def test_what_code_after_the_loop_reads_is_in_its_place() -> None:
    code = loop_of(8, 2, "constant").replace("\tret", "\tstr\tq31, [x5]\n\tstr\tq23, [x5, #16]\n\tret")
    changed = split_loads(code, A55)
    assert "ldr d" in changed
    np.testing.assert_array_equal(state_after(changed, 8, 2, 3, "x1")[0], state_after(code, 8, 2, 3, "x1")[0])


@pytest.mark.parametrize(
    "addition",
    [
        "str\tq0, [x5]",
        "fadd\tv0.4s, v0.4s, v1.4s",
        "ldr\tq16, [x1, #1]",
        "ldr\tq16, [x1, #-272]",
        "ldr\tq16, [x1, #32768]",
        "add\tx9, sp, #16",
        "fmla\tv16.4s, v17.4s, v0.s[1]",
        "fmla\tv31.4s, v17.4s, v18.s[1]",
        "bl\texpf",
    ],
)
def test_a_loop_with_anything_else_stays(addition: str) -> None:
    code = loop_of(4, 2, "constant").replace("\tsubs\tx3", f"\t{addition}\n\tsubs\tx3")
    assert addition in code
    assert split_loads(code, A55) == code


def test_a_loop_of_several_blocks_stays() -> None:
    code = loop_of(4, 2, "constant").replace("\tsubs\tx3", "\tcbz\tx9, .LBB0_2\n.LBB0_2:\n\tsubs\tx3")
    assert split_loads(code, A55) == code


def test_labels_of_debug_information_stay() -> None:
    code = loop_of(4, 2, "constant").replace("\tsubs\tx3", ".Ltmp7:\n\tsubs\tx3")
    changed = split_loads(code, A55)
    assert "ldr d" in changed
    assert changed.count(".Ltmp7:") == 1


V1_POINTWISE = [
    (32, 64, 112),
    (64, 128, 56),
    (128, 128, 56),
    (128, 256, 28),
    (256, 256, 28),
    (256, 512, 14),
    (512, 512, 14),
    (512, 1024, 7),
    (1024, 1024, 7),
]
"""Input channels, output channels and width of the pointwise layers of MobileNet V1 1.0-224 (Table 1)."""


@pytest.mark.parametrize(("target", "least"), [(A55, 0.9), (A53, 0.77)], ids=["cortex-a55", "cortex-a53"])
@pytest.mark.parametrize(("channels", "outputs", "width"), V1_POINTWISE)
def test_pointwise_loops_keep_the_multiply_adds_busy(
    channels: int, outputs: int, width: int, target: Target, least: float
) -> None:
    """On Cortex-A53 17 half loads of 9 x 2 sums start apart from 72 multiply-adds: 81 % is its limit."""
    lanes = target.lanes
    x, y = Blocked(channels, width, width, lanes), Blocked(outputs, width, width, lanes)
    kernel = conv.build(Conv(x, y, Window((1, 1)), epilogue=Epilogue(activation=Activation("relu"))), target)
    lowered, _ = lower(kernel, target)
    loop = max(innermost_loops(assembly([lowered], target)), key=multiply_adds)
    tile = kernel.tile
    assert isinstance(tile, conv.Tile)
    assert multiply_adds(loop) == tile.rows * tile.columns * tile.vectors * tile.unroll
    taken = cycles(loop, target)
    assert taken is not None
    assert multiply_adds(loop) / taken / target.fma_per_cycle >= least
