"""``python -m separable.compiler.choosing.timing LIBRARY THREADS CPUS SECONDS``: the time of a library's runs.

A process of its own, so that no turn has its memory where the one before had it, and nothing of the compiler is left in
the caches. It prints the milliseconds of each run as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

from separable.compiler.inputs import random_inputs
from separable.runtime.loader import load

_WARM_UP_RUNS, _FEWEST_RUNS = 3, 15


def main() -> None:
    """Run the library that the command line names until the time is over."""
    library, threads, cpus, seconds = sys.argv[1:]
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    with load(Path(library), threads=int(threads)) as model:
        inputs = random_inputs(model.inputs, seed=0)
        outputs = model.run(inputs)
        for _ in range(_WARM_UP_RUNS):
            model.run(inputs, outputs)
        times: list[float] = []
        end = perf_counter() + float(seconds)
        while len(times) < _FEWEST_RUNS or perf_counter() < end:
            start = perf_counter()
            model.run(inputs, outputs)
            times.append((perf_counter() - start) * 1e3)
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
