"""The promises of a library: small, self-sufficient, linkable beside others, frugal, safe in threads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Compiled, compile_model
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

from .support import HERE, CompileLibrary, random_inputs, range_errors, reference

MAX_OVERHEAD_BYTES = 1_500_000
LIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}

pytestmark = pytest.mark.xdist_group("library")


@pytest.fixture(scope="module")
def small_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thin MobileNet."""
    path = tmp_path_factory.mktemp("zoo") / "small.onnx"
    export_mobilenet_v1(MobileNetV1(alpha=0.25, resolution=64, classes=10), path)
    return path


def build_program(source: str, models: list[Compiled], folder: Path) -> Path:
    """Compile a C program, link it with libraries, include their headers."""
    program = folder / Path(source).stem
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-rdynamic", "-pthread"]
    compile_and_link(
        program,
        target=find_target("native"),
        sources=[HERE / source, HERE / "strict_memory.c"],
        objects=[model.library for model in models],
        include_dirs=[HERE, *(model.folder for model in models)],
        flags=[*flags, *(f"-Wl,-rpath,{model.folder.resolve()}" for model in models)],
    )
    return program


@pytest.mark.parametrize("target", ["native", "arm64", "x86-64-v2"])
def test_it_is_small_needs_libc_only_and_exports_its_functions_only(
    target: str, small_onnx: Path, compile_library: CompileLibrary
) -> None:
    compiled = compile_library(small_onnx, target).compiled
    weight_bytes = compiled.manifest["weight_bytes"]
    assert weight_bytes <= compiled.library.stat().st_size <= weight_bytes + MAX_OVERHEAD_BYTES
    with compiled.library.open("rb") as file:
        elf = ELFFile(file)
        dynamic, symbols = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".dynsym")
        assert isinstance(dynamic, DynamicSection)
        assert isinstance(symbols, SymbolTableSection)
        needed = {vars(tag)["needed"] for tag in dynamic.iter_tags("DT_NEEDED")}
        exported = {s.name for s in symbols.iter_symbols() if s.name and s["st_shndx"] != "SHN_UNDEF"}
        segments = [segment["p_type"] for segment in elf.iter_segments()]
        stack = next(segment for segment in elf.iter_segments("PT_GNU_STACK"))
        executable_stack = bool(stack["p_flags"] & 1)
    functions = ("abi_version", "create", "describe", "destroy", "last_error", "profile", "run", "variant")
    assert exported == {f"small_{function}" for function in functions}
    assert needed <= LIBC
    assert "PT_TLS" not in segments
    assert not executable_stack


@pytest.mark.parametrize("target", ["native", "arm64"])
def test_it_runs_from_c_in_an_empty_environment_and_allocates_nothing_in_run(
    target: str, small_onnx: Path, compile_library: CompileLibrary
) -> None:
    library = compile_library(small_onnx, target)
    batch = np.concatenate([random_inputs(library.compiled, seed)["input"] for seed in range(3)])
    (actual,) = library.run({"input": batch}, threads=2, images=3)
    expected = np.concatenate([reference(small_onnx, {"input": image[None]})[0] for image in batch])
    assert max(range_errors([actual], [expected])) <= 1e-4


def test_two_models_in_one_program(
    tiny_onnx: Path, small_onnx: Path, compile_library: CompileLibrary, tmp_path: Path
) -> None:
    libraries = [compile_library(path, "native") for path in (tiny_onnx, small_onnx)]
    program = build_program("two_models.c", [library.compiled for library in libraries], tmp_path)
    expected, arguments = [], []
    for library in libraries:
        inputs = random_inputs(library.compiled)
        (values,) = inputs.values()
        arguments.append(tmp_path / f"{library.model.stem}.bin")
        values.tofile(arguments[-1])
        expected += reference(library.model, inputs)
    output = subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60).stdout
    values = np.frombuffer(output, np.float32)
    actual = np.split(values, [expected[0].size])
    assert max(range_errors(actual, [e.reshape(-1) for e in expected])) <= 1e-4


def test_many_handles_at_once_and_one_after_another(
    tiny_onnx: Path, compile_library: CompileLibrary, tmp_path: Path
) -> None:
    program = build_program("many_handles.c", [compile_library(tiny_onnx, "native").compiled], tmp_path)
    subprocess.run([program], check=True, timeout=120)


def test_names_that_differ_in_case_only_link_together(tiny_onnx: Path, tmp_path: Path) -> None:
    """Their headers must not take each other for read."""
    compiled = [compile_model(CompileOptions(tiny_onnx, output=tmp_path / name, name=name)) for name in ("Net", "net")]
    source = tmp_path / "program.c"
    source.write_text(
        '#include "Net.h"\n#include "net.h"\n'
        "int main(void) { return Net_abi_version() != SEPARABLE_ABI_VERSION || net_abi_version() != 2; }\n"
    )
    subprocess.run([build_program(str(source), compiled, tmp_path)], check=True, timeout=60)


_SMAPS = """
import re, sys
import numpy as np
from separable.runtime.loader import load
with load(sys.argv[1]) as model:
    model(np.zeros(model.inputs[0].shape, np.float32))
    print(open("/proc/self/smaps").read())
"""


def test_weights_stay_clean_pages_of_the_file(small_onnx: Path, compile_library: CompileLibrary) -> None:
    compiled = compile_library(small_onnx, "native").compiled
    command = [sys.executable, "-c", _SMAPS, str(compiled.library.resolve())]
    smaps = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)
    read_only = [text for text in mappings if " r--p " in text and str(compiled.library.resolve()) in text]
    sizes = [int(size) for text in read_only for size in re.findall(r"^Size: +(\d+) kB", text, re.MULTILINE)]
    weights = read_only[int(np.argmax(sizes))]
    assert 1024 * max(sizes) >= compiled.manifest["weight_bytes"]
    # A page that was written to, or copied from the file, would be anonymous.
    assert re.search(r"^Anonymous: +0 kB", weights, re.MULTILINE)
    assert not re.search(r"^Rss: +0 kB", weights, re.MULTILINE)
