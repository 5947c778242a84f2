"""``separable choose`` on a device behind a tracker, and its interrupts; how long networks take does not matter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agents import Agent, build_host_agent, running_tracker
from tests.compiler.calls import call, interrupt_once_written
from tests.compiler.tiny import save_tiny


def family(folder: Path) -> Path:
    """A list of two networks, the same one twice."""
    save_tiny(folder, "a.onnx")
    (folder / "b.onnx").write_bytes((folder / "a.onnx").read_bytes() + b"\xf2\x07\x00")  # an unknown, empty field
    listed = folder / "mine.csv"
    listed.write_text("model,accuracy\na.onnx,60\nb.onnx,70\n")
    return listed


def test_on_a_device_behind_a_tracker(tmp_path: Path) -> None:
    program = build_host_agent(tmp_path / "agent")
    arguments = ["choose", "--budget", "1s", "--accuracy", family(tmp_path), "-o", tmp_path / "r.jsonl"]
    with running_tracker() as tracker:
        with Agent(program, tracker, "board", tmp_path / "work"):
            printed = call(*arguments, "--tracker", tracker, "--key", "board")
        assert "device board, 1 thread" in printed.stdout
        assert "choice      b: accuracy 70" in printed.stdout
        lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
        assert {line["device"] for line in lines} == {"device board"}
        assert sum(len(line["turns_ms"]) for line in lines) == 12
        # All is known: no device is needed, and none is there.
        again = call(*arguments, "--tracker", tracker, "--key", "board")
        assert "b: " in again.stderr
        assert "by an earlier run" in again.stderr


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    listed, results = family(tmp_path), tmp_path / "r.jsonl"
    options = ["--budget", "1s", "--accuracy", listed, "-o", results]
    interrupt_once_written(results, "choose", *options)
    assert "a: " in call("choose", *options).stderr
