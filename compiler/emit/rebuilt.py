"""A loop like another one: what passes make of the loops that schedules annotated for them."""

from __future__ import annotations

from tvm import tirx


def rebuilt(
    loop: tirx.For,
    body: tirx.Stmt,
    *done: str,
    start: tirx.Expr | None = None,
    extent: tirx.Expr | None = None,
) -> tirx.For:
    """The loop over ``body``.

    Args:
        loop: the loop as it was.
        body: instead of its own.
        done: annotations that it no longer has, as they were acted on.
        start: of its variable; as it was if None.
        extent: iterations; as many as it had if None.
    """
    annotations = {key: value for key, value in loop.annotations.items() if key not in done}
    start = loop.min if start is None else start
    extent = loop.extent if extent is None else extent
    return tirx.For(loop.loop_var, start, extent, loop.kind, body, annotations=annotations)
