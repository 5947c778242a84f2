"""ONNX -> standalone library. Read the file names top to bottom and you have read the pipeline."""
