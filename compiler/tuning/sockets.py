"""A TCP connection on which nothing waits for ever: every call has a moment at which it gives up."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

from separable.compiler.tuning.errors import TuningError

_PIECE = 1 << 20


@dataclass(frozen=True)
class Address:
    """Where a tracker or an agent listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """``127.0.0.1:9190``, ``board.local:9190`` or ``[::1]:9190``.

    Raises:
        TuningError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    brackets = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if brackets else host
    if not colon or not host or (":" in host) != brackets or not (port.isascii() and port.isdigit()):
        raise TuningError(f"{text!r} is no address; expected HOST:PORT, as 127.0.0.1:9190")
    if not 1 <= int(port) <= 65535:
        raise TuningError(f"{text!r}: there is no port {port}; they go from 1 to 65535")
    return Address(host, int(port))


def reason(error: Exception) -> str:
    """An error of a connection in few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (isinstance(error, OSError) and error.strerror) or str(error)


class Deadline:
    """A moment after which waiting is given up."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: it has passed.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("no answer in time")
        return seconds


class Connection:
    """A connection; every method raises OSError (TimeoutError among them) when the other side fails."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=deadline.left())
        except (UnicodeError, OverflowError) as error:  # the tracker may have sent anything
            raise OSError(f"{address} is no address") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            self._socket.settimeout(deadline.left())
            view = view[self._socket.send(view[:_PIECE]) :]

    def receive(self, size: int, deadline: Deadline) -> bytes:
        """Receive exactly ``size`` bytes; memory is taken as they arrive."""
        data = bytearray()
        while len(data) < size:
            self._socket.settimeout(deadline.left())
            piece = self._socket.recv(min(size - len(data), _PIECE))
            if not piece:
                raise ConnectionResetError("the connection was closed")
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Close it; a call that waits in another thread fails at once."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
