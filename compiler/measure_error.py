"""The error of float16, on random inputs: what the manifest of a library says that cannot be run on this machine.

The error is that of the same model compiled for ``targets/emulation.py``, whose numbers are float16's and whose
instructions are this machine's. Code for arm64 does not have the same bits: on a photo, the outputs of MobileNet V1
differ from the emulated ones by 0.2 % of the range, where the emulated error is 0.5 % on average over 320 photos.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from separable.compiler.errors import InputError, InvalidModel, UnknownTarget, UnsupportedPrecision
from separable.compiler.verify import Verification, verify_library


def measure_error(emulated: Callable[[], Path], model: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Compare the emulated library with its ONNX model.

    Args:
        emulated: makes the library and returns its path.
        model: the ONNX file.

    Returns:
        What the manifest says, and notes for the user: that outputs are off by more than ``verify`` would allow, or why
        the error could not be measured. The manifest then says nothing.

    Raises:
        UnsupportedPrecision: an output is not finite where the model's is; the numbers leave float16's range.
    """
    try:
        verification = verify_library(emulated(), model)
    except (InputError, InvalidModel, UnknownTarget) as error:
        return {}, (f"the error of float16 was not measured: {error}",)
    worst = verification.max_error
    if math.isinf(worst):
        raise UnsupportedPrecision(
            f"{_outputs(verification, math.inf)} not finite in float16, which holds numbers up to 65504; "
            "compile this model with --precision fp32"
        )
    fields = {"max_error": worst, "verified_against": f"{verification.reference}, by emulation"}
    if worst <= verification.tolerance:
        return fields, ()
    which = _outputs(verification, verification.tolerance)
    return fields, (
        f"{which} off by up to {worst:.0%} of the range on random inputs: compare the results on inputs of yours, "
        "or compile this model with --precision fp32",
    )


def _outputs(verification: Verification, least: float) -> str:
    """The outputs that are off by this much, as the beginning of a sentence."""
    names = [f"'{item.output}'" for item in verification.deviations if item.relative >= least]
    return f"output {names[0]} is" if len(names) == 1 else f"outputs {', '.join(names)} are"
