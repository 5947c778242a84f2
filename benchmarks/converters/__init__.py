"""From ONNX to the formats of the peers: one module each, run in the environment that it needs.

Each has a function ``convert(model: Path, folder: Path) -> Path``, which reads an ONNX file of static shapes, writes to
an empty folder and returns the file that the peer of the same name opens.
"""
