"""Candidates are built, run, checked and timed; a wrong, crashing, hanging or hungry program is found out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.tuning import candidate as candidate_module
from separable.compiler.tuning.candidate import CandidateBuilder, CandidateFailed, Effort, read_timing
from separable.compiler.tuning.local import LocalDevice
from separable.compiler.tuning.reference import expected_output, to_buffer
from separable.schedules import conv
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.space import space
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Window, Workload
from separable.targets.host import detect_host
from separable.targets.table import find_target
from tests.compiler.tuning.samples import finished
from tests.schedules import reference as other_reference

HOST = detect_host()
QUICK = Effort(samples=2, microseconds=10)
RELU6 = Epilogue(activation=Activation("clip", (0.0, 6.0)))
AROUND = Halo(1, 1, 1, 1)


def image(channels: int, height: int, width: int, halo: Halo = Halo()) -> Blocked:  # noqa: B008  # frozen
    return Blocked(channels, height, width, HOST.lanes, halo)


WORKLOADS: dict[str, Workload] = {
    "pointwise, residual": Conv(
        image(19, 7, 5),
        image(33, 7, 5, AROUND),
        Window((1, 1)),
        epilogue=Epilogue(True, Activation("relu")),
        residual=image(33, 7, 5),
    ),
    "first": Conv(Plain((1, 3, 13, 17)), image(8, 7, 9), Window((3, 3), (2, 2), pad=(1, 1)), epilogue=RELU6),
    "grouped": Conv(image(24, 6, 6, AROUND), image(24, 6, 6), Window((3, 3), pad=(1, 1)), groups=3),
    "depthwise": Depthwise(image(17, 11, 11, AROUND), image(17, 6, 6), Window((3, 3), (2, 2), pad=(1, 1)), RELU6),
    "fused": DepthwisePointwise(
        image(20, 9, 9, AROUND), image(40, 9, 9), Window((3, 3), pad=(1, 1)), RELU6, Epilogue(activation=None)
    ),
    "dense": Dense(Plain((3, 37)), Plain((3, 2 * HOST.lanes + 5))),
    "one pixel": Conv(image(64, 1, 1), image(10, 1, 1), Window((1, 1))),
}


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> CandidateBuilder:
    return CandidateBuilder(HOST, tmp_path_factory.mktemp("candidates"), rotate_bytes=1 << 20, effort=QUICK)


@pytest.mark.parametrize("w", WORKLOADS.values(), ids=WORKLOADS.keys())
def test_tiles_compute_what_they_should_and_are_timed(builder: CandidateBuilder, w: Workload) -> None:
    tiles = space(w, HOST).tiles
    for tile in (tiles[0], tiles[-1]):
        timing = read_timing(LocalDevice().run(builder.build(w, tile)))
        assert len(timing.samples_ns) == QUICK.samples
        assert timing.max_error <= 1e-6


@pytest.mark.parametrize(
    "name", ["armv7:cortex-a7", pytest.param("android-arm64:cortex-a55", marks=pytest.mark.slow), "arm64-musl"]
)
def test_programs_for_other_systems(name: str, tmp_path: Path) -> None:
    """They are static, so that qemu needs no system's files to run them."""
    target = find_target(name)
    emulator = {"armv7": "qemu-arm", "aarch64": "qemu-aarch64"}[target.arch]
    builder = CandidateBuilder(target, tmp_path, rotate_bytes=1 << 20, effort=QUICK)
    x, y = (Blocked(channels, 7, 5, target.lanes) for channels in (19, 33))
    w = Conv(x, y, Window((1, 1)), epilogue=RELU6)
    candidate = builder.build(w, space(w, target).default)
    # For a 32-bit program qemu sets aside all of its 4 GiB.
    timing = read_timing(LocalDevice([emulator]).run(replace(candidate, memory_bytes=16 << 30)))
    assert len(timing.samples_ns) == QUICK.samples
    assert timing.max_error <= 1e-6


def test_threads_share_the_work(tmp_path: Path) -> None:
    builder = CandidateBuilder(HOST, tmp_path, threads=2, effort=QUICK)
    w = WORKLOADS["grouped"]
    assert read_timing(LocalDevice().run(builder.build(w, space(w, HOST).default))).samples_ns


def test_tiles_share_what_belongs_to_the_workload(builder: CandidateBuilder) -> None:
    w = WORKLOADS["depthwise"]
    one, two = (builder.build(w, tile) for tile in space(w, HOST).tiles[:2])
    assert one.files == two.files
    assert one.program != two.program


def test_a_wrong_answer_is_found_out(builder: CandidateBuilder, tmp_path: Path) -> None:
    w = WORKLOADS["dense"]
    candidate = builder.build(w, space(w, HOST).default)
    expected = np.fromfile(candidate.files["expected"], np.float32)
    expected[7] += 1
    wrong = tmp_path / "expected"
    expected.tofile(wrong)
    with pytest.raises(CandidateFailed, match="computes something else"):
        read_timing(LocalDevice().run(replace(candidate, files={**candidate.files, "expected": wrong})))


def test_an_output_that_is_not_written_is_found_out(
    builder: CandidateBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = WORKLOADS["one pixel"]
    candidate = builder.build(w, space(w, HOST).default)
    items, *others = candidate.arguments
    assert int(items) > 0
    with pytest.raises(CandidateFailed, match="computes something else"):
        read_timing(LocalDevice().run(replace(candidate, arguments=("0", *others))))


def test_a_tile_that_cannot_be_compiled(builder: CandidateBuilder) -> None:
    w = WORKLOADS["pointwise, residual"]
    with pytest.raises(CandidateFailed, match=r"cannot be compiled"):
        builder.build(w, conv.Tile(rows=1, columns=4, vectors=0, unroll=1, pixels_outer=True))


@pytest.mark.parametrize(
    "arguments",
    [[], ["x"] * 11, ["1", "0", "0", "0", "5000", "1", "1", "0", "1", "", "ic"]],
    ids=["none", "words", "many"],
)
def test_a_program_called_wrongly_says_so(builder: CandidateBuilder, arguments: Sequence[str]) -> None:
    w = WORKLOADS["dense"]
    candidate = replace(builder.build(w, space(w, HOST).default), arguments=tuple(arguments))
    with pytest.raises(CandidateFailed, match="status 64"):
        read_timing(LocalDevice().run(candidate))


@pytest.mark.parametrize("cpus", ["9999", "a", "1-", "0,,1", "3-1"])
def test_cpus_that_are_none(tmp_path: Path, cpus: str) -> None:
    builder = CandidateBuilder(HOST, tmp_path, cpus=cpus, effort=QUICK)
    w = WORKLOADS["dense"]
    with pytest.raises(CandidateFailed, match="CPUs"):
        read_timing(LocalDevice().run(builder.build(w, space(w, HOST).default)))


GOOD = '{"samples_ns": [5, 6], "max_error": 1e-7, "frequency_khz": [1, 2], "cpu": 0}'


def test_a_report_is_read() -> None:
    timing = read_timing(finished(GOOD))
    assert (timing.samples_ns, timing.max_error, timing.frequency_khz) == ((5.0, 6.0), 1e-7, (1, 2))
    assert read_timing(finished(GOOD.replace("[1, 2]", "null"))).frequency_khz is None


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (finished(timed_out=True, returncode=-9), "still ran"),
        (finished(returncode=-11), "signal 11"),
        (finished(returncode=-4), "signal 4, as the CPU lacks an instruction of the target"),
        (finished(returncode=71, stderr="no memory for 8 bytes"), "status 71: no memory"),
        (finished(""), "no result"),
        (finished("[]"), "no result"),
        (finished("{}"), "no result"),
        (finished(GOOD.replace("[5, 6]", '"fast"')), "no result"),
        (finished(GOOD.replace("[5, 6]", "[-5]")), "impossible"),
        (finished(GOOD.replace("[5, 6]", "[]")), "something else"),
        (finished(GOOD.replace("1e-7", "NaN")), "something else"),
        (finished(GOOD.replace("1e-7", "0.1")), "something else"),
        (finished("[" * 100_000), "no result"),
    ],
)
def test_reports_that_are_none(result: Any, message: str) -> None:
    with pytest.raises(CandidateFailed, match=message):
        read_timing(result)


class TestReference:
    """Against the schedules' own reference, which is written in another way."""

    @pytest.mark.parametrize("name", ["first", "grouped", "depthwise"])
    def test_convolutions(self, name: str) -> None:
        w = WORKLOADS[name]
        assert isinstance(w, Conv | Depthwise)
        random = np.random.default_rng(1)
        groups = w.groups if isinstance(w, Conv) else w.y.channels
        size = w.x.shape[1:] if isinstance(w.x, Plain) else (w.x.channels, w.x.height, w.x.width)
        x = random.standard_normal(size).astype(np.float32)
        weight = random.standard_normal((w.y.channels, size[0] // groups, *w.window.size)).astype(np.float32)
        bias = random.standard_normal(w.y.channels).astype(np.float32)
        plain = replace(w, epilogue=Epilogue())
        image_, filters, shift = (array.astype(np.float64) for array in (x, weight, bias))
        expected = other_reference.conv(image_, filters, shift, w.window, groups, w.y.height, w.y.width)
        np.testing.assert_allclose(expected_output(plain, x, [weight, bias], None), expected, rtol=1e-12, atol=1e-12)

    def test_activations_agree(self) -> None:
        x = np.linspace(-3, 3, 7)
        parameters = {"clip": (-1.0, 1.0), "leaky_relu": (0.1,), "hard_sigmoid": (0.2, 0.5)}
        for name, function in other_reference.ACTIVATIONS.items():
            with np.errstate(invalid="ignore"):
                expected = function(x, *parameters.get(name, ()))
            w = Dense(Plain((1, 7)), Plain((1, 7)), Epilogue(activation=Activation(name, parameters.get(name, ()))))
            identity = np.eye(7, dtype=np.float32)
            actual = expected_output(w, x.astype(np.float32)[None], [identity, np.zeros(7, np.float32)], None)
            np.testing.assert_allclose(actual[0], expected, rtol=1e-6)

    def test_a_buffer_says_what_is_undefined(self) -> None:
        tensor = Blocked(3, 2, 2, 4, AROUND)
        buffer = to_buffer(np.ones((3, 2, 2)), tensor, fill=math.nan, halo=0.0)
        assert buffer.shape == tensor.shape
        assert np.isnan(buffer[0, 1:3, 1:3, 3]).all()
        assert (buffer[0, 1:3, 1:3, :3] == 1).all()
        assert buffer[0, 0].sum() == buffer[0, :, 0].sum() == 0


def test_the_tolerance_is_far_above_rounding() -> None:
    assert 10 * 1e-6 < candidate_module.TOLERANCE < 1e-4
