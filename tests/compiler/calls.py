"""The command line called in this process, which is faster than a program and lets tests put obstacles in its way."""

from __future__ import annotations

from dataclasses import dataclass

from typer.testing import CliRunner

from separable.compiler.cli import app


@dataclass(frozen=True)
class Printed:
    """What a verb printed."""

    stdout: str
    stderr: str


def call(*arguments: object, code: int = 0) -> Printed:
    """Run ``separable ARGUMENTS``; its exit code must be ``code``, and no other exception may leave it."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="separable")
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return Printed(result.stdout, result.stderr)
