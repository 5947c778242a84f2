"""A client of the agent's functions: TVM's RPC protocol 0.8.0, as far as strings, bytes and numbers go.

TVM's own client has no time limits: one frozen phone blocks it for ever, even in a destructor. Here every answer is due
at a time. ``runtime/agent/wire.h`` describes the packets.
"""

from __future__ import annotations

import contextlib
import struct

from separable.compiler.tuning.errors import TuningError
from separable.compiler.tuning.sockets import Address, Connection, Deadline

_MAGIC = 0xFF271
_MISMATCH = _MAGIC + 2
_VERSION = b"0.8.0"
_SHUTDOWN, _INIT_SERVER, _CALL_FUNCTION, _RETURN, _EXCEPTION, _GET_GLOBAL_FUNCTION = 1, 2, 3, 4, 5, 9
_NONE, _INT, _POINTER, _RAW_STRING, _BYTE_ARRAY = 0, 1, 4, 8, 9
_MAX_PACKET = 1 << 27

Value = str | bytes | int | None


class RemoteError(TuningError):
    """The agent answered that it cannot do what it was asked for."""


class ProtocolError(OSError):
    """What answers breaks the protocol."""


class Rpc:
    """A session with an agent. After an OSError it is of no more use."""

    def __init__(self, address: Address, match_key: str, timeout_s: float) -> None:
        """Connect.

        Raises:
            OSError: nothing answers in time, or no agent with this match key.
        """
        deadline = Deadline(timeout_s)
        self._functions: dict[str, int] = {}
        self._connection = Connection(address, deadline)
        try:
            self._greet(match_key, deadline)
            self._exchange(struct.pack("<iQ", _INIT_SERVER, len(_VERSION)) + _VERSION + _pack_values(), deadline)
        except BaseException:
            self._connection.close()
            raise

    def call(self, name: str, *arguments: str | bytes, timeout_s: float) -> Value:
        """What a function of the agent returns.

        Raises:
            RemoteError: the agent says that it failed.
            OSError: the agent does not answer, or breaks the protocol.
        """
        deadline = Deadline(timeout_s)
        if name not in self._functions:
            (handle,) = self._exchange(struct.pack("<i", _GET_GLOBAL_FUNCTION) + _pack_values(name), deadline)
            if not isinstance(handle, int):
                raise RemoteError(f"the agent has no function {name}")
            self._functions[name] = handle
        packet = struct.pack("<iQ", _CALL_FUNCTION, self._functions[name]) + _pack_values(*arguments)
        values = self._exchange(packet, deadline)
        if len(values) != 2:
            raise ProtocolError(f"a function returned {len(values)} values instead of its type and its value")
        return values[1]

    def close(self, polite: bool = True) -> None:
        """End the session; a call that waits in another thread fails at once."""
        if polite:
            with contextlib.suppress(OSError):
                self._connection.send(struct.pack("<Qi", 4, _SHUTDOWN), Deadline(0.2))
        self._connection.close()

    def _greet(self, match_key: str, deadline: Deadline) -> None:
        name = f"client:{match_key}".encode()
        self._connection.send(struct.pack("<ii", _MAGIC, len(name)) + name, deadline)
        (magic,) = struct.unpack("<i", self._connection.receive(4, deadline))
        if magic == _MISMATCH:
            raise ConnectionRefusedError("the device has been given to someone else")
        if magic != _MAGIC:
            raise ProtocolError("what answers is no agent")
        (size,) = struct.unpack("<i", self._connection.receive(4, deadline))
        if not 0 <= size <= 1024:
            raise ProtocolError("what answers is no agent")
        self._connection.receive(size, deadline)

    def _exchange(self, packet: bytes, deadline: Deadline) -> list[Value]:
        self._connection.send(struct.pack("<Q", len(packet)) + packet, deadline)
        (size,) = struct.unpack("<Q", self._connection.receive(8, deadline))
        if not 8 <= size <= _MAX_PACKET:
            raise ProtocolError(f"a packet of {size} bytes")
        code, values = _unpack(self._connection.receive(size, deadline))
        if code == _EXCEPTION:
            raise RemoteError(str(values[0]) if values else "the agent failed and does not say why")
        if code != _RETURN:
            raise ProtocolError(f"a packet of code {code} instead of an answer")
        return values


def _pack_values(*values: str | bytes) -> bytes:
    parts = [struct.pack("<i", len(values))]
    for value in values:
        kind, data = (_RAW_STRING, value.encode()) if isinstance(value, str) else (_BYTE_ARRAY, value)
        parts += [struct.pack("<iQ", kind, len(data)), data]
    return b"".join(parts)


def _unpack(packet: bytes) -> tuple[int, list[Value]]:
    """The code of an answer and its values."""
    try:
        code, count = struct.unpack_from("<ii", packet)
        values: list[Value] = []
        at = 8
        for _ in range(count):
            (kind,) = struct.unpack_from("<i", packet, at)
            at += 4
            if kind == _NONE:
                values.append(None)
            elif kind in (_INT, _POINTER):
                values.append(struct.unpack_from("<q", packet, at)[0])
                at += 8
            elif kind in (_RAW_STRING, _BYTE_ARRAY):
                (size,) = struct.unpack_from("<Q", packet, at)
                data = packet[at + 8 : at + 8 + size]
                if len(data) != size:
                    raise ProtocolError("a value that is cut off")
                values.append(data.decode() if kind == _RAW_STRING else data)
                at += 8 + size
            else:
                raise ProtocolError(f"a value of type {kind}")
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ProtocolError(f"a malformed packet: {error}") from error
    return code, values
