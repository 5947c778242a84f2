"""The Android example, built for this machine: its program is run, its Java side compiled against declarations."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from separable.compiler.inputs import random_inputs
from separable.compiler.pipeline import Compiled
from separable.compiler.verify import reference_outputs
from separable.runtime.loader import load
from tests.compiler.tiny import compile_tiny

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "android"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compile_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def build(tiny: Compiled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    options = [f"-DSEPARABLE_MODEL_DIR={tiny.folder}", "-DSEPARABLE_MODEL_NAME=tiny", "-DCMAKE_C_FLAGS=-Werror"]
    options.append(f"-DJNI_HEADER_DIR={ROOT / 'tests' / 'examples' / 'jni'}")
    for command in (["-S", str(EXAMPLE), "-B", str(folder), *options], ["--build", str(folder)]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    os.symlink(tiny.library, folder / "tiny.so")  # beside the program, as on the phone
    return folder


def test_the_program_classifies(build: Path, tiny: Compiled, tmp_path: Path) -> None:
    with load(tiny.library) as model:
        inputs = random_inputs(model.inputs, 0)
    (expected,) = reference_outputs(tiny.folder.parent / "tiny.onnx", inputs)
    picture = tmp_path / "picture.f32"
    inputs["x"].tofile(picture)
    time, *lines = subprocess.run(
        [build / "classify", picture, "1"], capture_output=True, check=True
    ).stdout.splitlines()
    assert re.fullmatch(rb"\d+\.\d\d ms", time)
    classes = [int(line.split()[0]) for line in lines]
    values = [float(line.split()[1]) for line in lines]
    assert classes == list(np.argsort(-expected.reshape(-1)))
    np.testing.assert_allclose(values, expected.reshape(-1)[classes], rtol=1e-3)


@pytest.mark.parametrize(("size", "message"), [(4, "holds less than the 768 bytes"), (1000, "holds more than the 768")])
def test_a_picture_of_another_size(size: int, message: str, build: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.f32"
    picture.write_bytes(bytes(size))
    done = subprocess.run([build / "classify", picture], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr


def test_every_native_function_of_the_kotlin_class_is_there(build: Path) -> None:
    declared = set(re.findall(r"external fun (\w+)\(", (EXAMPLE / "jni" / "Model.kt").read_text()))
    with (build / "libseparable_jni.so").open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        names = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] != "SHN_UNDEF"}
    assert {name.removeprefix("Java_org_separable_Model_") for name in names if name.startswith("Java_")} == declared
    assert len(declared) == 5
