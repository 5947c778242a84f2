"""Liveness across branches, calls and returns."""

from __future__ import annotations

import pytest

from separable.compiler.emit.liveness import live_after

ALL = [str(number) for number in range(32)]


def live(code: str, registers: list[str] | None = None) -> set[str]:
    """Live after the first instruction."""
    lines = [line if line.endswith(":") or not line else f"\t{line}" for line in code.strip().split("\n")]
    return live_after(lines, 0, registers or ALL)


def dead(code: str) -> set[str]:
    return set(ALL) - live(code)


def test_what_is_read_is_live_and_what_is_written_first_is_not() -> None:
    code = "nop\nfadd\tv0.4s, v1.4s, v2.4s\nldr\tq3, [x0]\nldp\tq4, q5, [x0]\nstr\tq3, [x1]\nret"
    assert live(code, list("012345")) == {"1", "2"}


@pytest.mark.parametrize(
    "instruction",
    [
        "fmla\tv7.4s, v1.4s, v2.s[0]",
        "mov\tv7.d[1], x9",
        "mov\tv7.s[0], v1.s[0]",
        "ld1\t{v7.s}[1], [x0]",
        "ins\tv7.d[1], v1.d[0]",
        "str\tq7, [x0]",
        "stp\td7, d8, [sp]",
        "fcvtn2\tv7.8h, v1.4s",
        "fmov\tx9, d7",
        "mov\tw9, v7.s[0]",
    ],
)
def test_what_keeps_a_part_of_the_old_value_reads_it(instruction: str) -> None:
    assert "7" in live(f"nop\n{instruction}\nret")


@pytest.mark.parametrize("instruction", ["mov\tv7.16b, v1.16b", "movi\tv7.2d, #0", "ldr\ts7, [x0]", "dup\tv7.4s, w0"])
def test_what_overwrites_all_of_it_does_not(instruction: str) -> None:
    assert "7" not in live(f"nop\n{instruction}\nret")


def test_both_ways_of_a_branch_are_followed() -> None:
    code = "nop\nb.ne\t.LBB0_2\nmovi\tv0.2d, #0\nmovi\tv1.2d, #0\nret\n.LBB0_2:\nmovi\tv0.2d, #0\nret"
    assert live(code, ["0"]) == set()
    assert live(code.replace("\n.LBB0_2:\nmovi\tv0.2d", "\n.LBB0_2:\nstr\tq1, [x0]\nmovi\tv0.2d"), ["0", "1"]) == {"1"}


def test_a_loop_is_followed_once() -> None:
    assert live("nop\n.LBB0_1:\nfadd\tv1.4s, v1.4s, v0.4s\ncbnz\tx0, .LBB0_1\nret", ["0", "1", "2"]) == {"0", "1"}


def test_the_caller_keeps_its_registers() -> None:
    assert live("nop\nret") == {str(number) for number in range(8, 16)}
    assert "8" in dead("nop\nldp\td8, d9, [sp]\nret")


@pytest.mark.parametrize("unknown", ["bl\texpf", "br\tx9", "b\t.elsewhere"])
def test_where_it_cannot_be_followed_everything_is_live(unknown: str) -> None:
    assert live(f"nop\n{unknown}\nret") == set(ALL)


def test_the_end_of_the_text_keeps_everything() -> None:
    assert live("nop\nnop") == set(ALL)
