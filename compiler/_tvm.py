"""TVM without torch: modules of the compiler take ``tvm`` and ``relax`` from here.

tvm_ffi imports torch when it is installed, only to hand tensors over to it: 1-6 s that every compilation would wait
for. It is hidden while TVM loads and stays importable afterwards; a torch that is already loaded is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["relax", "tvm"]


@contextmanager
def _torch_hidden() -> Iterator[None]:
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # documented: None makes an import raise ImportError
    try:
        yield
    finally:
        del sys.modules["torch"]


with _torch_hidden():
    import tvm
    from tvm import relax
