"""Kernels and weights -> object files -> one linked library and its companions."""
