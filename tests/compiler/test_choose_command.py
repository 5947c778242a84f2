"""``separable choose`` as its users meet it; the times are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from separable.compiler.choosing import meter
from separable.compiler.choosing.meter import Prepared, Session, Timed

from .calls import call
from .tiny import save_tiny


class FakeMeter:
    """Every network takes as many milliseconds as its key ends with."""

    device, repeats = "this machine (test)", True

    def open(self, network: Prepared) -> Session:
        return FakeSession(float(len(network.model.read_bytes()) % 2 + 1))


class FakeSession:
    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds

    def time(self, turns: int) -> Timed:
        return Timed((self.milliseconds,) * turns)


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[object]]:
    """Two networks, of 1 and of 2 ms, and the options that name them."""
    monkeypatch.setattr(meter, "local_meter", lambda target, threads: FakeMeter())
    content = save_tiny(tmp_path).read_bytes()
    padding = b"\xf2\x07\x00"  # an unknown, empty field: another file, the same network
    fast, slow = (content, content + padding) if len(content) % 2 == 0 else (content + padding, content)
    (tmp_path / "fast.onnx").write_bytes(fast)
    (tmp_path / "slow.onnx").write_bytes(slow)
    (tmp_path / "mine.csv").write_text("model,accuracy\nfast.onnx,60\nslow.onnx,70\n")
    return lambda *more: ["choose", "--accuracy", tmp_path / "mine.csv", "-o", tmp_path / "r.jsonl", *more]


def test_it_names_the_choice(family: Callable[..., list[object]], tmp_path: Path) -> None:
    printed = call(*family("--budget", "1.5ms"))
    assert "choice      fast: accuracy 60 (mine.csv), 1.000 ms (1.000 to 1.000)" in printed.stdout
    assert f"separable compile {tmp_path / 'fast.onnx'}" in printed.stdout
    (slow,) = (line.split() for line in printed.stdout.splitlines() if line.startswith("slow"))
    assert slow[1:4] == ["*", "over", "70"]
    assert (tmp_path / "r.jsonl.png").read_bytes().startswith(b"\x89PNG")
    again = call(*family("--budget", "2ms"))
    assert "choice      slow" in again.stdout
    assert "slow: 2.000 ms, by an earlier run" in again.stderr


def test_files_of_one_name_are_told_apart_by_their_folders(family: Callable[..., list[object]], tmp_path: Path) -> None:
    for folder in ("fast", "slow"):
        (tmp_path / folder).mkdir()
        (tmp_path / f"{folder}.onnx").rename(tmp_path / folder / "net.onnx")
    (tmp_path / "mine.csv").write_text("model,accuracy\nfast/net.onnx,60\nslow/net.onnx,70\n")
    printed = call(*family("--budget", "1.5ms"))
    assert "choice      fast/net: accuracy 60" in printed.stdout
    assert "slow/net: 2.000 ms" in printed.stderr


def test_without_a_budget_nothing_is_chosen(family: Callable[..., list[object]]) -> None:
    assert "choice" not in call(*family()).stdout


def test_nothing_within_the_budget(family: Callable[..., list[object]]) -> None:
    printed = call(*family("--budget", "900us", "--size", "1GB"), code=2)
    assert "no network of the family is within the budget; the fastest, fast, takes 1 ms" in printed.stderr
    assert "slow" in printed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "5"], "'5' is no time; expected 5ms"),
        (["--budget", "0ms"], "no time"),
        (["--memory", "20 apples"], "no size; expected 20MB"),
        (["--tracker", "127.0.0.1:9190"], "--tracker and --key belong together"),
        (["--tracker", "127.0.0.1:9190", "--key", "k", "--device", "estimate"], "an estimate needs no --tracker"),
        (["--accuracy", "missing.csv"], "missing.csv"),
        (["--target", "no-such-cpu"], "no-such-cpu"),
    ],
    ids=str,
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert message in call("choose", *arguments, code=2).stderr


def test_a_width_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("alpha,resolution,accuracy\n1.5,224,70\n")
    assert "alpha 1.5 is outside (0, 1]" in call("choose", "--accuracy", path, "-o", tmp_path / "r", code=2).stderr


def test_estimates_for_a_cpu_that_is_not_here(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")
    path = tmp_path / "mine.csv"
    path.write_text("alpha,resolution,accuracy\n0.1,32,20\n")
    options = ["--target", "arm64:cortex-a76", "--device", "estimate", "--budget", "1s"]
    printed = call("choose", *options, "--accuracy", path, "-o", tmp_path / "r.jsonl")
    assert "estimate, 1 thread" in printed.stdout
    assert "choice      0.1 MobileNet-32: accuracy 20" in printed.stdout
    assert "separable zoo mobilenet-v1 --alpha 0.1 --resolution 32" in printed.stdout
