"""``separable doctor``: is everything there that tuning needs?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from separable.compiler.commands.compile import TargetName
from separable.compiler.commands.terminal import stdout

_COLOURS = {"ok": "green", "wrong": "bold red", "skipped": "dim"}


def doctor_command(
    target: TargetName = "native",
    tracker: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The tracker of the devices.")] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="What the devices are called.")] = None,
    adb: Annotated[bool, typer.Option("--adb", help="Look at the phones on a cable, too.")] = False,
    ndk: Annotated[bool, typer.Option("--ndk", help="Look at Android's NDK, too.")] = False,
) -> None:
    """Check every link between this machine and the devices, and say what mends it."""
    from separable.compiler.tuning.doctor import Patient, examine
    from separable.compiler.tuning.sockets import parse_address

    if (tracker is None) != (key is None):
        raise typer.BadParameter("--tracker and --key, what the devices are called, belong together")
    patient = Patient(target, parse_address(tracker) if tracker else None, key, adb, ndk)
    wrong = False
    for finding in examine(patient):
        wrong |= finding.state == "wrong"
        line = Text.assemble((f"{finding.state:<8}", _COLOURS[finding.state]), f"{finding.check}: {finding.text}")
        stdout().print(line, soft_wrap=True)
        if finding.remedy:
            stdout().print(f"        -> {finding.remedy}", soft_wrap=True)
    if wrong:
        raise typer.Exit(1)
