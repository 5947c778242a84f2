"""Everything that can go wrong on the way from an ONNX file to a library, as one small family of exceptions.

Each message says *what* is wrong, *where* (ONNX node, file or flag) and *what to do*. The command line prints the
message and exits with code 2; a traceback therefore always means a defect of the compiler, never of the user's input.
"""

from __future__ import annotations

from collections.abc import Sequence


class CompileError(Exception):
    """Base of every error a user can cause; ``str(error)`` is ready to be shown."""


class InvalidModel(CompileError):
    """The file is no ONNX model, is truncated, or breaks the ONNX specification."""


class MissingExternalData(InvalidModel):
    """An initializer refers to a data file that is not there or is too short."""


class UnsupportedOp(CompileError):
    """One or more nodes use an operator (or a form of it) that cannot be compiled; lists every one."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} node{'s' if count != 1 else ''} of this model cannot be compiled:"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class DynamicShape(CompileError):
    """A dimension is symbolic and no ``--shape`` gives it a value."""


class InvalidShape(CompileError):
    """A ``--shape`` names no input of the model, or contradicts the model."""


class UnknownTarget(CompileError):
    """No row of the target table has this name; the message offers the nearest names."""


class NoEstimate(CompileError):
    """No time can be estimated: the row of the target has no clock, or the model's precision is not float32."""


class UnsupportedPrecision(CompileError):
    """The target does not compute in the precision asked for, or the model's numbers do not fit it."""


class ToolchainMissing(CompileError):
    """The C compiler and linker (ziglang) cannot be found or do not run."""


class LinkError(CompileError):
    """The linked library breaks a promise (needs more than libc and libm, exports a foreign symbol, ...)."""


class OutputError(CompileError):
    """The output folder cannot be written: permissions, full disk, or a file is in the way."""


class InputError(CompileError):
    """An input given to ``run`` or ``verify`` (picture, array, labels) is unusable."""


class VerificationFailed(CompileError):
    """The compiled library and the ONNX model disagree by more than the tolerance."""
