"""The command line as its users meet it: what each verb prints and writes, and how it fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from separable import __version__
from separable.compiler import cli
from separable.compiler.pipeline import Compiled
from separable.targets.table import all_targets

from .calls import call
from .tiny import CLASSES, save_tiny


class TestProgram:
    def test_importing_it_leaves_the_compiler_alone(self) -> None:
        code = "import sys, separable.compiler.cli; print(*{'tvm', 'onnx', 'torch', 'PIL'} & sys.modules.keys())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""

    @pytest.mark.parametrize(
        "verb",
        [
            "compile",
            "zoo",
            "inspect",
            "estimate",
            "run",
            "verify",
            "targets",
            "tracker",
            "agent",
            "doctor",
            "tune",
            "records",
        ],
    )
    def test_every_verb_explains_itself(self, verb: str) -> None:
        assert verb in call("--help").stdout
        assert f"separable {verb}" in call(verb, "--help").stdout

    def test_version(self) -> None:
        assert call("--version").stdout.strip() == f"separable {__version__}"

    @pytest.mark.parametrize(
        "arguments", [["frobnicate"], ["compile"], ["compile", "m.onnx", "--fast"], ["run", "m.so", "--top", "0"]]
    )
    def test_a_wrong_call_exits_with_2(self, arguments: list[str]) -> None:
        call(*arguments, code=2)

    def test_compile_is_a_program_of_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["compile", str(tmp_path / "none.onnx")])
        with pytest.raises(SystemExit) as exit_:
            cli.compile_main()
        assert exit_.value.code == 2
        assert "none.onnx cannot be read" in capsys.readouterr().err

    def test_an_interrupt_is_said_and_exits_with_130(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("separable.compiler.pipeline.compile_model", interrupted)
        assert call("compile", save_tiny(tmp_path), code=130).stderr.endswith("error: interrupted\n")


class TestCompile:
    def test_writes_four_files_and_says_what_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        result = call("compile", save_tiny(tmp_path), "--verify", "--threads", "1", "--name", "small")
        folder = tmp_path / "tiny-native"
        assert sorted(path.name for path in folder.iterdir()) == ["small.h", "small.json", "small.py", "small.so"]
        manifest = json.loads((folder / "small.json").read_text())
        assert manifest["max_error"] < 1e-5
        assert manifest["verified_against"].startswith("ONNX Runtime")
        assert "name=small" in result.stderr
        assert "threads=1" in result.stderr
        for phase in ("import", "fold", "lower", "schedule", "plan memory", "generate code", "link", "verify"):
            assert f"  {phase}\n" in result.stderr
        for fact in ("tiny-native/small.so", "of weights", "arena", "mult-adds", "default", "max error", "seconds"):
            assert fact in result.stdout
        assert result.stdout.splitlines()[-1].endswith("separable run tiny-native/small.so")

    def test_dumps_every_pass(self, tmp_path: Path) -> None:
        call("compile", save_tiny(tmp_path), "-o", tmp_path / "out", "--dump-ir", tmp_path / "ir")
        names = [path.name for path in sorted((tmp_path / "ir").iterdir())]
        assert names[0] == "00_import.py"
        assert any(name.endswith("_fuse_epilogues.txt") for name in names)
        assert names[-1].endswith("_tiny.c")

    def test_a_precision_that_the_target_lacks(self, tmp_path: Path) -> None:
        path = save_tiny(tmp_path)
        for verb in ("compile", "inspect"):
            error = call(verb, path, "--target", "arm64:cortex-a53", "--precision", "fp16", code=2).stderr
            assert "--precision fp16 needs float16 arithmetic, which arm64:cortex-a53 lacks" in error
            error = call(verb, path, "--precision", "half", code=2).stderr
            assert "unknown precision 'half'; known: fp32, fp16" in error

    def test_float16_is_measured_and_shown(self, tmp_path: Path) -> None:
        path, out = save_tiny(tmp_path), tmp_path / "out"
        target = ["--target", "arm64:cortex-a76", "--precision", "fp16"]
        result = call("compile", path, *target, "-o", out)
        assert "precision=fp16" in result.stderr
        assert "  measure error\n" in result.stderr
        assert re.search(r"max error +\d\.\de-0[2-5] of the range, to ONNX Runtime .*, by emulation", result.stdout)
        assert re.search(r"precision +fp16", call("inspect", out / "tiny.so").stdout)
        assert "nchw8c" in call("inspect", path, *target).stdout

    @pytest.mark.parametrize("shape", ["1,3,8,8", "x=1,three,8,8", "x=", "=1"])
    def test_a_shape_that_is_none(self, shape: str, tmp_path: Path) -> None:
        assert "is no shape" in call("compile", save_tiny(tmp_path), "--shape", shape, code=2).stderr


class TestZoo:
    def test_writes_a_network(self, tmp_path: Path) -> None:
        path = tmp_path / "m.onnx"
        result = call("zoo", "mobilenet-v1", "--alpha", "0.25", "--resolution", "32", "--classes", "7", "-o", path)
        assert path.stat().st_size > 100_000
        assert "mobilenet_v1_0.25_32, 7 classes, relu" in result.stdout
        assert "mult-adds" in result.stdout
        assert "not trained" in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--alpha", "3"], "alpha 3.0 is outside (0, 1]"),
            (["--resolution", "8"], "resolution 8 is below 32"),
            (["-o", "none/m.onnx"], "there is no folder none"),
            (["--weights", "none.pt"], "none.pt: No such file or directory"),
            (["--activation", "tanh"], "tanh"),
        ],
    )
    def test_bad_arguments(
        self, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert message in call("zoo", "mobilenet-v1", "-o", "m.onnx", *arguments, code=2).stderr
        assert not list(tmp_path.iterdir())

    def test_weights_that_are_none(self, tmp_path: Path) -> None:
        result = call("zoo", "mobilenet-v1", "-o", tmp_path / "m.onnx", "--weights", save_tiny(tmp_path), code=2)
        assert "is no state dict" in result.stderr

    def test_without_torch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        for module in ("export", "weights", "mobilenet_v1"):
            monkeypatch.delitem(sys.modules, f"separable.zoo.{module}", raising=False)
        result = call("zoo", "mobilenet-v1", "-o", tmp_path / "m.onnx", code=2)
        assert "the zoo needs torch" in result.stderr


class TestInspect:
    def test_a_model(self, tiny_onnx: Path) -> None:
        result = call("inspect", tiny_onnx, "--target", "arm64:cortex-a76")
        for text in ("stem + stem_relu", "Conv DW 3x3", "Conv 1x1", "Fully connected", "nchw4c", "default", "flatten"):
            assert text in result.stdout
        assert "arena" in result.stdout
        assert "arm64:cortex-a76" in result.stdout

    def test_a_folder_with_its_manifest(self, tiny: Compiled) -> None:
        result = call("inspect", tiny.folder)
        assert "stem + stem_relu" in result.stdout
        assert "x float32[1, 3, 8, 8]" in result.stdout
        assert "note" not in result.stderr

    def test_a_library_alone(self, tiny: Compiled, tmp_path: Path) -> None:
        result = call("inspect", shutil.copy(tiny.library, tmp_path))
        assert "this is what the library itself says" in result.stderr
        assert "y float32[1, 5]" in result.stdout


class TestRun:
    def test_random_inputs(self, tiny: Compiled) -> None:
        result = call("run", tiny.folder, "--top", "2", "--repeat", "3")
        assert "the inputs are random numbers of seed 0" in result.stderr
        lines = result.stdout.splitlines()
        assert lines[0].startswith("y float32[1, 5]: min ")
        assert lines[1].split()[0] == "class"
        assert len(lines) == 5
        assert "3 runs" in lines[-1]

    def test_a_picture_with_labels(self, tiny: Compiled, tmp_path: Path) -> None:
        Image.new("RGB", (20, 30), "red").save(tmp_path / "red.png")
        labels = tmp_path / "labels.txt"
        labels.write_text("".join(f"kind {index}\n" for index in range(CLASSES)))
        result = call(
            "run", tiny.library, "--input", tmp_path / "red.png", "--labels", labels, "--mean", "1,2,3", "--std", "9"
        )
        assert "kind 4" in result.stdout
        assert "note" not in result.stderr

    def test_outputs_are_written(self, tiny: Compiled, tmp_path: Path) -> None:
        x = np.ones((1, 3, 8, 8), np.float32)
        np.save(tmp_path / "x.npy", x)
        call("run", tiny.library, "--input", f"x={tmp_path / 'x.npy'}", "-o", tmp_path / "y.npz", "--threads", "2")
        assert np.load(tmp_path / "y.npz")["y"].shape == (1, CLASSES)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npy", "y.npz"]

    @pytest.mark.parametrize("cores", ["big", "all", ",".join(map(str, sorted(os.sched_getaffinity(0))))])
    def test_cores(self, tiny: Compiled, cores: str) -> None:
        assert "1 runs" in call("run", tiny.library, "--cores", cores, "--repeat", "1").stdout

    def test_profile(self, tiny: Compiled) -> None:
        result = call("run", tiny.library, "--profile", "--repeat", "2")
        kernels = [layer["kernel"] for layer in tiny.manifest["kernels"]]
        assert all(kernel in result.stdout for kernel in kernels)
        assert "of peak" in result.stdout
        assert "multiply-adds in registers on 1 thread" in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--input", "none.npy"], "none.npy"),
            (["--input", "none.txt"], "an input is an array"),
            (["--mean", "grey", "--input", "x.png"], "neither a number nor three numbers"),
            (["--labels", "none.txt"], "cannot read labels"),
            (["-o", "none/y.npz"], "cannot write none/y.npz: No such file"),
            (["--cores", "fast"], "cores is 'fast', expected 'big', 'all' or a list of CPU numbers"),
            (["--cores", "0,9999"], "options.cpus[1] is 9999, a CPU that is not there or not allowed"),
        ],
    )
    def test_bad_arguments(
        self, arguments: list[str], message: str, tiny: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert message in " ".join(call("run", tiny.library, *arguments, code=2).stderr.split())
        assert not list(tmp_path.iterdir())


class TestVerify:
    def test_equal(self, tiny: Compiled, tiny_onnx: Path) -> None:
        assert "equal within 0.0001 of the range" in call("verify", tiny.folder, tiny_onnx, "--seed", "3").stdout

    def test_on_a_file(self, tiny: Compiled, tiny_onnx: Path, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.ones((1, 3, 8, 8), np.float32))
        result = call("verify", tiny.library, tiny_onnx, "--input", tmp_path / "x.npy")
        assert "on the inputs given" in result.stdout

    def test_different(self, tiny: Compiled, tiny_onnx: Path) -> None:
        result = call("verify", tiny.library, tiny_onnx, "--tolerance", "1e-30", code=1)
        assert "differ by more than 1e-30:\n  - output 'y'" in result.stderr


def test_targets_lists_every_row_and_this_machine() -> None:
    names = [line.split()[0] for line in call("targets").stdout.splitlines()[1:]]
    assert names == ["native", *(target.name for target in all_targets())]
