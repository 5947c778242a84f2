"""What the memory of this machine can do, measured: large arrays copied."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Far more than the last level of cache that a core has to itself.
_COPY_BYTES = 128 << 20
_SAMPLES = 5


def measure_copy_bandwidth(threads: int = 1) -> float:
    """The best of five copies of 128 MiB: 10^9 bytes per second, read and written bytes both counted.

    Args:
        threads: how many copy a part each, at the same time.
    """
    source = np.ones(_COPY_BYTES, np.uint8)
    destination = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(destination, threads), strict=True))

    def seconds(pool: ThreadPoolExecutor) -> float:
        start = time.perf_counter()
        for _ in pool.map(lambda part: np.copyto(part[1], part[0]), parts):
            pass
        return time.perf_counter() - start

    with ThreadPoolExecutor(threads) as pool:
        best = min(seconds(pool) for _ in range(_SAMPLES))
    return 2 * _COPY_BYTES / best / 1e9
