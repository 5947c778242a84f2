"""``separable operators``: the ONNX operators that can be compiled."""

from __future__ import annotations

import typer


def operators_command() -> None:
    """List the ONNX operators that can be compiled, their limits and kernels, as Markdown."""
    from separable.compiler.operator_table import operator_table

    typer.echo(operator_table(), nl=False)
