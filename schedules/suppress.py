"""Non-maximum suppression with a result of a static shape.

    Y[n, c, i] = S[n, c, i] if box i of picture n is kept in class c, else 0

In each class boxes are visited by descending score, of equal scores the lower index first. A box is kept if its
intersection over union with every box that was kept before is at most ``overlap``, until ``limit`` are kept.
"""

from __future__ import annotations

from separable.schedules.call import Call, c_float
from separable.schedules.workload import Suppress

_KEY_BYTES, _BOX_BYTES = 8, 20


def call(w: Suppress) -> Call:
    """One item is a class of a picture."""
    pictures, classes, count = w.y.shape
    limit = min(w.limit, count)
    threshold = "0" if w.threshold is None else c_float(w.threshold)
    fields = (classes, count, limit, int(w.centred), int(w.threshold is not None), threshold, c_float(w.overlap))
    settings = f"(separable_suppression){{{', '.join(map(str, fields))}}}"
    scratch = _KEY_BYTES * count + _BOX_BYTES * limit
    return Call("suppress", (settings,), pointers=3, extent=pictures * classes, scratch_bytes=scratch)
