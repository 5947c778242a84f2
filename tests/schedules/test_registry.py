from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from separable.compiler._tvm import tvm
from separable.compiler.emit.object_file import build_object
from separable.schedules import registry
from separable.schedules.call import Call
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Called, Elementwise, Suppress, TopK, Workload
from separable.targets.table import find_target
from tests.schedules.harness import lower
from tests.schedules.workloads import one_of_each

V3 = find_target("x86-64-v3")
WORKLOADS = one_of_each(V3.lanes)


def test_every_kind_is_here() -> None:
    assert {type(w) for w in WORKLOADS.values()} == set(get_args(Workload)) - set(get_args(Called))


def test_kernels_in_c_have_no_schedule() -> None:
    rows = TopK(Plain((3, 5, 17)), Plain((3, 5, 2), "int64"), largest=False)
    scores = Plain((2, 3, 19))
    boxes = Suppress((Plain((2, 19, 4)), scores), scores, 100, 0.5, None, centred=True)
    settings = "(separable_suppression){3, 19, 19, 1, 0, 0, 0x1.0000000000000p-1f}"
    assert registry.call_of(rows) == Call("top_k", ("17", "2", "0"), pointers=2, extent=15)
    assert registry.call_of(boxes) == Call("suppress", (settings,), pointers=3, extent=6, scratch_bytes=532)
    assert (registry.kind(rows), registry.kind(boxes)) == ("top_k", "suppress")
    assert all(registry.call_of(w) is None for w in WORKLOADS.values())


@pytest.mark.parametrize("kind", WORKLOADS)
def test_kind_names_kernels(kind: str) -> None:
    assert registry.kind(WORKLOADS[kind]) == kind


@pytest.mark.parametrize("kind", WORKLOADS)
def test_builds_with_the_default_and_with_a_given_tile(kind: str) -> None:
    kernel = registry.build_kernel(WORKLOADS[kind], V3)
    again = registry.build_kernel(WORKLOADS[kind], V3, kernel.tile)
    tvm.ir.assert_structural_equal(kernel.func, again.func)
    assert again.tile == kernel.tile


@pytest.mark.parametrize("name", ["arm64", "arm64:cortex-a55", "arm64:cortex-a76"])
def test_compiles_for_arm64(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    lowered = [lower(registry.build_kernel(w, target), target) for w in one_of_each(target.lanes).values()]
    path = tmp_path / "kernels.o"
    build_object([kernel for kernel, _ in lowered], target, path)
    with path.open("rb") as file:
        header = file.read(20)
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == 183  # EM_AARCH64


@pytest.mark.parametrize("kind", WORKLOADS)
def test_default_kernel_is_vectorised_and_parallel(kind: str) -> None:
    script = registry.build_kernel(WORKLOADS[kind], V3).func.script()
    assert "T.parallel" in script
    assert "T.vectorized" in script


def test_constants_per_channel_are_padded() -> None:
    image = Blocked(11, 2, 2, 8)
    w = Elementwise("add", (image,), image, constant=True)
    (packed,) = registry.pack_constants(w, None, [np.arange(11, dtype=np.float32)])
    assert packed.shape == (2, 8)
    np.testing.assert_array_equal(packed.reshape(-1)[:11], np.arange(11))


def test_constants_of_generic_operators_are_passed_on() -> None:
    weight = np.ones((2, 3), np.float32)
    assert registry.pack_constants(WORKLOADS["generic"], None, [weight])[0] is weight
    assert registry.pack_constants(WORKLOADS["pool"], None, []) == []


def test_equal_workloads_are_one_key() -> None:
    assert len({*WORKLOADS.values(), *one_of_each(V3.lanes).values()}) == len(WORKLOADS)
    assert Plain((1, 2)) != Plain((1, 2), "int64")
