"""The command line called in this process, which is faster than a program and lets tests put obstacles in its way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

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


def interrupt_once_written(written: Path, *arguments: object) -> None:
    """Run ``separable ARGUMENTS`` as a program, press Ctrl-C once a file has content: it ends in order and says so."""
    code = "from separable.compiler.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    end = time.monotonic() + 60
    while time.monotonic() < end and not (written.exists() and written.stat().st_size > 0):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
