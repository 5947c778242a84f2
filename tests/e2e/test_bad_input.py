"""Whatever a user can get wrong: one clear message, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import set_external_data

from separable.compiler.pipeline import Compiled
from tests.compiler.calls import call
from tests.compiler.models import make_model, node, random, save
from tests.compiler.tiny import compile_tiny, save_tiny, tiny_model
from tests.runtime.conftest import BuildModel, build_model, c_compiler

__all__ = ["build_model", "c_compiler"]  # fixtures

FOREIGN = "x86-64" if platform.machine() == "aarch64" else "arm64"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The tiny network compiled for a machine that this is not."""
    return compile_tiny(tmp_path_factory.mktemp("foreign"), target=FOREIGN)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compile_tiny(tmp_path_factory.mktemp("native"))


def fails(model: Path, *arguments: object) -> str:
    """Compile ``model``, which must fail and write nothing; return the message."""
    output = model.parent / "out"
    before = sorted(model.parent.iterdir()) if model.parent.is_dir() else []
    stderr = call("compile", model, "-o", output, *arguments, code=2).stderr
    assert (sorted(model.parent.iterdir()) if before else []) == before
    assert stderr.count("error: ") == 1
    return stderr.partition("error: ")[2]


class TestModels:
    @pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04", bytes(range(256)) * 40])
    def test_random_bytes(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_bytes(content)
        assert "m.onnx is no ONNX model" in fails(tmp_path / "m.onnx")

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_file(self, part: float, tmp_path: Path) -> None:
        content = tiny_model().SerializeToString()
        (tmp_path / "m.onnx").write_bytes(content[: int(part * len(content))])
        assert "m.onnx" in fails(tmp_path / "m.onnx")

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        assert "none.onnx cannot be read: No such file" in fails(tmp_path / "none.onnx")
        (tmp_path / "folder").mkdir()
        assert "folder cannot be read: Is a directory" in fails(tmp_path / "folder")

    def test_missing_external_data(self, tmp_path: Path) -> None:
        model = tiny_model()
        set_external_data(model.graph.initializer[0], "weights.bin", offset=0, length=864)
        model.graph.initializer[0].ClearField("raw_data")
        assert "'stem_w' needs the external data file 'weights.bin'" in fails(save(model, tmp_path))

    def test_every_unsupported_node_is_listed(self, tmp_path: Path) -> None:
        nodes = [node("NonZero", "x", "a", "first"), node("Frob", "x", "b", "second", domain="my.ops")]
        nodes += [node("Relu", "x", "y", "fine")]
        message = fails(save(make_model(nodes, {"x": [1, 3]}, outputs="a b y"), tmp_path))
        assert "2 nodes of this model cannot be compiled" in message
        assert "'first'" in message
        assert "'second'" in message
        assert "'fine'" not in message

    def test_weights_that_are_no_numbers_are_noted(self, tmp_path: Path) -> None:
        path = save(tiny_model(fc_b=np.full(5, np.nan, np.float32)), tmp_path)
        result = call("compile", path, "-o", tmp_path / "out")
        assert "note: weights 'fc_b' contain NaN" in result.stderr

    def test_a_dynamic_batch_is_noted(self, tmp_path: Path) -> None:
        result = call("compile", dynamic(tmp_path, ["N", 3, 8, 8]), "-o", tmp_path / "out")
        assert "note: input 'x': batch dimension 'N' set to 1" in result.stderr


def dynamic(folder: Path, shape: list[int | str]) -> Path:
    convolution = node("Conv", "x w", kernel_shape=[3, 3])
    return save(make_model([convolution], {"x": shape}, weights={"w": random(8, 3, 3, 3)}), folder)


class TestShapes:
    def test_a_negative_dimension_is_an_open_one(self, tmp_path: Path) -> None:
        call("compile", dynamic(tmp_path, [-1, 3, 8, 8]), "--shape", "x=1,3,8,8", "-o", tmp_path / "out")

    def test_a_dynamic_dimension(self, tmp_path: Path) -> None:
        message = fails(dynamic(tmp_path, [1, 3, "h", "w"]))
        assert "2 ('h'), 3 ('w') is symbolic; give its size with --shape x=1,3,h,w" in message

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ("z=1,3,8,8", "the model has no input 'z'; its inputs are 'x'"),
            ("x=1,3,8", "has 4 dimensions, not 3"),
            ("x=1,4,8,8", "dimension 1 is fixed = 3, not 4"),
            ("x=1,3,0,8", "every dimension must be at least 1"),
            ("x=99999999999999999999,3,8,8", "and at most 2147483647"),
            ("x=1,3,2,2", "its output 'y' of shape [1, 8, 0, 0] is empty"),
        ],
    )
    def test_a_wrong_shape(self, shape: str, message: str, tmp_path: Path) -> None:
        assert message in fails(dynamic(tmp_path, [1, 3, "h", "w"]), "--shape", shape)


class TestTargets:
    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("arm64:cortex-a67", "or arm64:cortex-a76 or"),
            ("x86-v3", "did you mean x86-64-v3"),
            ("arm64+dotpord", "unknown feature '+dotpord' of target 'arm64:generic'; did you mean dotprod?"),
            ("z80", "known: native, "),
        ],
    )
    def test_an_unknown_name(self, target: str, message: str, tmp_path: Path) -> None:
        assert message in fails(save_tiny(tmp_path), "--target", target)

    def test_a_missing_tool_chain(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ziglang" else find_spec(n))
        assert "no C compiler" in fails(save_tiny(tmp_path))

    def test_a_name_that_is_no_c_identifier(self, tmp_path: Path) -> None:
        assert "--name 'my model' is no C identifier" in fails(save_tiny(tmp_path), "--name", "my model")

    def test_a_name_too_long_for_files(self, tmp_path: Path) -> None:
        assert "has 300 letters; give one of 200 or fewer" in fails(save_tiny(tmp_path), "--name", 300 * "a")


class TestOutput:
    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        model = save_tiny(tmp_path)
        assert "cannot write the output folder" in fails(model, "-o", model)
        assert model.stat().st_size > 1000

    def test_a_place_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        # Nobody can make a folder there, root included.
        assert "cannot write the output folder /proc/separable" in fails(save_tiny(tmp_path), "-o", "/proc/separable")

    def test_a_folder_of_passes_that_is_a_file(self, tmp_path: Path) -> None:
        model = save_tiny(tmp_path)
        assert f"--dump-ir {model}: File exists" in fails(model, "--dump-ir", model)

    @pytest.mark.parametrize("suffix", [".so", ".json"])
    def test_a_full_disk(self, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "out"

        def full(path: Path, data: object) -> int:
            if path.suffix == suffix and path.is_relative_to(folder):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original_bytes(path, data) if isinstance(data, bytes) else original_text(path, str(data))

        original_bytes, original_text = Path.write_bytes, Path.write_text
        monkeypatch.setattr(Path, "write_bytes", full)
        monkeypatch.setattr(Path, "write_text", full)
        path = tmp_path / "tiny.onnx"
        original_bytes(path, tiny_model().SerializeToString())
        assert "No space left on device; choose another one with -o" in fails(path)

    @pytest.mark.parametrize("phase", ["import", "schedule", "generate code", "link"])
    def test_an_interrupt(self, phase: str, tmp_path: Path) -> None:
        model = save_tiny(tmp_path)
        (tmp_path / "temporary").mkdir()
        command = [sys.executable, "-c", "from separable.compiler.cli import main; main()"]
        process = subprocess.Popen(
            [*command, "compile", str(model), "--target", FOREIGN, "-o", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        )
        assert process.stderr is not None
        while not process.stderr.readline().endswith(f"  {phase}\n"):
            assert process.poll() is None, f"ended before the phase {phase!r}"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert stderr.endswith("error: interrupted\n")
        assert "Traceback" not in stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary", "tiny.onnx"]
        assert not list((tmp_path / "temporary").iterdir())


class TestLibraries:
    @pytest.mark.parametrize("verb", ["run", "verify"])
    def test_for_another_architecture(self, verb: str, foreign: Compiled) -> None:
        model = [foreign.folder.parent / "tiny.onnx"] if verb == "verify" else []
        stderr = call(verb, foreign.library, *model, code=2).stderr
        assert f"is compiled for {FOREIGN}, this machine is" in stderr

    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system's own C library is musl")
    def test_for_another_c_library(self, tmp_path: Path) -> None:
        musl = compile_tiny(tmp_path, target=f"{'arm64' if platform.machine() == 'aarch64' else 'x86-64'}-musl")
        assert "compiled for this system's C library" in call("run", musl.library, code=2).stderr

    @pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
    def test_truncated(self, part: float, native: Compiled, tmp_path: Path) -> None:
        content = native.library.read_bytes()
        (tmp_path / "short.so").write_bytes(content[: int(part * len(content))])
        assert "short.so is truncated" in call("run", tmp_path / "short.so", code=2).stderr

    def test_that_are_none(self, native: Compiled, tmp_path: Path) -> None:
        model = native.folder.parent / "tiny.onnx"
        assert "tiny.onnx is not a shared library" in call("run", model, code=2).stderr
        assert "none.so cannot be read" in call("run", tmp_path / "none.so", code=2).stderr
        assert "holds 0 libraries" in call("run", tmp_path, code=2).stderr
        shutil.copy(native.library, tmp_path / "a.so")
        shutil.copy(native.library, tmp_path / "b.so")
        assert "holds 2 libraries" in call("inspect", tmp_path, code=2).stderr

    def test_for_instructions_that_this_cpu_lacks(self, build_model: BuildModel) -> None:
        library = build_model("blur", "-DBLUR_ISA=(UINT64_C(1)<<0|UINT64_C(1)<<32)")  # of x86-64 and of arm64
        assert "but this CPU lacks " in call("run", library, code=2).stderr

    def test_verified_against_what_is_no_model(self, native: Compiled, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_bytes(b"nothing")
        assert "m.onnx is no ONNX model" in call("verify", native.library, tmp_path / "m.onnx", code=2).stderr


class TestInputs:
    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros((1, 3, 8, 8), np.float64), "dtype is float64, the model takes float32"),
            (np.zeros((3, 8, 8), np.float32), "shape is [3, 8, 8], the model takes [1, 3, 8, 8]"),
        ],
    )
    def test_an_array_that_does_not_fit(
        self, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]], message: str, native: Compiled, tmp_path: Path
    ) -> None:
        np.save(tmp_path / "x.npy", array)
        assert message in call("run", native.library, "--input", tmp_path / "x.npy", code=2).stderr

    def test_an_array_that_is_text(self, native: Compiled, tmp_path: Path) -> None:
        (tmp_path / "x.npy").write_text("nothing")
        error = call("run", native.library, "--input", tmp_path / "x.npy", code=2).stderr
        assert "is no array of numbers" in error
        assert "pickle" not in error

    def test_a_name_that_the_model_does_not_have(self, native: Compiled) -> None:
        error = call("run", native.library, "--input", "y=y.npy", code=2).stderr
        assert "the model has no input 'y'; it has x float32[1, 3, 8, 8]" in error

    def test_a_mean_without_a_picture(self, native: Compiled) -> None:
        assert "no --input is one" in call("run", native.library, "--mean", "0", code=2).stderr

    def test_a_picture_that_is_none(self, native: Compiled, tmp_path: Path) -> None:
        (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
        result = call("run", native.library, "--input", tmp_path / "x.jpg", code=2)
        assert "x.jpg: cannot read the picture" in result.stderr

    def test_labels_of_another_network(self, native: Compiled, tmp_path: Path) -> None:
        (tmp_path / "labels.txt").write_text("cat\ndog\n")
        result = call("run", native.library, "--labels", tmp_path / "labels.txt", code=2)
        assert "2 labels for 5 classes" in result.stderr


def test_a_model_of_an_old_operator_set(tmp_path: Path) -> None:
    model = tiny_model()
    model.opset_import[0].version = 5
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    assert "export it again with 7 or later" in fails(path)
