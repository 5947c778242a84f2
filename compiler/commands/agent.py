"""``separable agent``: the device's side of tuning, as files, on a phone over adb, or run on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from separable.compiler.commands.compile import TargetName
from separable.compiler.commands.terminal import print_facts, stderr
from separable.compiler.commands.units import bytes_text
from separable.compiler.tuning.tracker import DEFAULT_PORT


def agent_command(
    serial: Annotated[
        str | None, typer.Argument(metavar="[SERIAL]", help="With --adb: the phone, if there are several.")
    ] = None,
    target: TargetName = "native",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where to write the program and run.sh.")
    ] = None,
    adb: Annotated[bool, typer.Option("--adb", help="Push it to a phone, forward the ports and start it.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Run it on this machine.")] = False,
    tracker: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The tracker it registers with.")] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="What devices of this kind are called.")] = None,
    listen: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    advertise: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address that clients use.")] = None,
    cpus: Annotated[str | None, typer.Option(metavar="LIST", help="CPUs that programs may use, as 4-7.")] = None,
    runner: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Put before each program; for agents under an emulator.")
    ] = None,
) -> None:
    """Get the program that runs on devices: with -o as files, with --adb onto a phone, with --run here."""
    if (output is not None) + adb + run != 1:
        raise typer.BadParameter("one of -o DIR, --adb and --run says what to do")
    if serial is not None and not adb:
        raise typer.BadParameter("SERIAL belongs to --adb")
    if (adb or run) and key is None:
        raise typer.BadParameter("--key is missing: what devices of this kind are called")
    given = {"--listen": listen, "--advertise": advertise, "--cpus": cpus, "--runner": runner}
    options = [word for name, value in given.items() if value is not None for word in (name, value)]
    if adb:
        assert key is not None
        _on_phone(serial, tracker, key, options)
        return
    named = {"--tracker": tracker, "--key": key}
    options = [word for name, value in named.items() if value is not None for word in (name, value)] + options
    if output is not None:
        _as_files(output, target, options)
    else:
        _here(options)


def _as_files(folder: Path, target: str, options: list[str]) -> None:
    from separable.compiler.tuning.agent_build import agent_arch, agent_version, write_agent

    program = write_agent(folder, agent_arch(target), options)
    start = "" if "--key" in options else " --tracker HOST:PORT --key KEY"
    print_facts(
        [
            ("agent", f"{program}, {bytes_text(program.stat().st_size)}, version {agent_version()}"),
            ("next", f"copy {folder} to the device and run there: ./run.sh{start}"),
        ]
    )


def _here(options: list[str]) -> None:
    from separable.compiler.tuning.agent_build import agent_arch, build_agent

    program = build_agent(agent_arch("native"))
    os.execv(program, [str(program), *options])


def _on_phone(serial: str | None, tracker: str | None, key: str, options: list[str]) -> None:
    from separable.compiler.tuning.agent_adb import install_agent
    from separable.compiler.tuning.sockets import Address, parse_address
    from separable.compiler.tuning.tracker_server import LOOPBACK, is_loopback

    address = parse_address(tracker) if tracker else Address(LOOPBACK, DEFAULT_PORT)
    if not is_loopback(address.host):
        raise typer.BadParameter(
            f"with --adb the tracker runs on this machine, where adb takes the phone's connections; {address} does not"
        )
    port = address.port
    agent = install_agent(serial, port)
    stderr().print(
        f"agent: on phone {agent.serial}, port {agent.port}, tracker 127.0.0.1:{port}, key {key}; Ctrl-C ends it",
        soft_wrap=True,
    )
    process = agent.start(key, options)
    try:
        status = process.wait()
    finally:
        process.terminate()
        agent.stop()
    if status != 0:
        raise typer.Exit(2)
