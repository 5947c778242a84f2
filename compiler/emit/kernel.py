"""A scheduled PrimFunc -> a plain C function that computes items [begin, end) of its outermost loop.

The kernel's C signature is ``int32_t name(T *buffers..., void *scratch, int32_t begin, int32_t end)``. Its body is one
``parallel`` loop, whose range becomes the last two parameters, so that the runtime's thread pool decides who computes
what, and a kernel needs neither a hook nor a global. Temporaries too large for registers move into ``scratch``, memory
that belongs to the calling thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import ir, tirx
from tvm.s_tir import transform as s_tir_passes
from tvm.tirx import transform as tirx_passes

from separable.compiler.emit.emulate_half import emulate_half
from separable.compiler.emit.item_parts import only_parts, parts_of
from separable.compiler.emit.keep_nan import keep_nan
from separable.compiler.emit.lanes import has_lane_operands, load_whole_vectors
from separable.compiler.emit.narrow_tiles import narrow_tiles
from separable.compiler.emit.pointers import separate_pointers
from separable.compiler.emit.prefetch import prefetch_panels
from separable.compiler.emit.prefetch_stores import prefetch_stores
from separable.schedules.tensor import ALIGNMENT

IndexMap = Callable[..., Sequence[tirx.Expr]]

STACK_BYTES = 4096
"""A temporary up to this size stays on the stack, where LLVM can keep it in registers; a larger one goes to scratch."""

_TO_LOOPS = (
    s_tir_passes.CanonicalizeLoop(),
    s_tir_passes.LowerInitBlock(),
    s_tir_passes.PlanAndUpdateBufferAllocationLocation(),
    s_tir_passes.ConvertBlocksToOpaque(),
    s_tir_passes.CompactBufferAllocation(),
    s_tir_passes.StmtSimplify(),
    s_tir_passes.LowerOpaqueBlock(),
)
_TO_FLAT = (
    tirx_passes.StmtSimplify(),
    tirx_passes.FlattenBuffer(),
    tirx_passes.NarrowDataType(32),
    tirx_passes.VectorizeLoop(True),
    tirx_passes.StorageRewrite(),
    tirx_passes.UnrollLoop(),
    s_tir_passes.RenormalizeSplitPattern(),
    tirx_passes.StmtSimplify(),
)


@dataclass(frozen=True)
class LoweredKernel:
    """One kernel, ready for LLVM.

    Attributes:
        func: the function with C calling convention.
        extent: how many independent items its outermost loop has, or parts of items where these have some.
        scratch_bytes: scratch memory one thread needs, 64-byte aligned.
    """

    func: tirx.PrimFunc
    extent: int
    scratch_bytes: int

    @property
    def pointers(self) -> int:
        """How many buffers it takes; the last one is the output."""
        return len(self.func.params) - 3


def lower_kernel(
    func: tirx.PrimFunc, name: str, output_shape: Sequence[int], store_at: IndexMap, target: tvm.target.Target
) -> LoweredKernel:
    """Lower a scheduled kernel.

    Args:
        func: the scheduled PrimFunc; its last parameter is the output; its outermost loop is ``parallel``.
        name: the C symbol.
        output_shape: shape of the buffer the output is stored to (it may have a halo the output lacks).
        store_at: maps an index of the output to the index in that buffer.
        target: what the kernel will run on.

    Returns:
        The kernel as a C function.
    """
    mod = ir.transform.Sequential(_TO_LOOPS)(tvm.IRModule({name: func}))
    func = prefetch_stores(_redirect_stores(mod[name], output_shape, store_at))
    mod = tvm.IRModule({name: narrow_tiles(prefetch_panels(func))})
    mod = tirx_passes.ConvertSSA()(mod)  # the two bodies of a loop over tiles share variables
    mod = ir.transform.Sequential(_TO_FLAT)(mod)
    has_lanes = has_lane_operands(target)
    func = keep_nan(mod[name], by_intrinsic=has_lanes)
    func = separate_pointers(load_whole_vectors(func)) if has_lanes else emulate_half(func)
    mod = tvm.IRModule({name: func})
    # TVM's elimination of common subexpressions is left to LLVM: it takes seconds for straight-line code.
    mod = s_tir_passes.RewriteUnsafeSelect()(mod)
    # Now, while the range of every loop is known: divisions of non-negative indices become plain ones.
    mod = tirx_passes.LowerIntrin()(tirx_passes.BindTarget(target)(mod))
    return _to_c_function(mod[name], name)


def _redirect_stores(func: tirx.PrimFunc, output_shape: Sequence[int], store_at: IndexMap) -> tirx.PrimFunc:
    """``output[i] = value`` => ``buffer[store_at(i)] = value``, with ``buffer`` in the output's place."""
    output = func.params[-1]
    buffer = tirx.decl_buffer(tuple(output_shape), output.ty.dtype, output.name)

    def redirect(store: tirx.BufferStore) -> tirx.BufferStore:
        if not store.buffer.same_as(output):
            return store
        return tirx.BufferStore(buffer, store.value, list(store_at(*store.indices)))

    body = tvm_ffi.structural_map(func.body, [(tirx.BufferStore, redirect)])
    return tirx.PrimFunc([*func.params[:-1], buffer], body, func.ret_type, func.attrs)


def _to_c_function(func: tirx.PrimFunc, name: str) -> LoweredKernel:
    """Buffers become pointers, the parallel loop becomes [begin, end), big temporaries move to scratch."""
    by_param = {param: _pointer(param.name, str(param.ty.dtype)) for param in func.params}
    statements = list(func.body.seq) if isinstance(func.body, tirx.SeqStmt) else [func.body]
    # Flat views of parameters; others are of temporaries, or parts with pointers of their own, and stay where they are.
    declared = [s for s in statements if isinstance(s, tirx.DeclBuffer) and not isinstance(s.data, tirx.Var)]
    views = [s for s in declared if s.data.args[0] in by_param]
    work = [s for s in statements if s not in views]
    if len(work) == 1 and isinstance(work[0], tirx.For) and work[0].kind == tirx.ForKind.PARALLEL:
        loop_var, extent, work = work[0].loop_var, int(work[0].extent), [work[0].body]
    else:  # a loop of one item was simplified away
        loop_var, extent = None, 1

    scratch = _pointer("scratch", "uint8")
    begin, end = tirx.Var("begin", "int32"), tirx.Var("end", "int32")
    body, scratch_bytes = _move_to_scratch(tirx.stmt_seq(*work), scratch)

    bound = [tirx.DeclBuffer(param, data=pointer) for param, pointer in by_param.items()]
    bound += [tirx.DeclBuffer(view.buffer, data=by_param[view.data.args[0]]) for view in views]
    item = tirx.Var("item", "int32")
    parts = parts_of(body)
    first, stop = tirx.truncdiv(begin, parts), tirx.truncdiv(end + (parts - 1), parts)
    before = (first + item) * parts
    body = only_parts(body, parts, begin - before, end - before)
    if loop_var is not None:
        index = (first + item).astype(str(loop_var.ty.dtype))
        shift = (tirx.Var, lambda var: index if var.same_as(loop_var) else var)
        body = tvm_ffi.structural_map(body, [shift])
    items = tirx.For(item, tirx.const(0, "int32"), stop - first, tirx.ForKind.SERIAL, body)

    c_function = tirx.PrimFunc(
        [*by_param.values(), scratch, begin, end],
        tirx.SeqStmt([*bound, items]),
        ret_type=ir.PrimType("int32"),
    ).with_attrs({"global_symbol": name, "tirx.noalias": True, "tirx.is_entry_func": False, "calling_conv": 1})
    return LoweredKernel(c_function, extent * parts, scratch_bytes)


def _pointer(name: str, dtype: str) -> tirx.Var:
    return tirx.Var(name, ir.PointerType(ir.PrimType(dtype)))


def _move_to_scratch(body: tirx.Stmt, scratch: tirx.Var) -> tuple[tirx.Stmt, int]:
    """Replace every allocation above ``STACK_BYTES`` by a view into ``scratch``; return the bytes it takes."""
    used = 0

    def move(alloc: tirx.AllocBuffer) -> tirx.Stmt:
        nonlocal used
        dtype = tvm.DataType(str(alloc.buffer.ty.dtype))
        size = (dtype.bits * dtype.lanes + 7) // 8
        for dim in alloc.buffer.ty.shape:
            size *= int(dim)
        if size <= STACK_BYTES:
            return alloc
        offset, used = used, used + -(-size // ALIGNMENT) * ALIGNMENT
        return tirx.DeclBuffer(alloc.buffer, data=tirx.handle_add_byte_offset(scratch, offset))

    return tvm_ffi.structural_map(body, [(tirx.AllocBuffer, move)]), used
