"""The target that studies float16 on this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from separable.targets import emulation
from separable.targets.arm import ARM64, CORTEX_A76
from separable.targets.emulation import EMULATED_FP16
from separable.targets.errors import UnsupportedHost
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from separable.targets.x86 import X86_64_V2, X86_64_V3


def on(host: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(emulation, "detect_host", lambda: host)
    return find_target(EMULATED_FP16)


def test_it_has_the_tiles_of_one_row_and_the_instructions_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    row = on(X86_64_V3, monkeypatch)
    assert (row.arch, row.triple, row.isa, row.tvm) == (
        X86_64_V3.arch,
        X86_64_V3.triple,
        X86_64_V3.isa,
        X86_64_V3.tvm,
    )
    for name in ("lanes", "vector_registers", "fma_latency", "loads_per_cycle", "l1_bytes", "l2_bytes", "l3_bytes"):
        assert getattr(row, name) == getattr(CORTEX_A76, name)
    assert row.fp16_arithmetic
    assert not X86_64_V3.fp16_arithmetic


def test_arm_needs_no_emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    row = on(replace(CORTEX_A76, l2_bytes=1), monkeypatch)
    assert (row.isa, row.l2_bytes) == (CORTEX_A76.isa, CORTEX_A76.l2_bytes)


@pytest.mark.parametrize(("host", "needed"), [(X86_64_V2, "f16c"), (ARM64, "fp16")], ids=["x86-64-v2", "arm64"])
def test_a_machine_that_cannot(host: Target, needed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedHost, match=f"emulated-fp16 needs {needed}, which this CPU .*{host.name}.* lacks"):
        on(host, monkeypatch)


def test_it_is_no_target_for_users() -> None:
    assert EMULATED_FP16 not in {row.name for row in all_targets()}
