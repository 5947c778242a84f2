"""Who can take part: one module each, named here, imported where it runs."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from separable.benchmarks.peers.peer import Peer

PEERS = ("ours", "onnx_runtime")
"""The modules of this folder that are a :class:`Peer`; the first is the one that the others are compared with."""


def find_peer(name: str) -> Peer:
    """The peer of a module's name.

    Raises:
        ImportError: what the peer needs is not installed.
    """
    return cast(Peer, import_module(f"{__name__}.{name}"))
