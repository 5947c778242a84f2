"""Separable: a neural-network graph compiler for mobile CPUs.

``import separable`` and :func:`separable.load` need numpy only; the compiler itself (TVM, ONNX) is imported when
:func:`separable.compile_model` is first called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from separable.compiler.errors import CompileError as CompileError
    from separable.compiler.options import CompileOptions as CompileOptions
    from separable.compiler.pipeline import compile_model as compile_model
    from separable.runtime.loader import Model as Model
    from separable.runtime.loader import ModelError as ModelError
    from separable.runtime.loader import load as load

__version__ = "0.1.0"

_LAZY = {
    "CompileError": "separable.compiler.errors",
    "CompileOptions": "separable.compiler.options",
    "Model": "separable.runtime.loader",
    "ModelError": "separable.runtime.loader",
    "compile_model": "separable.compiler.pipeline",
    "load": "separable.runtime.loader",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    """Import the public names on first use (PEP 562), so that loading a model never imports the compiler."""
    if name not in _LAZY:
        raise AttributeError(f"module 'separable' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
