"""``python -m separable.benchmarks.converters PEER MODEL.onnx FOLDER RESULT``: the converted file's path in RESULT."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main(peer: str, model: str, folder: str, result: str) -> None:
    """Convert, and write the path to the file ``result``: converters use standard output as they like."""
    converter = import_module(f"{__package__}.{peer}")
    Path(result).write_text(str(converter.convert(Path(model), Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
