"""``x[i + far] => p[i]`` with a pointer ``p`` for each distant part of a buffer that the body of a loop reads.

Arm's paired loads reach 1 KiB around their address. A loop body that reads several planes of an image reaches farther,
and LLVM, which sees that all addresses differ by constants, derives them from one pointer: with offsets that only
single loads can hold, or that take registers. Pointers of which it does not know how they are related stay apart.

TVM tells LLVM that what is read through a pointer is written through no other one. So a buffer that the function writes
too keeps its pointer, and its parts have offsets of which LLVM does not know how they are related.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import tvm_ffi
from tvm import ir, sym, tirx

from separable.compiler.emit.lanes import LANES
from separable.compiler.emit.rebuilt import rebuilt

_DTYPE = "float32"
"""Of the vectors. Loops over float16 read one block of channels, so one plane, in an iteration."""

_ELEMENT_SHIFT = 2
"""Bytes of an element, as a power of two."""

_REACH = 1024 // 4 - LANES[_DTYPE]
"""How many elements the first and the last vector may lie apart that paired loads reach from one pointer."""


@dataclass(frozen=True)
class _Part:
    """What the loop reads through a pointer of its own.

    Attributes:
        first: element, from where the first iteration starts to read the buffer.
        buffer: what it is read from: a buffer that starts there, or the whole one.
        offset: where it starts in ``buffer``.
        definition: what defines them, before the loop.
    """

    first: int
    buffer: tirx.Var
    offset: tirx.Expr
    definition: tuple[tirx.Stmt, ...]


def separate_pointers(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Rewrite the innermost loops of a function whose buffers are flat and whose loops are unrolled and vectorised."""
    written: set[tirx.Var] = set()
    tvm_ffi.structural_walk(func.body, [(tirx.BufferStore, lambda store: written.add(store.buffer))])

    def visit(loop: tirx.For) -> tirx.Stmt:
        return loop if loop.kind != tirx.ForKind.SERIAL or _has_loops(loop.body) else _separate(loop, written)

    return func.with_body(tvm_ffi.structural_map(func.body, [(tirx.For, visit)]))


def _has_loops(body: tirx.Stmt) -> bool:
    return tvm_ffi.structural_walk(body, [(tirx.For, lambda _: tvm_ffi.VisitInterrupt(None))]) is not None


def _separate(loop: tirx.For, written: Collection[tirx.Var]) -> tirx.Stmt:
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
        firsts = [] if source in scattered else _firsts(bases)
        if len(firsts) < 2:
            continue
        start = _replace(bases[0], {loop.loop_var: loop.min})
        part_at = _offset_at if source in written else _pointer_at
        parts = [part_at(first, source, start) for first in firsts]
        pointers += [statement for part in parts for statement in part.definition]
        body = _redirect(body, source, bases[0], start, parts)
    if not pointers:
        return loop
    return tirx.stmt_seq(*pointers, rebuilt(loop, body))


def _firsts(bases: list[tirx.Expr]) -> list[int]:
    """Where the parts of a buffer that lie apart begin; none if addresses do not differ by constants."""
    analyzer = sym.Analyzer()
    differences = [analyzer.simplify(base - bases[0]) for base in bases]
    if not all(isinstance(difference, tirx.IntImm) for difference in differences):
        return []
    firsts: list[int] = []
    for offset in sorted({int(difference) for difference in differences}):
        if not firsts or offset - firsts[-1] > _REACH:
            firsts.append(offset)
    return firsts


def _pointer_at(first: int, source: tirx.Var, start: tirx.Expr) -> _Part:
    address = _laundered(source, start + first)
    buffer = tirx.decl_buffer(source.ty.shape, source.ty.dtype, f"{source.name}_part")
    pointer = tirx.Var(buffer.name, address.ty)
    definition = (tirx.Bind(pointer, address), tirx.DeclBuffer(buffer, data=pointer))
    return _Part(first, buffer, tirx.const(0, "int32"), definition)


def _offset_at(first: int, source: tirx.Var, start: tirx.Expr) -> _Part:
    origin = tirx.address_of(tirx.BufferLoad(source, [tirx.const(0, "int32")]))
    distance = tirx.reinterpret("int64", _laundered(source, start + first)) - tirx.reinterpret("int64", origin)
    offset = tirx.Var(f"{source.name}_part", "int32")
    return _Part(first, source, offset, (tirx.Bind(offset, tirx.Cast("int32", distance >> _ELEMENT_SHIFT)),))


def _laundered(source: tirx.Var, index: tirx.Expr) -> tirx.Expr:
    """The address of an element, by an intrinsic that returns its argument, which LLVM's loop passes may not use."""
    address = tirx.address_of(tirx.BufferLoad(source, [sym.Analyzer().simplify(index)]))
    return tirx.call_llvm_intrin("handle", "llvm.launder.invariant.group", address)


def _redirect(body: tirx.Stmt, source: tirx.Var, base: tirx.Expr, start: tirx.Expr, parts: list[_Part]) -> tirx.Stmt:
    """Every load of ``source`` through the pointer of the part it lies in; ``base`` is where the first one reads."""
    analyzer = sym.Analyzer()
    advance = analyzer.simplify(base - start)

    def rewrite(load: ir.TensorLoad) -> tirx.Expr:
        if not load.source.same_as(source):
            return load
        offset = int(analyzer.simplify(load.indices[0].base - base))
        part = next(part for part in reversed(parts) if part.first <= offset)
        index = analyzer.simplify(part.offset + advance + (offset - part.first))
        return tirx.BufferLoad(part.buffer, [tirx.Ramp(index, 1, LANES[_DTYPE])])

    return tvm_ffi.structural_map(body, [(ir.TensorLoad, rewrite)])


def _replace(expression: tirx.Expr, values: dict[tirx.Var, tirx.Expr]) -> tirx.Expr:
    return tvm_ffi.structural_map(expression, [(tirx.Var, lambda var: values.get(var, var))])
