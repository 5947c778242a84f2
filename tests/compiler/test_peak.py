from __future__ import annotations

import importlib.util

import pytest

from separable.compiler.errors import ToolchainMissing
from separable.compiler.peak import measure_peak
from separable.targets.host import detect_host


@pytest.mark.parametrize("threads", [1, 2])
def test_measures_vectors_of_this_machine(threads: int) -> None:
    peak = measure_peak(threads)
    assert peak.vector_bits == detect_host().vector_bits
    assert peak.threads == threads
    assert peak.gflops > 0
    assert f"{threads} thread" in str(peak)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainMissing, match="pip install ziglang"):
        measure_peak()
