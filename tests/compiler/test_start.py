from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import builtins, os, signal, sys
from separable.compiler import start

def load(name, *rest):
    if name == "separable.compiler.commands.agent":  # the first that cli.py loads
        os.kill(os.getpid(), signal.SIGINT)
    return original(name, *rest)

original, builtins.__import__ = builtins.__import__, load
start.main()
"""


def test_an_interrupt_while_loading_ends_it_in_silence() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_programs_start_and_see_interrupts_again() -> None:
    code = "import signal; from separable.compiler import start; start._load_cli(); print(signal.getsignal(2))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "default_int_handler" in done.stdout
