"""The rules of ``lower.py``, by kind of operator: Relax -> kernel workloads."""
