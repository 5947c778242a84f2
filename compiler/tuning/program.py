"""Objects + a measuring program in C -> a static executable, which needs nothing of the device but its kernel.

Compiled for musl: such a program runs on every Linux, Android included. The C objects are compiled once for a target;
a candidate then costs one run of the linker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from separable.compiler.emit.c_source import RUNTIME
from separable.compiler.errors import LinkError, ToolchainMissing
from separable.compiler.tuning.agent_build import ZIG_TARGETS
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.row import Target
from separable.targets.toolchain import RELEASE, STATIC, run_zig

_HERE = Path(__file__).parent
_COMPILE = ("-std=c11", *RELEASE, "-pthread", "-c")
_LINK = (*STATIC, "-pthread", "-lm")


class StaticLinker:
    """Links programs for one target.

    Attributes:
        target: what they run on.
        folder: where the objects that all of them share lie.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self._objects: dict[Path, Path] = {}
        self._lock = Lock()

    def link(self, output: Path, sources: Sequence[str], objects: Sequence[Path]) -> Path:
        """Link C files of this folder, or of the runtime, with objects to a program.

        Raises:
            ToolchainMissing: there is no C compiler.
            LinkError: it failed.
        """
        shared = [self._object(source) for source in sources]
        self._zig(*_LINK, *map(str, (*shared, *objects)), "-o", str(output))
        return output

    def compile(self, source: Path, output: Path) -> Path:
        """Compile a C file or one of assembly to an object; raises as :func:`link`."""
        self._zig(*_COMPILE, f"-I{RUNTIME}", f"-I{_HERE}", str(source), "-o", str(output))
        return output

    def _object(self, source: str) -> Path:
        """The object of a C file by its name, compiled at its first use."""
        path = _HERE / source if (_HERE / source).exists() else RUNTIME / source
        with self._lock:
            if path not in self._objects:
                self._objects[path] = self.compile(path, self.folder / f"{path.stem}.o")
            return self._objects[path]

    def _zig(self, *arguments: str) -> None:
        try:
            run_zig(["cc", "-target", ZIG_TARGETS[self.target.arch], *arguments])
        except ToolchainNotFound as error:
            raise ToolchainMissing(str(error)) from error
        except ToolchainError as error:
            raise LinkError(str(error)) from error
