"""The pipeline, as one list: ONNX -> Relax -> program of kernels -> library."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import separable
from separable.compiler._tvm import tvm
from separable.compiler.emit.bundle import staged_folder
from separable.compiler.emit.c_source import OPS, RUNTIME, called_sources, header_source, model_source
from separable.compiler.emit.link import code_bytes, library_sizes, link_library
from separable.compiler.emit.object_file import build_object
from separable.compiler.emit.weights import pack_weights, write_weights
from separable.compiler.errors import CompileError, InvalidModel, OutputError, UnknownTarget
from separable.compiler.importer import Imported, import_model
from separable.compiler.lower import lower_graph
from separable.compiler.measure_error import measure_error
from separable.compiler.options import CompileOptions
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.passes.check_sizes import check_sizes
from separable.compiler.passes.drop_dead_steps import drop_dead_steps
from separable.compiler.passes.drop_identities import drop_identities
from separable.compiler.passes.fold_batch_norm import fold_batch_norm
from separable.compiler.passes.fold_constants import fold_constants
from separable.compiler.passes.fold_input_scale import fold_input_scale
from separable.compiler.passes.fold_padding import fold_padding
from separable.compiler.passes.fuse_depthwise_pointwise import fuse_depthwise_pointwise
from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.passes.unify_hard_swish import unify_hard_swish
from separable.compiler.passes.use_strassen import use_strassen
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
from separable.targets.table import Variants, find_target, find_variants

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


def program_passes(
    target: Target, winograd: bool = True, strassen: bool = True
) -> tuple[tuple[str, Callable[[Program], Program]], ...]:
    """Rewrites of the program of kernels by name, in order; the algorithms as in :class:`CompileOptions`."""
    return (
        ("fuse_epilogues", fuse_epilogues),
        ("drop_dead_steps", drop_dead_steps),
        ("check_weights", check_weights),
        ("assign_halos", assign_halos),
        ("check_sizes", check_sizes),
        ("fuse_depthwise_pointwise", partial(fuse_depthwise_pointwise, target=target)),
        ("use_winograd", partial(use_winograd, target=target, enabled=winograd)),
        ("use_strassen", partial(use_strassen, target=target, enabled=strassen)),
    )


_TAKEN = ("separable", "pthread")
"""Prefixes of functions that the library itself defines or calls."""

_LONGEST_NAME = 200
"""Files are named after the model, and file systems end names after 255 bytes."""

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
            try:
                self.dump_ir.mkdir(parents=True, exist_ok=True)
                (self.dump_ir / f"{self.dumped:02}_{name}").write_text(text())
            except OSError as error:
                raise OutputError(f"--dump-ir {self.dump_ir}: {error.strerror}") from error
            self.dumped += 1


@dataclass(frozen=True)
class Built:
    """A model on its way to the library, for one CPU: everything ``inspect`` shows and ``emit`` writes."""

    imported: Imported
    target: Target
    program: Program
    scheduled: Scheduled
    plan: MemoryPlan
    precision: str = "fp32"
    notes: tuple[str, ...] = ()


def build_model(options: CompileOptions, phases: Phases, tiles: Mapping[Workload, object] | None = None) -> Built:
    """The same as :func:`build_variants` for one row: that which stands for the target alone."""
    return build_variants(options, [resolve_target(options.target)], phases, tiles)[0]


def build_variants(
    options: CompileOptions,
    targets: Sequence[Target],
    phases: Phases,
    tiles: Mapping[Workload, object] | None = None,
) -> tuple[Built, ...]:
    """The pipeline up to scheduled kernels and the memory plan, which from lowering on is one for each row.

    Args:
        options: what to compile and how.
        targets: the rows.
        phases: told what is under way.
        tiles: tiles to use instead of the computed defaults, by workload.

    Raises:
        CompileError: the kinds in ``errors.py``.
    """
    check_precision(options.precision, targets)
    dtype = DTYPES[options.precision]
    suffixes = [f"_{c_identifier(target.cpu)}" if len(targets) > 1 else "" for target in targets]
    with phases.phase("import"):
        imported = import_model(options.model, options.shapes)
        mod = imported.mod
        phases.dump("import.py", lambda: mod.script())
    with phases.phase("fold"):
        for graph_pass in GRAPH_PASSES:
            mod = graph_pass(mod)
            phases.dump(f"{graph_pass.__name__}.py", mod.script)
    programs, schedules, plans, notes = [], [], [], list(imported.notes)
    with phases.phase("lower"):
        for target, suffix in zip(targets, suffixes, strict=True):
            program = lower_graph(mod, imported.op_nodes, target.for_vectors(dtype).lanes, dtype)
            phases.dump(f"lower_graph{suffix}.txt", program.script)
            for name, program_pass in program_passes(target, options.winograd, options.strassen):
                program = program_pass(program)
                phases.dump(f"{name}{suffix}.txt", program.script)
            programs.append(program)
    with phases.phase("schedule") as advance:
        for target, suffix, program, part in zip(
            targets, suffixes, programs, _parts(advance, len(targets)), strict=True
        ):
            recorded = RecordedTiles(options.records, target, options.threads or 1, targets)
            if options.require_records:
                require_records(recorded, program)
            scheduled = schedule_program(program, target, part, tiles, recorded.tile, suffix)
            for kernel in scheduled.kernels:
                phases.dump(f"kernel_{kernel.name}.py", lambda text=kernel.text: text)  # type: ignore[misc]
            schedules.append(scheduled)
            notes += recorded.notes
    with phases.phase("plan memory"):
        for program, scheduled in zip(programs, schedules, strict=True):
            plans.append(plan_memory(program, scheduled.overread))
    return tuple(
        Built(imported, target, program, scheduled, plan, options.precision, tuple(dict.fromkeys(notes)))
        for target, program, scheduled, plan in zip(targets, programs, schedules, plans, strict=True)
    )


def _parts(advance: Callable[[int, int], None], count: int) -> list[Callable[[int, int], None]]:
    """The progress of a phase as that of its equal parts."""

    def part(index: int) -> Callable[[int, int], None]:
        return lambda done, total: advance(index * total + done, count * total)

    return [part(index) for index in range(count)]


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
    if not isinstance(options, CompileOptions):
        raise CompileError(f"options is {options!r}, expected CompileOptions(model, ...)")
    variants = resolve_variants(options.target)
    if options.verify:
        check_runs_here(replace(variants.rows[-1], name=variants.name))
    phases = Phases(progress, options.dump_ir)
    name = options.name or c_identifier(options.model.stem)
    if name != c_identifier(name):
        raise InvalidModel(f"--name {name!r} is no C identifier, or taken; for example {c_identifier(name)!r}")
    if len(name) > _LONGEST_NAME:
        raise InvalidModel(
            f"the name {name[:20]}... has {len(name)} letters; give one of {_LONGEST_NAME} or fewer (--name)"
        )
    built = build_variants(options, variants.rows, phases, tiles)
    notes: tuple[str, ...] = ()
    folder = options.output or Path(f"{options.model.stem}-{options.target.replace(':', '-')}")
    with staged_folder(folder) as staging:
        manifest = emit_model(built, name, variants.name, options.threads, staging, phases)
        if options.verify:
            with phases.phase("verify"):
                manifest |= verified(staging / f"{name}.so", options.model)
        elif options.precision == "fp16":
            with phases.phase("measure error"), tempfile.TemporaryDirectory(prefix="separable-") as temporary:
                emulated = partial(_emulated, options, Path(temporary))
                measured, notes = measure_error(emulated, options.model)
                manifest |= measured
        (staging / f"{name}.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return Compiled(folder, folder / f"{name}.so", manifest, (*built[0].notes, *notes), phases.seconds)


def _emulated(options: CompileOptions, folder: Path) -> Path:
    """The same model, compiled so that this machine computes what float16 targets do."""
    here = CompileOptions(
        options.model, EMULATED_FP16, shapes=options.shapes, winograd=options.winograd, precision=options.precision
    )
    emit_model([build_model(here, Phases())], "emulated", EMULATED_FP16, 1, folder, Phases())
    return folder / "emulated.so"


def emit_model(
    variants: Sequence[Built], name: str, target_name: str, threads: int, folder: Path, phases: Phases
) -> dict[str, Any]:
    """Write ``NAME.so``, ``NAME.h`` and ``NAME.py`` to a folder; return the manifest for ``NAME.json``.

    Args:
        variants: the model for one CPU or several, the preferred one first.
        name: of the model.
        target_name: what the library is compiled for.
        threads: that it uses if its user names no number.
        folder: receives the files.
        phases: told what is under way.
    """
    imported, target = variants[0].imported, variants[0].target
    layers = [layers_of(built.program, built.scheduled) for built in variants]
    blob = pack_weights([step for built in variants for step in built.scheduled.constants])
    described = [
        {
            "name": built.target.name,
            "isa": list(built.target.isa),
            "arena_bytes": built.plan.arena_bytes,
            "scratch_bytes": built.scheduled.scratch_bytes,
        }
        for built in variants
    ]
    description = {
        "name": name,
        "inputs": [vars(spec) | {"shape": list(spec.shape)} for spec in imported.inputs],
        "outputs": [vars(spec) | {"shape": list(spec.shape)} for spec in imported.outputs],
        "target": target_name,
        "arch": target.arch,
        "libc": target.libc,
        "isa": [isa for isa in target.isa if all(isa in built.target.isa for built in variants)],
        "precision": variants[0].precision,
        "variants": described,
        "arena_bytes": max(built.plan.arena_bytes for built in variants),
        "scratch_bytes": max(built.scheduled.scratch_bytes for built in variants),
        "weight_bytes": len(blob.data),
        "mult_adds": total_mult_adds(layers[0]),
        "versions": {"separable": separable.__version__, "tvm": tvm.__version__, "zig": version("ziglang")},
    }
    with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
        work = Path(temporary)
        with phases.phase("generate code") as advance:
            parts = _parts(advance, len(variants))
            objects = [_kernel_objects(built, work, part) for built, part in zip(variants, parts, strict=True)]
        with phases.phase("link"):
            source = work / f"{name}.c"
            source.write_text(
                model_source(name, variants, target=target_name, blob=blob, threads=threads, description=description)
            )
            phases.dump(f"{name}.c", source.read_text)
            linked = work / f"{name}.so"
            sources = [source, write_weights(blob, work), *(RUNTIME / OPS / f"{c}.c" for c in called_sources(variants))]
            link_library(linked, name, target, sources, [path for paths in objects for path in paths])
        library = linked.read_bytes()
        manifest = {
            **description,
            **library_sizes(linked),
            "variants": [
                {**facts, "code_bytes": sum(map(code_bytes, paths)), "kernels": [asdict(layer) for layer in own]}
                for facts, paths, own in zip(described, objects, layers, strict=True)
            ],
            "sha256": hashlib.sha256(library).hexdigest(),
            "unshared_arena_bytes": max(built.plan.unshared_bytes for built in variants),
            "kernels": [asdict(layer) for layer in layers[0]],
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
    kernels = built.scheduled.kernels
    objects: list[Path] = []
    for index, kernel in enumerate(kernels):
        if not isinstance(kernel.lowered, Call):
            objects.append(work / f"{kernel.name}.o")
            build_object([kernel.lowered], built.target, objects[-1])
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


def resolve_variants(name: str) -> Variants:
    """The rows that a library for a target has kernels for.

    Raises:
        UnknownTarget: as :func:`resolve_target`.
    """
    try:
        return find_variants(name)
    except UnknownTargetName as error:
        raise UnknownTarget(str(error)) from error


def c_identifier(text: str) -> str:
    """``text`` as the beginning of C names: ``mobilenet_v1_1.0_224`` becomes ``mobilenet_v1_1_0_224``."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII) or "model"
    return f"model_{name}" if name[0].isdigit() or name.startswith(_TAKEN) else name
