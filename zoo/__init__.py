"""The paper's networks in torch, and their export to ONNX."""
