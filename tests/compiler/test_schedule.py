from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.schedules import conv
from separable.schedules.workload import Workload

from .tiny import save_tiny


def test_given_tiles_replace_the_defaults_of_their_workloads_only(tmp_path: Path) -> None:
    options = CompileOptions(save_tiny(tmp_path), target="x86-64-v3")
    default = build_model(options, Phases()).scheduled
    assert {kernel.source for kernel in default.kernels} == {"default"}

    w, tile = next((kernel.workload, kernel.tile) for kernel in default.kernels if isinstance(kernel.tile, conv.Tile))
    assert isinstance(tile, conv.Tile)
    tiles: dict[Workload, object] = {w: replace(tile, rows=1, columns=1)}
    given = build_model(options, Phases(), tiles).scheduled
    assert [kernel.name for kernel in given.kernels] == [kernel.name for kernel in default.kernels]
    for before, after in zip(default.kernels, given.kernels, strict=True):
        expected = (tiles[w], "given") if after.workload == w else (before.tile, "default")
        assert (after.tile, after.source) == expected
