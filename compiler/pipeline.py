"""The pipeline, as one list: ONNX -> Relax -> program of kernels -> library."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import separable
from separable.compiler._tvm import tvm
from separable.compiler.emit.bundle import staged_folder
from separable.compiler.emit.c_source import OPS, RUNTIME, called_sources, header_source, model_source
from separable.compiler.emit.kernel import build_object
from separable.compiler.emit.link import library_sizes, link_library
from separable.compiler.emit.weights import pack_weights, write_weights
from separable.compiler.errors import InvalidModel, UnknownTarget
from separable.compiler.importer import Imported, import_model
from separable.compiler.lower import lower_graph
from separable.compiler.measure_error import measure_error
from separable.compiler.options import CompileOptions
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.passes.drop_dead_steps import drop_dead_steps
from separable.compiler.passes.drop_identities import drop_identities
from separable.compiler.passes.fold_batch_norm import fold_batch_norm
from separable.compiler.passes.fold_constants import fold_constants
from separable.compiler.passes.fold_input_scale import fold_input_scale
from separable.compiler.passes.fold_padding import fold_padding
from separable.compiler.passes.fuse_depthwise_pointwise import fuse_depthwise_pointwise
from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.passes.unify_hard_swish import unify_hard_swish
from separable.compiler.passes.use_winograd import use_winograd
from separable.compiler.plan_memory import MemoryPlan, plan_memory
from separable.compiler.precision import DTYPES, check_precision, check_weights
from separable.compiler.program import Program
from separable.compiler.report import layers_of, total_mult_adds
from separable.compiler.schedule import Scheduled, schedule_program
from separable.compiler.tuning.apply import RecordedTiles, require_records
from separable.compiler.verify import check_runs_here, verify_library
from separable.schedules.call import Call
from separable.schedules.workload import Workload
from separable.targets.emulation import EMULATED_FP16
from separable.targets.errors import UnknownTargetName
from separable.targets.row import Target
from separable.targets.table import find_target

GRAPH_PASSES: tuple[Callable[[tvm.IRModule], tvm.IRModule], ...] = (
    drop_identities,
    fold_padding,
    fold_constants,
    fold_batch_norm,
    fold_input_scale,
    fold_constants,
    unify_hard_swish,
    drop_identities,
)
"""Rewrites of the Relax module, in order."""


def program_passes(target: Target, winograd: bool = True) -> tuple[tuple[str, Callable[[Program], Program]], ...]:
    """Rewrites of the program of kernels by name, in order; ``winograd`` as in :class:`CompileOptions`."""
    return (
        ("fuse_epilogues", fuse_epilogues),
        ("drop_dead_steps", drop_dead_steps),
        ("check_weights", check_weights),
        ("assign_halos", assign_halos),
        ("fuse_depthwise_pointwise", partial(fuse_depthwise_pointwise, target=target)),
        ("use_winograd", partial(use_winograd, target=target, enabled=winograd)),
    )


_TAKEN = ("separable", "pthread")
"""Prefixes of functions that the library itself defines or calls."""

Progress = Callable[[str, float], None]
"""Told the name of the phase under way, and what part of it is done (0 to 1)."""


@dataclass(frozen=True)
class Compiled:
    """What a compilation produced.

    Attributes:
        folder: the output folder.
        library: the shared library in it.
        manifest: the content of its ``NAME.json``.
        notes: what the user should know about the model.
        seconds: wall time of each phase.
    """

    folder: Path
    library: Path
    manifest: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclass
class Phases:
    """Names each phase while it runs, times it, and dumps what it made."""

    progress: Progress | None = None
    dump_ir: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    dumped: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Run a phase; the block may call what it is given with (done, total)."""

        def advance(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(name, done / max(total, 1))

        advance(0, 1)
        start = time.perf_counter()
        yield advance
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        advance(1, 1)

    def dump(self, name: str, text: Callable[[], str]) -> None:
        """Write an intermediate form to the folder of ``--dump-ir``, numbered in the order of the pipeline."""
        if self.dump_ir is not None:
            self.dump_ir.mkdir(parents=True, exist_ok=True)
            (self.dump_ir / f"{self.dumped:02}_{name}").write_text(text())
            self.dumped += 1


@dataclass(frozen=True)
class Built:
    """A model on its way to the library: everything ``inspect`` shows and ``emit`` writes."""

    imported: Imported
    target: Target
    program: Program
    scheduled: Scheduled
    plan: MemoryPlan
    precision: str = "fp32"
    notes: tuple[str, ...] = ()


def build_model(options: CompileOptions, phases: Phases, tiles: Mapping[Workload, object] | None = None) -> Built:
    """The pipeline up to scheduled kernels and the memory plan.

    Args:
        options: what to compile and how.
        phases: told what is under way.
        tiles: tiles to use instead of the computed defaults, by workload.

    Raises:
        CompileError: the kinds in ``errors.py``.
    """
    target = resolve_target(options.target)
    check_precision(options.precision, target)
    dtype = DTYPES[options.precision]
    with phases.phase("import"):
        imported = import_model(options.model, options.shapes)
        mod = imported.mod
        phases.dump("import.py", lambda: mod.script())
    with phases.phase("fold"):
        for graph_pass in GRAPH_PASSES:
            mod = graph_pass(mod)
            phases.dump(f"{graph_pass.__name__}.py", mod.script)
    with phases.phase("lower"):
        program = lower_graph(mod, imported.op_nodes, target.for_vectors(dtype).lanes, dtype)
        phases.dump("lower_graph.txt", program.script)
        for name, program_pass in program_passes(target, options.winograd):
            program = program_pass(program)
            phases.dump(f"{name}.txt", program.script)
    with phases.phase("schedule") as advance:
        recorded = RecordedTiles(options.records, target, options.threads or 1)
        if options.require_records:
            require_records(recorded, program)
        scheduled = schedule_program(program, target, advance, tiles, recorded.tile)
        for kernel in scheduled.kernels:
            phases.dump(f"kernel_{kernel.name}.py", lambda text=kernel.text: text)  # type: ignore[misc]
    with phases.phase("plan memory"):
        plan = plan_memory(program, scheduled.overread)
    return Built(imported, target, program, scheduled, plan, options.precision, (*imported.notes, *recorded.notes))


def compile_model(
    options: CompileOptions, progress: Progress | None = None, tiles: Mapping[Workload, object] | None = None
) -> Compiled:
    """Compile an ONNX file to a folder with a standalone library.

    Args:
        options: what to compile and how.
        progress: told which phase is under way.
        tiles: tiles to use instead of the computed defaults, by workload.

    Raises:
        CompileError: the kinds in ``errors.py``; no half-written file is left.
    """
    if options.verify:
        check_runs_here(resolve_target(options.target))
    phases = Phases(progress, options.dump_ir)
    name = options.name or c_identifier(options.model.stem)
    if name != c_identifier(name):
        raise InvalidModel(f"--name {name!r} is no C identifier, or taken; for example {c_identifier(name)!r}")
    built = build_model(options, phases, tiles)
    notes: tuple[str, ...] = ()
    folder = options.output or Path(f"{options.model.stem}-{options.target.replace(':', '-')}")
    with staged_folder(folder) as staging:
        manifest = emit_model(built, name, options.threads, staging, phases)
        if options.verify:
            with phases.phase("verify"):
                manifest |= verified(staging / f"{name}.so", options.model)
        elif options.precision == "fp16":
            with phases.phase("measure error"), tempfile.TemporaryDirectory(prefix="separable-") as temporary:
                emulated = partial(_emulated, options, Path(temporary))
                measured, notes = measure_error(emulated, options.model)
                manifest |= measured
        (staging / f"{name}.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return Compiled(folder, folder / f"{name}.so", manifest, (*built.notes, *notes), phases.seconds)


def _emulated(options: CompileOptions, folder: Path) -> Path:
    """The same model, compiled so that this machine computes what float16 targets do."""
    here = CompileOptions(
        options.model, EMULATED_FP16, shapes=options.shapes, winograd=options.winograd, precision=options.precision
    )
    emit_model(build_model(here, Phases()), "emulated", 1, folder, Phases())
    return folder / "emulated.so"


def emit_model(built: Built, name: str, threads: int, folder: Path, phases: Phases) -> dict[str, Any]:
    """Write ``NAME.so``, ``NAME.h`` and ``NAME.py`` to a folder; return the manifest for ``NAME.json``."""
    imported, target, scheduled = built.imported, built.target, built.scheduled
    layers = layers_of(built.program, scheduled)
    blob = pack_weights(scheduled.constants)
    description = {
        "name": name,
        "inputs": [vars(spec) | {"shape": list(spec.shape)} for spec in imported.inputs],
        "outputs": [vars(spec) | {"shape": list(spec.shape)} for spec in imported.outputs],
        "target": target.name,
        "arch": target.arch,
        "libc": target.libc,
        "isa": list(target.isa),
        "precision": built.precision,
        "arena_bytes": built.plan.arena_bytes,
        "scratch_bytes": max((kernel.lowered.scratch_bytes for kernel in scheduled.kernels), default=0),
        "weight_bytes": len(blob.data),
        "mult_adds": total_mult_adds(layers),
        "versions": {"separable": separable.__version__, "tvm": tvm.__version__, "zig": version("ziglang")},
    }
    with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
        work = Path(temporary)
        with phases.phase("generate code") as advance:
            objects = _kernel_objects(built, work, advance)
        with phases.phase("link"):
            source = work / f"{name}.c"
            source.write_text(
                model_source(
                    name,
                    program=built.program,
                    scheduled=scheduled,
                    plan=built.plan,
                    blob=blob,
                    inputs=imported.inputs,
                    outputs=imported.outputs,
                    target=target,
                    threads=threads,
                    description=description,
                )
            )
            phases.dump(f"{name}.c", source.read_text)
            linked = work / f"{name}.so"
            kernels_in_c = [RUNTIME / OPS / f"{file}.c" for file in called_sources(scheduled)]
            link_library(linked, name, target, [source, write_weights(blob, work), *kernels_in_c], objects)
        library = linked.read_bytes()
        manifest = {
            **description,
            **library_sizes(linked),
            "sha256": hashlib.sha256(library).hexdigest(),
            "unshared_arena_bytes": built.plan.unshared_bytes,
            "kernels": [asdict(layer) for layer in layers],
        }
    (folder / f"{name}.so").write_bytes(library)
    (folder / f"{name}.h").write_text(header_source(name, imported.inputs, imported.outputs))
    (folder / f"{name}.py").write_text((RUNTIME / "loader.py").read_text())
    return manifest


def verified(library: Path, model: Path) -> dict[str, Any]:
    """What the manifest says about the comparison of a library with its ONNX model.

    Raises:
        VerificationFailed: they differ.
    """
    verification = verify_library(library, model)
    verification.require()
    return {"max_error": verification.max_error, "verified_against": verification.reference}


def _kernel_objects(built: Built, work: Path, advance: Callable[[int, int], None]) -> list[Path]:
    """Compile the kernels, a few at a time so that progress can be shown."""
    tvm_target = tvm.target.Target(dict(built.target.tvm))
    kernels = built.scheduled.kernels
    objects: list[Path] = []
    for index, kernel in enumerate(kernels):
        if not isinstance(kernel.lowered, Call):
            objects.append(work / f"{kernel.name}.o")
            build_object([kernel.lowered], tvm_target, str(objects[-1]))
        advance(index + 1, len(kernels))
    return objects


def resolve_target(name: str) -> Target:
    """The row of a target name.

    Raises:
        UnknownTarget: no row has this name, or no row fits this machine.
    """
    try:
        return find_target(name)
    except UnknownTargetName as error:
        raise UnknownTarget(str(error)) from error


def c_identifier(text: str) -> str:
    """``text`` as the beginning of C names: ``mobilenet_v1_1.0_224`` becomes ``mobilenet_v1_1_0_224``."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII) or "model"
    return f"model_{name}" if name[0].isdigit() or name.startswith(_TAKEN) else name
