"""A user's way: tune a network, look at the records, compile with them; here and behind a tracker."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from separable.compiler.tuning.agent_build import build_agent
from separable.compiler.tuning.records import load_records
from tests.agents import Agent, build_host_agent, running_tracker
from tests.compiler.calls import call, interrupt_once_written
from tests.compiler.tiny import save_tiny


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny.onnx`` and ``records.json``, tuned on this machine."""
    folder = tmp_path_factory.mktemp("tuned")
    save_tiny(folder)
    printed = call("tune", folder / "tiny.onnx", "-o", folder / "records.json", "--trials", 12)
    (folder / "stdout").write_text(printed.stdout)
    (folder / "stderr").write_text(printed.stderr)
    return folder


class TestHere:
    def test_it_measures_and_tells(self, tuned: Path) -> None:
        stdout = (tuned / "stdout").read_text()
        assert "pointwise 1x1 8 -> 16 at 4x4" in stdout
        assert re.search(r"trials +1[2-9] in", stdout)
        assert "separable compile" in stdout
        records = load_records(tuned / "records.json").records
        assert len(records) >= 12
        assert all(record.device.startswith("this machine") and record.samples_ns for record in records)
        assert " ns on this machine" in (tuned / "records.json.log").read_text()

    def test_the_records_are_compiled_with(self, tuned: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        call("compile", tuned / "tiny.onnx", "--records", tuned / "records.json", "-o", out, "--verify")
        kernels = json.loads((out / "tiny.json").read_text())["kernels"]
        assert {layer["schedule"] for layer in kernels if layer["kernel"].startswith("depthwise")} == {"record"}
        assert "record" in call("inspect", out).stdout

    def test_required_records_are_there(self, tuned: Path, tmp_path: Path) -> None:
        arguments = ["compile", tuned / "tiny.onnx", "--require-records", "-o", tmp_path / "out"]
        call(*arguments, "--records", tuned / "records.json")
        assert "have no record" in call(*arguments, code=2).stderr

    def test_another_run_goes_on(self, tuned: Path, tmp_path: Path) -> None:
        records = tmp_path / "records.json"
        shutil.copy(tuned / "records.json", records)
        before = records.read_text()
        printed = call("tune", tuned / "tiny.onnx", "-o", records, "--trials", 4)
        assert "measured by earlier runs" in printed.stderr
        assert records.read_text().startswith(before)
        assert records.stat().st_size > len(before)

    def test_records_are_shown_merged_verified_and_found(self, tuned: Path, tmp_path: Path) -> None:
        records = tuned / "records.json"
        assert "depthwise 3x3 8 -> 8" in call("records", "show", records).stdout
        both = tmp_path / "both.json"
        call("records", "merge", records, records, "-o", both)
        assert sorted(both.read_text().splitlines()) == sorted(set(records.read_text().splitlines()))
        assert "records for" in call("records", "verify", both).stdout
        assert "record" in call("records", "nearest", tuned / "tiny.onnx", records).stdout

    def test_an_interrupt_keeps_what_was_measured(self, tmp_path: Path) -> None:
        save_tiny(tmp_path)
        records = tmp_path / "records.json"
        interrupt_once_written(records, "tune", tmp_path / "tiny.onnx", "-o", records, "--budget", "10m")
        assert load_records(records).records


class TestMistakes:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["--tracker", "127.0.0.1:9190"],
            ["--key", "pixel"],
            ["--budget", "soon"],
            ["--budget", "0"],
            ["--trials", "0"],
        ],
        ids=" ".join,
    )
    def test_wrong_options(self, tmp_path: Path, arguments: list[str]) -> None:
        call("tune", save_tiny(tmp_path), "-o", tmp_path / "records.json", *arguments, code=2)
        assert not (tmp_path / "records.json").exists()

    def test_another_architecture_needs_a_device(self, tmp_path: Path) -> None:
        target = "arm64" if os.uname().machine == "x86_64" else "x86-64"
        arguments = ["tune", save_tiny(tmp_path), "-o", tmp_path / "r.json", "--target", target, "--trials", "1"]
        assert "--tracker" in call(*arguments, code=2).stderr

    def test_instructions_that_this_cpu_lacks_need_a_device(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("separable.compiler.tuning.tune.missing_features", lambda target, device: "AVX-512F")
        stderr = call("tune", save_tiny(tmp_path), "-o", tmp_path / "r.json", "--trials", "1", code=2).stderr
        assert "lacks AVX-512F" in stderr
        assert "--tracker" in stderr
        assert not (tmp_path / "r.json").exists()

    def test_a_tracker_that_is_not_there(self, tmp_path: Path) -> None:
        options = ["--tracker", "127.0.0.1:1", "--key", "board", "--budget", "3s"]
        printed = call("tune", save_tiny(tmp_path), "-o", tmp_path / "r.json", *options, code=2)
        assert "no tracker answers" in printed.stderr
        assert "no default tile was measured" in printed.stderr
        assert "separable compile" not in printed.stdout

    def test_a_records_file_that_is_none(self, tmp_path: Path) -> None:
        records = tmp_path / "records.json"
        records.write_text("not a record\n")
        for arguments in (
            ["tune", save_tiny(tmp_path), "-o", records, "--trials", "1"],
            ["compile", save_tiny(tmp_path), "--records", records],
            ["records", "show", records],
            ["records", "verify", records],
        ):
            assert "records.json, line 1" in call(*arguments, code=2).stderr
        assert records.read_text() == "not a record\n"

    def test_a_records_file_that_is_not_there(self, tmp_path: Path) -> None:
        missing = tmp_path / "none.json"
        assert "none.json" in call("compile", save_tiny(tmp_path), "--records", missing, code=2).stderr


class TestBehindATracker:
    def test_two_agents_share_the_work(self, tmp_path: Path) -> None:
        program = build_host_agent(tmp_path / "agent")
        records = tmp_path / "records.json"
        with (
            running_tracker() as tracker,
            Agent(program, tracker, "board", tmp_path / "one"),
            Agent(program, tracker, "board", tmp_path / "two"),
        ):
            options = ["--tracker", tracker, "--key", "board", "--trials", 16]
            call("tune", save_tiny(tmp_path), "-o", records, *options)
        devices = {record.device for record in load_records(records).records}
        assert len(devices) == 2

    def test_arm64_under_an_emulator(self, tmp_path: Path) -> None:
        emulator = shutil.which("qemu-aarch64")
        assert emulator, "arm64 tests need qemu-user; `make test` installs it"
        program = build_agent("aarch64")
        records = tmp_path / "records.json"
        model = save_tiny(tmp_path)
        with (
            running_tracker() as tracker,
            Agent(program, tracker, "arm", tmp_path / "agent", "--runner", emulator, runner=[emulator]),
        ):
            options = ["--target", "arm64:cortex-a76", "--tracker", tracker, "--key", "arm", "--trials", 10]
            call("tune", model, "-o", records, *options)
        assert len(load_records(records).records) >= 10
        out = tmp_path / "out"
        call("compile", model, "--target", "arm64:cortex-a76", "--records", records, "-o", out)
        kernels = json.loads((out / "tiny.json").read_text())["kernels"]
        assert "record" in {layer["schedule"] for layer in kernels}
