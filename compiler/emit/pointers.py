"""``x[i + far] => p[i]`` with a pointer ``p`` for each distant part of a buffer that the body of a loop reads.

Arm's paired loads reach 1 KiB around their address. A loop body that reads several planes of an image reaches farther,
and LLVM, which sees that all addresses differ by constants, derives them from one pointer: with offsets that only
single loads can hold, or that take registers. Pointers of which it does not know how they are related stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm_ffi
from tvm import ir, sym, tirx

from separable.compiler.emit.lanes import LANES

_DTYPE = "float32"
"""Of the vectors. Loops over float16 read one block of channels, so one plane, in an iteration."""

_REACH = 1024 // 4 - LANES[_DTYPE]
"""How many elements the first and the last vector may lie apart that paired loads reach from one pointer."""


@dataclass(frozen=True)
class _Part:
    """What the loop reads through a pointer of its own.

    Attributes:
        first: element, from where the first iteration starts to read the buffer.
        buffer: the part as a buffer that starts there.
    """

    first: int
    buffer: tirx.Var


def separate_pointers(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Rewrite the innermost loops of a function whose buffers are flat and whose loops are unrolled and vectorised."""

    def visit(loop: tirx.For) -> tirx.Stmt:
        return loop if loop.kind != tirx.ForKind.SERIAL or _has_loops(loop.body) else _separate(loop)

    return func.with_body(tvm_ffi.structural_map(func.body, [(tirx.For, visit)]))


def _has_loops(body: tirx.Stmt) -> bool:
    return tvm_ffi.structural_walk(body, [(tirx.For, lambda _: tvm_ffi.VisitInterrupt(None))]) is not None


def _separate(loop: tirx.For) -> tirx.Stmt:
    reads: dict[tirx.Var, list[tirx.Expr]] = {}
    scattered: set[tirx.Var] = set()

    def note_load(load: ir.TensorLoad) -> None:
        index = load.indices[0]
        is_vector = len(load.indices) == 1 and isinstance(index, tirx.Ramp) and int(index.lanes) == LANES[_DTYPE]
        if is_vector and str(load.source.ty.dtype) == _DTYPE:
            reads.setdefault(load.source, []).append(index.base)
        else:
            scattered.add(load.source)

    def note_store(store: tirx.BufferStore) -> None:
        scattered.add(store.buffer)

    tvm_ffi.structural_walk(loop.body, [(ir.TensorLoad, note_load), (tirx.BufferStore, note_store)])
    pointers: list[tirx.Stmt] = []
    body = loop.body
    for source, bases in reads.items():
        parts = [] if source in scattered else _parts(source, bases)
        if len(parts) < 2:
            continue
        start = _replace(bases[0], {loop.loop_var: loop.min})
        for part in parts:
            pointers += _point_at(part, source, start)
        body = _redirect(body, source, start, loop, parts)
    if not pointers:
        return loop
    inner = tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, annotations=loop.annotations)
    return tirx.stmt_seq(*pointers, inner)


def _parts(source: tirx.Var, bases: list[tirx.Expr]) -> list[_Part]:
    """The parts of a buffer that lie apart; none if addresses do not differ by constants."""
    analyzer = sym.Analyzer()
    differences = [analyzer.simplify(base - bases[0]) for base in bases]
    if not all(isinstance(difference, tirx.IntImm) for difference in differences):
        return []
    firsts: list[int] = []
    for offset in sorted({int(difference) for difference in differences}):
        if not firsts or offset - firsts[-1] > _REACH:
            firsts.append(offset)
    shape, dtype = source.ty.shape, source.ty.dtype
    return [_Part(first, tirx.decl_buffer(shape, dtype, f"{source.name}_part")) for first in firsts]


def _point_at(part: _Part, source: tirx.Var, start: tirx.Expr) -> list[tirx.Stmt]:
    address = tirx.address_of(tirx.BufferLoad(source, [sym.Analyzer().simplify(start + part.first)]))
    # The intrinsic returns its argument, but LLVM's loop passes may not conclude that.
    data = tirx.call_llvm_intrin("handle", "llvm.launder.invariant.group", address)
    pointer = tirx.Var(part.buffer.name, data.ty)
    return [tirx.Bind(pointer, data), tirx.DeclBuffer(part.buffer, data=pointer)]


def _redirect(body: tirx.Stmt, source: tirx.Var, start: tirx.Expr, loop: tirx.For, parts: list[_Part]) -> tirx.Stmt:
    """Every load of ``source`` through the pointer of the part it lies in."""
    analyzer = sym.Analyzer()

    def rewrite(load: ir.TensorLoad) -> tirx.Expr:
        if not load.source.same_as(source):
            return load
        base = load.indices[0].base
        offset = int(analyzer.simplify(_replace(base, {loop.loop_var: loop.min}) - start))
        part = next(part for part in reversed(parts) if part.first <= offset)
        return tirx.BufferLoad(part.buffer, [tirx.Ramp(analyzer.simplify(base - start - part.first), 1, LANES[_DTYPE])])

    return tvm_ffi.structural_map(body, [(ir.TensorLoad, rewrite)])


def _replace(expression: tirx.Expr, values: dict[tirx.Var, tirx.Expr]) -> tirx.Expr:
    return tvm_ffi.structural_map(expression, [(tirx.Var, lambda var: values.get(var, var))])
