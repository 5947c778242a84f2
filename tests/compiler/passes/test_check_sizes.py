from __future__ import annotations

import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.passes.check_sizes import check_sizes
from separable.compiler.program import Program, Value
from separable.schedules.tensor import Blocked, Halo
from tests.compiler.programs import LANES, conv, image


def test_what_fits_stays() -> None:
    step = conv(image("x"), "fits")
    program = Program(step.inputs, [step.output], [step])
    assert check_sizes(program) is program


@pytest.mark.parametrize(
    "tensor",
    [Blocked(1, 1 << 14, 1 << 14, LANES), Blocked(1, 1, 1, LANES, Halo(1 << 14, 1 << 14, 1 << 14, 1 << 14))],
    ids=["blocks", "halo"],
)
def test_every_node_with_a_tensor_that_is_too_large_is_listed(tensor: Blocked) -> None:
    large = Value("x", tensor)
    steps = [conv(large, "first"), conv(image("y"), "fits"), conv(large, "second")]
    with pytest.raises(UnsupportedOp) as error:
        check_sizes(Program([large], [steps[-1].output], steps))
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["'first'", "'second'"]
