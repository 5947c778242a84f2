"""``separable inspect``: what a network costs, and which kernel, schedule and layout each of its layers gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separable.compiler.commands.compile import (
    Precision,
    RecordFiles,
    Shapes,
    Strassen,
    TargetName,
    Winograd,
    parse_shapes,
)
from separable.compiler.commands.terminal import PhaseDisplay, new_table, print_facts, print_note, stdout
from separable.compiler.commands.units import bytes_text, count_text, percent_text
from separable.compiler.options import CompileOptions

if TYPE_CHECKING:
    from separable.compiler.report import Layer


def inspect_command(
    path: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file, a library, or an output folder.")],
    target: TargetName = "native",
    shape: Shapes = None,
    winograd: Winograd = True,
    strassen: Strassen = True,
    precision: Precision = "fp32",
    records: RecordFiles = None,
) -> None:
    """Show mult-adds, parameters, kernels, schedules and memory of a network or of a compiled library."""
    from separable.compiler.inspect import find_library

    library = find_library(path)
    if library is None:
        shapes, recorded = parse_shapes(shape or ()), tuple(records or ())
        options = CompileOptions(
            path,
            target,
            shapes=shapes,
            winograd=winograd,
            strassen=strassen,
            precision=precision,
            records=recorded,
        )
        _inspect_model(options)
    else:
        _inspect_library(library)


def _inspect_model(options: CompileOptions) -> None:
    with PhaseDisplay() as display:
        display("load compiler", 0)
        from separable.compiler.pipeline import Phases, build_variants, resolve_variants
        from separable.compiler.precision import check_precision
        from separable.compiler.report import folded_nodes, layers_of

        display("load compiler", 1)
        variants = resolve_variants(options.target)
        check_precision(options.precision, variants.rows)
        (built,) = build_variants(options, variants.rows[:1], Phases(display))
    if len(variants.rows) > 1:
        names = ", ".join(row.name for row in variants.rows)
        print_note(f"{variants.name} has kernels for {names}; these are those of the first")
    for note in built.notes:
        print_note(note)
    layers = layers_of(built.program, built.scheduled)
    _print_layers(layers)
    folded = folded_nodes(built.imported.op_nodes.values(), layers)
    _print_shares(layers)
    print_facts(
        [
            *_totals(layers),
            ("no kernel", ", ".join(folded) or "every node has one"),
            ("arena", _arena(built.plan.arena_bytes, built.plan.unshared_bytes)),
            ("target", f"{built.target.name}: {built.target.cpu}, needs {', '.join(built.target.isa)}"),
        ]
    )


def _inspect_library(library: Path) -> None:
    from separable.compiler.inspect import read_manifest

    manifest = read_manifest(library)
    if "kernels" in manifest:
        from separable.compiler.report import Layer

        layers = [Layer.from_manifest(entry) for entry in manifest["kernels"]]
        _print_layers(layers)
        _print_shares(layers)
    else:
        print_note(f"beside {library} is no manifest that belongs to it: this is what the library itself says")
    print_facts(_library_facts(library, manifest))


def _library_facts(library: Path, manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("library", f"{library}, {bytes_text(library.stat().st_size)}")]
    for role in ("inputs", "outputs"):
        facts += [(role[:-1], f"{spec['name']} {spec['dtype']}{spec['shape']}") for spec in manifest[role]]
    needs = ", ".join(manifest["isa"])
    facts.append(("target", f"{manifest['target']} ({manifest['arch']}), needs {needs}"))
    variants = manifest.get("variants", [])
    facts += [("variant", _variant(entry)) for entry in variants if len(variants) > 1]
    facts.append(("precision", manifest.get("precision", "fp32")))
    facts.append(("weights", bytes_text(manifest["weight_bytes"])))
    if "code_bytes" in manifest:
        facts.append(("code", bytes_text(manifest["code_bytes"])))
    facts.append(("arena", _arena(manifest["arena_bytes"], manifest.get("unshared_arena_bytes"))))
    facts.append(("scratch", f"{bytes_text(manifest['scratch_bytes'])} for each thread"))
    facts.append(("mult-adds", count_text(manifest["mult_adds"])))
    if "max_error" in manifest:
        facts.append(("max error", f"{manifest['max_error']:.1e} of the range, to {manifest['verified_against']}"))
    facts.append(("made by", ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())))
    return facts


def _variant(entry: Mapping[str, Any]) -> str:
    code = f"{bytes_text(entry['code_bytes'])} of code, " if "code_bytes" in entry else ""
    return f"{entry['name']}: {code}arena {bytes_text(entry['arena_bytes'])}, needs {', '.join(entry['isa'])}"


def _arena(shared: int, unshared: int | None) -> str:
    return bytes_text(shared) + (f" ({bytes_text(unshared)} if nothing shared memory)" if unshared else "")


def _totals(layers: Sequence[Layer]) -> list[tuple[str, str]]:
    from separable.compiler.report import total_mult_adds, total_parameters

    mult_adds, parameters = total_mult_adds(layers), total_parameters(layers)
    return [
        ("mult-adds", f"{count_text(mult_adds)} ({mult_adds})"),
        ("parameters", f"{count_text(parameters)} ({parameters}), batch normalisation folded into the biases"),
    ]


def _print_layers(layers: Sequence[Layer]) -> None:
    table = new_table(["nodes", "type", "kernel", "output", "schedule", "tile"], ["mult-adds", "parameters"])
    for layer in layers:
        table.add_row(
            " + ".join(layer.nodes),
            layer.type,
            layer.kernel,
            layer.layout,
            layer.schedule,
            layer.tile,
            count_text(layer.mult_adds),
            count_text(layer.parameters),
        )
    stdout().print(table)


def _print_shares(layers: Sequence[Layer]) -> None:
    from separable.compiler.report import shares_of, total_mult_adds, total_parameters

    table = new_table(["type"], ["layers", "mult-adds", "parameters"])
    for share in shares_of(layers):
        table.add_row(
            share.type,
            str(share.count),
            percent_text(share.mult_adds, total_mult_adds(layers)),
            percent_text(share.parameters, total_parameters(layers)),
        )
    stdout().print(table)
