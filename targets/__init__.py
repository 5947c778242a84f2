"""The CPUs we compile for: one frozen row of data each."""
