"""The loader as a user meets it: load, call, profile, close, and every mistake it catches."""

from __future__ import annotations

import copy
import gc
import importlib.util
import json
import os
import pickle
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.runtime import loader
from separable.runtime.loader import Model, ModelError, TensorSpec, load
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

from .conftest import ROOT, BuildModel


@pytest.fixture(scope="module")
def blur(build_model: BuildModel) -> Path:
    return build_model("blur")


@pytest.fixture(scope="module")
def pair(build_model: BuildModel) -> Path:
    return build_model("pair")


def image(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((1, 2, 6, 8), dtype=np.float32)


def blurred(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    bias = np.array([0.5, -1.5], np.float32).reshape(1, 2, 1, 1)
    return np.asarray(2 * (windows.sum(axis=(4, 5)) + bias))


def misaligned() -> np.ndarray[Any, Any]:
    return np.zeros(385, np.uint8)[1:].view(np.float32).reshape(1, 2, 6, 8)


class TestModel:
    @pytest.mark.parametrize("threads", [None, 1, 2, 4])
    def test_one_input_and_output(self, blur: Path, threads: int | None) -> None:
        with load(blur, threads=threads) as model:
            for seed in range(3):
                np.testing.assert_allclose(model(image(seed)), blurred(image(seed)), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("cores", ["big", "all", "list"])
    def test_cores(self, blur: Path, cores: str) -> None:
        affinity = os.sched_getaffinity(0)
        with load(blur, cores=sorted(affinity) if cores == "list" else cores) as model:
            np.testing.assert_allclose(model(image()), blurred(image()), rtol=1e-5, atol=1e-5)
        assert os.sched_getaffinity(0) == affinity

    def test_named_and_positional(self, pair: Path) -> None:
        count = np.arange(12, dtype=np.int32).reshape(4, 3)
        offset = np.full((4, 3), 0.5, np.float32)
        with load(pair) as model:
            for result in (
                model(count, offset),
                model({"offset": offset, "count": count}),
                model.run({"count": count, "offset": offset}),
            ):
                assert isinstance(result, dict)
                np.testing.assert_array_equal(result["sum"], count + offset)
                np.testing.assert_array_equal(result["negated"], -count)

    def test_out(self, blur: Path, pair: Path) -> None:
        with load(blur) as model:
            y = np.empty((1, 2, 6, 8), np.float32)
            assert model(image(), out=y) is y
            np.testing.assert_allclose(y, blurred(image()), rtol=1e-5, atol=1e-5)
            assert model.run({"x": image()}, {"y": y})["y"] is y
        with load(pair) as model:
            total = np.empty((4, 3), np.float32)
            result = model(np.ones((4, 3), np.int32), np.ones((4, 3), np.float32), out={"sum": total})
            assert isinstance(result, dict)
            assert result["sum"] is total
            assert result["negated"].min() == -1
            assert total.min() == 2

    def test_description(self, pair: Path) -> None:
        with load(pair) as model:
            assert model.manifest["name"] == "pair"
            assert model.inputs == (
                TensorSpec("count", (4, 3), np.dtype("int32")),
                TensorSpec("offset", (4, 3), np.dtype("float32")),
            )
            assert [str(spec) for spec in model.outputs] == ["sum float32[4, 3]", "negated int32[4, 3]"]

    def test_profile(self, blur: Path) -> None:
        with load(blur) as model:
            for times in (model.profile(image()), model.profile({"x": image()})):
                assert [time.kernel for time in times] == ["k0_pad", "k1_blur", "k2_double", "k3_spoil"]
                assert times[1].name == "blur+bias"
                assert times[1].flops == 912
                assert times[0].bytes == 768
                assert all(time.nanoseconds >= 0 for time in times)

    def test_from_many_threads(self, blur: Path) -> None:
        with load(blur, threads=2) as shared, load(blur, threads=1) as other, ThreadPoolExecutor(4) as threads:
            models = [shared, shared, other, shared] * 20
            results = threads.map(lambda model, seed: model(image(seed)), models, range(80))
            for seed, result in enumerate(results):
                np.testing.assert_allclose(result, blurred(image(seed)), rtol=1e-5, atol=1e-5)

    def test_in_a_forked_process(self, blur: Path) -> None:
        model = load(blur, threads=2)
        model(image())
        child = os.fork()
        if child == 0:
            same = np.allclose(model(image(1)), blurred(image(1)), atol=1e-5)
            model.close()
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        model.close()

    def test_forked_while_another_thread_runs_it(self, blur: Path) -> None:
        with load(blur, threads=2) as model, model._lock:  # which stands for a run of another thread
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # ends a child that hangs
                right = False
                try:
                    model(image())
                except ModelError as error:
                    right = "blur was running in another thread when this process was forked; load it" in str(error)
                model.close()
                with load(blur, threads=2) as again:
                    right = right and np.allclose(again(image()), blurred(image()), atol=1e-5)
                os._exit(0 if right else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    @pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
    def test_has_one_owner(self, blur: Path, take: Callable[[Model], object]) -> None:
        with (
            load(blur) as model,
            pytest.raises(TypeError, match=r"model blur cannot be copied .*load its library again"),
        ):
            take(model)

    @pytest.mark.parametrize("given", [False, True])
    def test_binding_reads_and_writes_its_arrays(self, blur: Path, given: bool) -> None:
        x, y = image(), np.empty((1, 2, 6, 8), np.float32)
        with load(blur) as model:
            binding = model.bind(x, out=y) if given else model.bind({"x": x})
            for seed in range(3):
                x[:] = image(seed)
                outputs = binding.run()
                assert outputs is binding.outputs
                np.testing.assert_allclose(outputs["y"], blurred(image(seed)), rtol=1e-5, atol=1e-5)
            assert (outputs["y"] is y) == given
        with pytest.raises(ModelError, match=r"model blur is closed; load it again"):
            binding.run()

    def test_binding_keeps_its_arrays_alive(self, pair: Path) -> None:
        with load(pair) as model:
            binding = model.bind(np.full((4, 3), 2, np.int32), np.full((4, 3), 0.5, np.float32))
            gc.collect()
            others = [np.full((4, 3), 7, np.int32) for _ in range(20)]
            np.testing.assert_array_equal(binding.run()["sum"], np.full((4, 3), 2.5))
            assert len(others) == 20

    def test_binding_checks_its_arrays(self, blur: Path) -> None:
        with load(blur) as model, pytest.raises(ModelError, match=r"input 'x' has shape \(1, 2, 6, 7\), expected"):
            model.bind(image()[..., :7].copy())

    def test_closed(self, blur: Path) -> None:
        with load(blur) as model:
            pass
        model.close()
        for use in (lambda: model(image()), lambda: model.profile(image())):
            with pytest.raises(ModelError, match=r"model blur is closed; load it again"):
                use()

    def test_dropped_model_ends_its_threads(self, blur: Path) -> None:
        before = len(os.listdir("/proc/self/task"))
        for _ in range(20):
            load(blur)(image())
        gc.collect()
        assert len(os.listdir("/proc/self/task")) == before

    def test_renamed_library(self, blur: Path, tmp_path: Path) -> None:
        renamed = shutil.copy(blur, tmp_path / "other name.bin")
        with load(renamed) as model:
            assert model.manifest["name"] == "blur"


class TestBesideTheLibrary:
    """The loader's file as the compiler delivers it: NAME.py beside NAME.so, without this package."""

    @pytest.fixture
    def folder(self, blur: Path, tmp_path: Path) -> Path:
        shutil.copy(blur, tmp_path / "blur.so")
        shutil.copy(loader.__file__, tmp_path / "blur.py")
        return tmp_path

    def test_load_without_path(self, folder: Path) -> None:
        spec = importlib.util.spec_from_file_location("blur", folder / "blur.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert "blur" not in sys.modules
        with module.load() as model:
            np.testing.assert_allclose(model(image()), blurred(image()), rtol=1e-5, atol=1e-5)

    def test_needs_numpy_only(self, folder: Path) -> None:
        code = f"import runpy, sys; runpy.run_path({str(folder / 'blur.py')!r});"
        code += "print(*({'separable', 'tvm', 'onnx', 'torch'} & sys.modules.keys()))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""

    def test_as_a_program(self, folder: Path) -> None:
        command = [sys.executable, str(folder / "blur.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["outputs"][0]["name"] == "y"
        (folder / "blur.so").unlink()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert re.search(r"blur\.so cannot be read: No such file.*; check the path", done.stderr)


class TestBadArrays:
    @pytest.fixture
    def model(self, blur: Path) -> Iterator[Model]:
        with load(blur, threads=1) as model:
            yield model

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            ([1.0], r"input 'x' is a list, expected a numpy array; use np\.asarray"),
            (image().astype(np.float64), r"'x' has dtype float64, expected float32; use \.astype\('float32'\)"),
            (image().astype(">f4"), r"'x' has dtype >f4, expected float32"),
            (image()[0], r"'x' has shape \(2, 6, 8\), expected \(1, 2, 6, 8\)"),
            (image().transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2), r"not contiguous in memory; use \.copy"),
            (np.zeros((1, 2, 6, 9), np.float32)[..., 1:], r"not contiguous in memory; use \.copy"),
            (misaligned(), r"not aligned in memory; use \.copy"),
            ({"y": image()}, r"no input 'y'; its inputs are: x float32\[1, 2, 6, 8\]"),
            ({"x": image(), 1: image(), "a": image()}, r"no input '1'; its inputs are"),
            ({}, r"input 'x' is missing; give x float32\[1, 2, 6, 8\]"),
        ],
    )
    def test_input(self, model: Model, x: Any, message: str) -> None:
        with pytest.raises(ModelError, match=message):
            model(x)

    def test_an_array_instead_of_arrays_by_name(self, model: Model) -> None:
        with pytest.raises(ModelError, match="the inputs are a ndarray, expected a mapping from names to arrays"):
            model.run(image())  # type: ignore[arg-type]

    def test_wrong_number(self, model: Model) -> None:
        with pytest.raises(ModelError, match=r"2 inputs are given, the model has 1: x float32\[1, 2, 6, 8\]"):
            model(image(), image())

    def test_output(self, model: Model) -> None:
        x = image()
        frozen = image()
        frozen.flags.writeable = False
        for out, message in [
            (image().astype(np.float16), "output 'y' has dtype float16"),
            (image()[0], "output 'y' has shape"),
            (frozen, "output 'y' is read-only"),
            (x, "output 'y' overlaps"),
            ({"z": image()}, "no output 'z'"),
            (misaligned(), r"output 'y' is not aligned in memory; give np.empty\(\(1, 2, 6, 8\), 'float32'\)"),
            (image()[:, :, ::-1], "output 'y' is not contiguous in memory; give np.empty"),
            ([], "output 'y' is a list, expected a numpy array; give np.empty"),
        ]:
            with pytest.raises(ModelError, match=message):
                model(x, out=out)

    @pytest.mark.parametrize("out", [image(), [], 0])
    def test_outputs_that_have_no_names(self, model: Model, out: Any) -> None:
        with pytest.raises(ModelError, match=rf"the outputs are a {type(out).__name__}, expected a mapping"):
            model.run({"x": image()}, out)


class TestBadLibraries:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"nothing\.so cannot be read: No such file.*check the path"):
            load(tmp_path / "nothing.so")
        with pytest.raises(ModelError, match="cannot be read: Is a directory"):
            load(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"\x7fELF", b"import numpy\n" * 100])
    def test_not_a_library(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "text.so").write_bytes(content)
        with pytest.raises(ModelError, match=r"text\.so is not a shared library; give the \.so"):
            load(tmp_path / "text.so")

    def test_not_a_model(self) -> None:
        from _ctypes import __file__ as library  # any library that is no model

        with pytest.raises(ModelError, match="is no compiled model: it exports 0 functions NAME_abi_version"):
            load(library)

    def test_truncated_anywhere(self, blur: Path, tmp_path: Path) -> None:
        content = blur.read_bytes()
        short = tmp_path / "short.so"
        for size in [20, 63, 64, 100, *range(1000, len(content), 997), len(content) - 1]:
            short.write_bytes(content[:size])
            with pytest.raises(ModelError, match=r"truncated: it holds \d+ of \d+ bytes; copy the file again"):
                load(short)

    @pytest.mark.parametrize(("offset", "value"), [(18, 40), (18, 22), (4, 1), (16, 2)])
    def test_foreign(self, blur: Path, tmp_path: Path, offset: int, value: int) -> None:
        content = bytearray(blur.read_bytes())
        content[offset] = value
        (tmp_path / "foreign.so").write_bytes(content)
        with pytest.raises(ModelError, match=r"compiled for (arm|ELF machine 22), this machine is|no 64-bit shared"):
            load(tmp_path / "foreign.so")

    def test_other_architecture(self, blur: Path, tmp_path: Path) -> None:
        there, here, machine = ("arm64", "x86-64", 183) if os.uname().machine == "x86_64" else ("x86-64", "arm64", 62)
        content = bytearray(blur.read_bytes())
        content[18] = machine
        (tmp_path / "foreign.so").write_bytes(content)
        with pytest.raises(ModelError, match=f"is compiled for {there}, this machine is {here}; compile it for this"):
            load(tmp_path / "foreign.so")

    def test_32_bits(self, blur: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file for armv7 passes all checks on such a machine; what stops it here is this system's own loader."""
        (tmp_path / "m.c").write_text("int m_abi_version(void) { return 1; }\n")
        library = tmp_path / "m.so"
        flags = ["-shared", "-fPIC"]
        compile_and_link(library, target=find_target("armv7"), sources=[tmp_path / "m.c"], flags=flags)
        with pytest.raises(ModelError, match=r"compiled for arm, this machine is"):
            load(library)
        for machine in ("armv7l", "armv8l"):
            monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
            with pytest.raises(ModelError, match=r"m\.so: this system cannot load it"):
                load(library)
            with pytest.raises(ModelError, match=r"compiled for (x86-64|arm64), this machine is arm;"):
                load(blur)
        content = library.read_bytes()
        short = tmp_path / "short.so"
        for size in (20, 51, 52, 100, *range(500, len(content), 997), len(content) - 1):
            short.write_bytes(content[:size])
            with pytest.raises(ModelError, match=r"truncated: it holds \d+ of \d+ bytes"):
                load(short)
        short.write_bytes(content[:4] + b"\2" + content[5:])
        with pytest.raises(ModelError, match="is no 32-bit shared library"):
            load(short)

    @pytest.mark.parametrize("field", [40, 41, 45, 60])  # bytes of e_shoff and e_shnum
    def test_damaged_section_table(self, blur: Path, tmp_path: Path, field: int) -> None:
        content = bytearray(blur.read_bytes())
        content[field] ^= 0x7F
        (tmp_path / "damaged.so").write_bytes(content)
        with pytest.raises(ModelError, match=r"damaged\.so is (damaged|truncated|no compiled model)"):
            load(tmp_path / "damaged.so")

    def test_abi_version(self, build_model: BuildModel) -> None:
        with pytest.raises(ModelError, match=r"has ABI version 99, this loader knows version 2; use the loader"):
            load(build_model("blur", "-DBLUR_ABI_VERSION=99"))

    def test_cpu_lacks_features(self, build_model: BuildModel) -> None:
        library = build_model("blur", "-DBLUR_ISA=(UINT64_C(1)<<0|UINT64_C(1)<<32)")  # sse42 and asimd
        with pytest.raises(ModelError, match=r"blur was compiled for a test CPU, but this CPU lacks (SSE4.2|Advanced)"):
            load(library)

    def test_no_such_variant(self, blur: Path) -> None:
        with pytest.raises(ModelError, match=r"options\.variant is 'a Mill', blur has a test CPU"):
            load(blur, variant="a Mill")
        with pytest.raises(ModelError, match="variant is 3, expected the name of a target"):
            load(blur, variant=3)  # type: ignore[arg-type]

    def test_threads(self, blur: Path) -> None:
        with pytest.raises(ModelError, match=r"blur\.so: options\.threads is -1, expected 0 or more"):
            load(blur, threads=-1)
        with pytest.raises(ModelError, match=f"threads is {1 << 40}, expected the number of CPUs"):
            load(blur, threads=1 << 40)

    @pytest.mark.parametrize("threads", ["2", 2.0, [1]])
    def test_threads_that_are_no_number(self, blur: Path, threads: Any) -> None:
        with pytest.raises(ModelError, match=re.escape(f"threads is {threads!r}, expected the number of CPUs to use")):
            load(blur, threads=threads)

    @pytest.mark.parametrize(
        ("cores", "message"),
        [
            ("fast", r"cores is 'fast', expected 'big', 'all' or a list of CPU numbers"),
            (["big"], r"cores is \['big'\], expected 'big', 'all' or a list of CPU numbers"),
            ([2**32], r"cores is \[4294967296\], expected"),
            (1, r"cores is 1, expected"),
            (b"all", r"cores is b'all', expected"),
            ([], r"blur\.so: options\.cores is 0 and options\.cpu_count 0, expected .* a list of at least one CPU"),
            ([99999], r"blur\.so: options\.cpus\[0\] is 99999, a CPU that is not there or not allowed"),
            ([-1], r"options\.cpus\[0\] is -1, a CPU"),
        ],
    )
    def test_cores(self, blur: Path, cores: Any, message: str) -> None:
        with pytest.raises(ModelError, match=message):
            load(blur, cores=cores)


def test_abi_version_matches_the_header() -> None:
    header = (ROOT / "runtime" / "separable.h").read_text()
    assert f"#define SEPARABLE_ABI_VERSION {loader.ABI_VERSION}\n" in header
