"""Where the k largest or smallest elements of each row are.

Y[i, j] = index of the element of X[i, :] that comes j-th; of equal elements, the one with the lower index first
"""

from __future__ import annotations

import math

from separable.schedules.call import Call
from separable.schedules.workload import TopK


def call(w: TopK) -> Call:
    """One item is a row: a heap of the best k so far, in the memory of the result."""
    *rows, length = w.x.shape
    settings = (str(length), str(w.y.shape[-1]), str(int(w.largest)))
    return Call("top_k", settings, pointers=2, extent=math.prod(rows))
