"""Kernels -> machine code: LLVM's, or for some cores in program order its assembly with loops scheduled anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tvm
from tvm.runtime import Module
from tvm.tirx import transform as tirx_passes

from separable.compiler.emit.kernel import LoweredKernel
from separable.compiler.emit.split_loads import split_loads
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.row import Target
from separable.targets.toolchain import compile_and_link


def build_object(kernels: Sequence[LoweredKernel], target: Target, path: Path) -> None:
    """Compile kernels into one relocatable object file at ``path``.

    Raises:
        ToolchainMissing, LinkError: the assembler does not start or failed.
    """
    if not target.half_loads:
        _compile(kernels, target).write_to_file(str(path), "o")
        return
    source = path.with_suffix(".s")
    source.write_text(assembly(kernels, target))
    try:
        compile_and_link(path, target=target, sources=[source], flags=["-c"])
    except ToolchainNotFound as error:
        raise ToolchainMissing(str(error)) from error
    except ToolchainError as error:
        raise LinkError(str(error)) from error
    finally:
        source.unlink()


def assembly(kernels: Sequence[LoweredKernel], target: Target) -> str:
    """The same as text."""
    text = str(_compile(kernels, target).inspect_source("asm"))
    if not target.half_loads:
        return text
    # LLVM names the extensions that functions use in attributes, which assembly has none of.
    extension = "\t.arch_extension fp16\n" if "fp16" in target.isa else ""
    return extension + split_loads(text, target)


def _compile(kernels: Sequence[LoweredKernel], target: Target) -> Module:
    llvm = tvm.target.Target(dict(target.tvm))
    functions = {kernel.func.attrs["global_symbol"]: kernel.func for kernel in kernels}
    module: Module = tvm.get_global_func("target.build.llvm")(
        tirx_passes.BindTarget(llvm)(tvm.IRModule(functions)), llvm
    )
    return module
