"""A target for the study of float16's errors on a machine without float16 arithmetic: right numbers, slow code.

Kernels have the tiles, and with them the sums, of Cortex-A76; each multiply-add is computed in float32 and rounded to
float16. Not a target for use: it is found by name, and listed nowhere.
"""

from __future__ import annotations

from dataclasses import replace

from separable.targets.arm import CORTEX_A76
from separable.targets.errors import UnsupportedHost
from separable.targets.host import detect_host
from separable.targets.row import Target

EMULATED_FP16 = "emulated-fp16"

_NEEDED = {"x86_64": "f16c", "aarch64": "fp16", "armv7": "fp16"}
"""The extension that converts between float16 and float32; on arm64, the one that computes in float16."""


def emulated_fp16() -> Target:
    """The row for this machine.

    Raises:
        UnsupportedHost: no row fits it, or it cannot convert between float16 and float32.
    """
    host = detect_host()
    needed = _NEEDED[host.arch]
    if needed not in host.isa:
        raise UnsupportedHost(f"{EMULATED_FP16} needs {needed}, which this CPU ({host.name}) lacks")
    return replace(
        host,
        name=EMULATED_FP16,
        vector_bits=CORTEX_A76.vector_bits,
        vector_registers=CORTEX_A76.vector_registers,
        fma_per_cycle=CORTEX_A76.fma_per_cycle,
        fma_latency=CORTEX_A76.fma_latency,
        loads_per_cycle=CORTEX_A76.loads_per_cycle,
        l1_bytes=CORTEX_A76.l1_bytes,
        l2_bytes=CORTEX_A76.l2_bytes,
        l3_bytes=CORTEX_A76.l3_bytes,
        emulates_fp16=True,
    )
