"""Are the outputs right? Times of different results are no comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.peers import OURS
from separable.benchmarks.peers.peer import Array
from separable.compiler.detections import SCORES, are_detections, in_order_of

TOLERANCE = 1e-4
"""How far our outputs may differ from ONNX Runtime's, relative to the range of the output."""

PEER_TOLERANCE = 1e-3
"""The same for peers, some of which multiply in ways that round more, such as Winograd's."""


def check_outputs(name: str, outputs: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest error of the outputs of the peer ``name``, relative to their range.

    Raises:
        ContenderFailed: it is above ``TOLERANCE`` for ours, ``PEER_TOLERANCE`` for others, or a shape differs.
    """
    allowed = TOLERANCE if name == OURS else PEER_TOLERANCE
    for key, right in expected.items():
        if outputs[key].shape != right.shape:
            raise ContenderFailed(name, f"output '{key}' has shape {outputs[key].shape}, not {right.shape}")
    detections = are_detections(expected)
    if detections:
        outputs = in_order_of(expected, outputs, allowed)
    errors = [0.0]
    for key, right in expected.items():
        # Scores are probabilities: their range is from 0 to 1, however alike those of the boxes found are.
        error = (
            absolute_error(outputs[key], right) if detections and key == SCORES else relative_error(outputs[key], right)
        )
        errors.append(error)
        if not error <= allowed:
            raise ContenderFailed(name, f"output '{key}' differs by {error:.1e} of its range, allowed is {allowed:g}")
    return max(errors)


def relative_error(actual: Array, expected: Array) -> float:
    """The largest absolute difference, relative to the range of ``expected``; NaN if either has one."""
    return absolute_error(actual, expected) / (float(np.ptp(expected)) or 1.0)


def absolute_error(actual: Array, expected: Array) -> float:
    """The largest absolute difference; NaN if either has one."""
    return float(np.abs(actual.astype(np.float64) - expected).max())
