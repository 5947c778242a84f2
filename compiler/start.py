"""The programs ``separable`` and ``compile``, which Ctrl-C ends in silence while they are still loading."""

from __future__ import annotations

import signal
from importlib import import_module
from typing import Any


def main() -> None:
    """The program ``separable``."""
    _load_cli().main()


def compile_main() -> None:
    """The program ``compile``."""
    _load_cli().compile_main()


def _load_cli() -> Any:
    """``cli.py``, imported while an interrupt ends the process at once instead of in a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    cli = import_module("separable.compiler.cli")
    signal.signal(signal.SIGINT, before)
    return cli
