"""``separable estimate`` as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from separable.compiler.commands.estimate import target_names

from .calls import call
from .tiny import save_tiny


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("native", ["native"]),
        ("arm64:cortex-a55,cortex-a76", ["arm64:cortex-a55", "arm64:cortex-a76"]),
        ("android-arm64:cortex-a55, cortex-x1", ["android-arm64:cortex-a55", "android-arm64:cortex-x1"]),
        ("arm64:cortex-a72,x86-64-v3,native", ["arm64:cortex-a72", "x86-64-v3", "native"]),
        ("arm64:cortex-a72,armv7:cortex-a72,cortex-a53", ["arm64:cortex-a72", "armv7:cortex-a72", "armv7:cortex-a53"]),
        ("arm64:cortex-a72,cortex-a72", ["arm64:cortex-a72"]),
        ("arm64:cortex-a72,cortex-z9", ["arm64:cortex-a72", "arm64:cortex-z9"]),
        ("cortex-a72", ["cortex-a72"]),
    ],
)
def test_a_name_without_an_arch_has_that_of_the_one_before(text: str, names: list[str]) -> None:
    assert target_names(text) == names


def test_one_row_for_each_target_and_a_note_on_those_never_measured(tmp_path: Path) -> None:
    result = call("estimate", save_tiny(tmp_path), "--target", "arm64:cortex-a55,cortex-a76,x86-64:znver4")
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header[:6] == ["target", "GHz", "threads", "ms", "from", "to"]
    assert [row[0] for row in rows] == ["arm64:cortex-a55", "arm64:cortex-a76", "x86-64:znver4"]
    for row in rows:
        estimate, low, high = map(float, row[3:6])
        assert 0 < low <= estimate <= high
    assert "no estimate of ours for arm64:cortex-a55, arm64:cortex-a76 was compared" in result.stderr
    assert "generate code" in result.stderr


def test_kernels_are_shown_with_what_limits_them(tmp_path: Path) -> None:
    result = call("estimate", save_tiny(tmp_path), "--target", "arm64:cortex-a53", "--kernels")
    assert "stem + stem_relu" in result.stdout
    assert "bound" in result.stdout
    assert any(line.startswith("fc") for line in result.stdout.splitlines())


def test_json_has_everything(tmp_path: Path) -> None:
    result = call("estimate", save_tiny(tmp_path), "--target", "arm64:cortex-a53", "--threads", "2", "--json")
    (estimate,) = json.loads(result.stdout)
    assert (estimate["target"], estimate["threads"], estimate["measured"]) == ("arm64:cortex-a53", 2, False)
    assert estimate["low"] < estimate["milliseconds"] < estimate["high"]
    assert estimate["published"] == []  # of this network nobody published anything
    assert estimate["kernels"][0]["nodes"] == ["stem", "stem_relu"]


def test_published_figures_of_the_same_network_cores_and_threads_are_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_tiny(tmp_path)
    (estimate,) = json.loads(call("estimate", path, "--target", "arm64:cortex-a76", "--json").stdout)
    monkeypatch.setattr("separable.compiler.commands.estimate.MULT_ADDS", estimate["mult_adds"])
    result = call("estimate", path, "--target", "arm64:cortex-a72,cortex-a76", "--threads", "4")
    quoted = [line.split() for line in result.stdout.splitlines() if "Raspberry" in line]
    assert {(row[0], row[4], row[-1]) for row in quoted} == {
        ("arm64:cortex-a72", "ncnn", "60.7"),
        ("arm64:cortex-a72", "XNNPACK", "72"),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "arm64:cortex-a55,cortex-a77"], "unknown target 'arm64:cortex-a77'; did you mean"),
        (["--target", "armv7"], "no time can be estimated for armv7"),
        (["--shape", "x"], "'x' is no shape"),
        (["--threads", "0"], "greater than or equal to 1"),
    ],
)
def test_what_a_user_gets_wrong_is_said_without_a_traceback(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in call("estimate", save_tiny(tmp_path), *arguments, code=2).stderr


def test_the_row_that_stands_for_several_cpus_is_named(tmp_path: Path) -> None:
    result = call("estimate", save_tiny(tmp_path), "--target", "x86-64,arm64:cortex-a76")
    assert "note: x86-64 is several CPUs in one library; estimated is x86-64-v2\n" in result.stderr
    assert result.stderr.count("is several CPUs") == 1


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    result = call("estimate", tmp_path / "none.onnx", "--target", "arm64:cortex-a76", code=2)
    assert "none.onnx cannot be read" in result.stderr
