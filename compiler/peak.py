"""The peak of this machine's cores, measured: what multiply-adds reach that touch nothing but registers."""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from separable.compiler.errors import ToolchainMissing
from separable.targets.errors import ToolchainError
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link

_SOURCE = Path(__file__).with_name("peak.c")
_SAMPLES = 8
_SAMPLE_FLOPS = 1_000_000_000
# A multiply-add takes two operands besides its chain, and a CPU without FMA a product in between.
_OTHER_REGISTERS = 4


@dataclass(frozen=True)
class Peak:
    """What was measured.

    Attributes:
        gflops: 10^9 float32 operations per second of all threads together; a multiply-add counts as two.
        threads: how many ran at the same time.
        vector_bits: width of the vectors.
    """

    gflops: float
    threads: int
    vector_bits: int

    def __str__(self) -> str:
        cores = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.gflops:.1f} GFLOPS, measured with {self.vector_bits}-bit multiply-adds in registers on {cores}"


def measure_peak(threads: int = 1, target: Target | None = None) -> Peak:
    """Time multiply-adds in registers: the best of eight samples of a few milliseconds.

    Args:
        threads: how many run at the same time; no more than there are CPUs, or they would take turns.
        target: the row whose vectors and instructions are used; this machine must have them. Its own row if None.

    Raises:
        ToolchainMissing: there is no C compiler.
        UnknownTargetName: no row describes this machine.
    """
    target = target or detect_host()
    chains = target.vector_registers - _OTHER_REGISTERS
    rounds = _SAMPLE_FLOPS // (2 * target.lanes * chains)
    run = _build(target, chains)

    def sample(_: int) -> tuple[float, float]:
        start = time.perf_counter()
        run(rounds, 0.5, 1.0)
        return start, time.perf_counter()

    def seconds(pool: ThreadPoolExecutor) -> float:
        starts, stops = zip(*pool.map(sample, range(threads)), strict=True)
        return float(max(stops) - min(starts))

    with ThreadPoolExecutor(threads) as pool:
        best = min(seconds(pool) for _ in range(_SAMPLES))
    return Peak(threads * rounds * 2 * target.lanes * chains / best / 1e9, threads, target.vector_bits)


def _build(target: Target, chains: int) -> Callable[[int, float, float], float]:
    """The C function, compiled for the row as the kernels are: zig's own idea of this CPU may split its vectors."""
    # Zig writes LLVM's names with underscores, so that the signs of features stand out.
    features = (f"{feature[0]}{feature[1:].replace('-', '_')}" for feature in target.features)
    mcpu = target.cpu.replace("-", "_") + "".join(features)
    # No libc is needed, and without one zig builds none for this CPU: 0.1 s instead of 5 s at the first time.
    flags = ["-std=c11", f"-mcpu={mcpu}", "-ffp-contract=fast", "-fPIC", "-shared", "-nostdlib"]
    flags += [f"-DVECTOR_BYTES={target.vector_bits // 8}", f"-DCHAINS={chains}"]
    with tempfile.TemporaryDirectory(prefix="separable-") as folder:
        path = Path(folder) / "peak.so"
        try:
            compile_and_link(path, target=target, sources=[_SOURCE], flags=flags)
        except ToolchainError as error:
            raise ToolchainMissing(str(error)) from error
        function = ctypes.CDLL(str(path)).separable_peak
    function.argtypes = (ctypes.c_int64, ctypes.c_float, ctypes.c_float)
    function.restype = ctypes.c_float
    return function
