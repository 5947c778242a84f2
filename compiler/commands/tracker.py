"""``separable tracker``: the meeting place of devices and those who tune on them."""

from __future__ import annotations

from typing import Annotated

import typer

from separable.compiler.commands.terminal import print_note, stderr
from separable.compiler.tuning.sockets import Address
from separable.compiler.tuning.tracker import DEFAULT_PORT


def tracker_command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = DEFAULT_PORT,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
) -> None:
    """Start TVM's tracker, with which devices register; Ctrl-C ends it."""
    from separable.compiler.tuning.tracker_server import is_loopback, serve_tracker

    address = Address(listen, port)

    def ready() -> None:
        if not is_loopback(listen):
            print_note(
                "TVM RPC has no authentication: whoever reaches this port gets the devices and can run programs on "
                "them; use a network that you trust"
            )
        stderr().print(f"tracker: listening on {address}; Ctrl-C ends it", soft_wrap=True)

    serve_tracker(address, ready)
    stderr().print("tracker: ended", soft_wrap=True)
