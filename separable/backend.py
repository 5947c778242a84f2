"""ONNX's backend interface under its short name: ``from separable import backend``, ``backend.prepare(model)``."""

from separable.compiler.backend import SeparableBackend as SeparableBackend
from separable.compiler.backend import SeparableRep as SeparableRep
from separable.compiler.backend import is_compatible as is_compatible
from separable.compiler.backend import prepare as prepare
from separable.compiler.backend import run_model as run_model
from separable.compiler.backend import run_node as run_node
from separable.compiler.backend import supports_device as supports_device
