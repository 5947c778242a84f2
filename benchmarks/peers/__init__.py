"""Who can take part. Each entry is a module of this folder, imported in the process and environment where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from separable.benchmarks.peers.peer import Peer


@dataclass(frozen=True)
class Entry:
    """What a peer needs.

    Attributes:
        environment: where it runs, a name in :data:`~separable.benchmarks.environments.ENVIRONMENTS`; None is here.
        converts_in: where the module of its name in ``benchmarks.converters`` runs; None: it reads ONNX.
        interface: modules that only its Python interface needs, whose memory does not count as the peer's.
    """

    environment: str | None = None
    converts_in: str | None = None
    interface: tuple[str, ...] = ()


OURS = "ours"

PEERS = {
    OURS: Entry(),
    "onnxruntime": Entry(),
    "openvino": Entry("openvino", converts_in="openvino"),
    "litert": Entry("litert", converts_in="onnx2tf"),
    "ncnn": Entry("ncnn", converts_in="pnnx"),
    "mnn": Entry("mnn", converts_in="mnn"),
    "executorch": Entry("executorch", converts_in="executorch", interface=("torch",)),
}
"""By name; the first is the one that the others are compared with."""


def find_peer(name: str) -> Peer:
    """The peer of a module's name.

    Raises:
        ImportError: what the peer needs is not installed.
    """
    return cast(Peer, import_module(f"{__name__}.{name}"))
