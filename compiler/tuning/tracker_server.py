"""TVM's tracker as a process in the foreground."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable
from importlib import import_module

from separable.compiler.tuning.errors import TuningError
from separable.compiler.tuning.sockets import Address

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve_tracker(address: Address, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ``ready`` is called once devices can register.

    Raises:
        TuningError: the address cannot be listened on.
    """
    listener = _listen(address)
    with listener:
        # Imported late: it takes a second, and a port that is taken should be told at once.
        import_module("separable.compiler._tvm")  # loads TVM without torch
        tracker = import_module("tvm.rpc.tracker")

        tracker.logger.setLevel(logging.WARNING)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        asyncio.set_event_loop(asyncio.new_event_loop())
        handler = tracker.TrackerServerHandler(listener, tracker.base.random_key("tracker"))
        ready()
        try:
            handler.run()
        except KeyboardInterrupt:
            handler.stop()


def _listen(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=64)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = "another tracker may run already; --port chooses another port"
        else:
            hint = "--listen and --port choose another address"
        unknown_host = isinstance(error, socket.gaierror)
        reason = error.strerror if unknown_host else os.strerror(error.errno or errno.EINVAL)
        raise TuningError(f"cannot listen on {address}: {reason}; {hint}") from error
