"""``separable compile``: an ONNX file to a folder with a standalone library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from separable.compiler.commands.terminal import PhaseDisplay, print_facts, print_note, stderr
from separable.compiler.commands.units import bytes_text, count_text, shell_path
from separable.compiler.options import MOST_THREADS, CompileOptions

if TYPE_CHECKING:
    from separable.compiler.pipeline import Compiled


def parse_shapes(texts: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """``["input=1,3,224,224"]`` as a shape for each input name."""
    shapes = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        try:
            shapes[name] = tuple(int(dim) for dim in dims.split(","))
        except ValueError:
            equals = ""
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is no shape; expected NAME=1,3,224,224")
    return shapes


Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="NAME=N,C,H,W", help="Shape of an input whose dimensions are symbolic."),
]
TargetName = Annotated[
    str, typer.Option("--target", metavar="NAME", help="What to compile for; `separable targets` lists the names.")
]

Winograd = Annotated[
    bool,
    typer.Option(
        "--winograd/--no-winograd",
        help="Winograd's algorithm for 3x3 convolutions where it is faster; results differ by 1e-6 of their range.",
    ),
]
Strassen = Annotated[
    bool,
    typer.Option(
        "--strassen/--no-strassen",
        help="Strassen's algorithm for 1x1 convolutions where it is faster; results differ by 1e-6 of their range.",
    ),
]

Precision = Annotated[
    str,
    typer.Option(
        metavar="fp32|fp16",
        help="fp16: float16 images, weights and arithmetic on arm64 cores that have it; "
        "inputs and outputs stay float32.",
    ),
]


RecordFiles = Annotated[
    list[Path] | None,
    typer.Option("--records", metavar="FILE", help="Records of `separable tune`; may be given several times."),
]


def compile_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    target: TargetName = "native",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Output folder. [default: MODEL-TARGET]")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Prefix of the C functions and of the files. [default: MODEL]")
    ] = None,
    shape: Shapes = None,
    threads: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_THREADS, help="Threads that the library uses unless told otherwise; 0: every CPU."
        ),
    ] = 0,
    winograd: Winograd = True,
    strassen: Strassen = True,
    precision: Precision = "fp32",
    records: RecordFiles = None,
    require_records: Annotated[
        bool, typer.Option("--require-records", help="Fail if a kernel that can be tuned has no record.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the library with the ONNX file.")] = False,
    dump_ir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the intermediate form after every pass.")
    ] = None,
) -> None:
    """Compile an ONNX file to one standalone shared library."""
    options = CompileOptions(
        model=model,
        target=target,
        output=output,
        name=name,
        shapes=parse_shapes(shape or ()),
        threads=threads,
        dump_ir=dump_ir,
        records=tuple(records or ()),
        require_records=require_records,
        winograd=winograd,
        strassen=strassen,
        precision=precision,
        verify=verify,
    )
    _echo(options)
    with PhaseDisplay() as display:
        display("load compiler", 0)
        from separable.compiler.pipeline import compile_model

        display("load compiler", 1)
        compiled = compile_model(options, display)
    for note in compiled.notes:
        print_note(note)
    print_facts(_summary(compiled))


def _echo(options: CompileOptions) -> None:
    """Print the options before any work starts: a log then says what was asked for."""
    given = [(field, getattr(options, field.name)) for field in fields(options)]
    shown = [(field, value) for field, value in given if field.default is True or value not in (None, False, {}, ())]
    stderr().print(f"compile {' '.join(f'{field.name}={_text(value)}' for field, value in shown)}", soft_wrap=True)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _summary(compiled: Compiled) -> list[tuple[str, str]]:
    from separable.compiler.verify import runs_here

    manifest = compiled.manifest
    code = manifest["code_bytes"] + manifest["rodata_bytes"] - manifest["weight_bytes"]
    schedules = Counter(layer["schedule"] for layer in manifest["kernels"])
    distinct = {layer["kernel"] for layer in manifest["kernels"]}
    facts = [
        ("library", f"{compiled.library}, {bytes_text(manifest['file_bytes'])}"),
        ("holds", f"{bytes_text(manifest['weight_bytes'])} of weights, {bytes_text(code)} of code and constants"),
        ("arena", f"{bytes_text(manifest['arena_bytes'])} ({bytes_text(manifest['unshared_arena_bytes'])} unshared)"),
        ("mult-adds", count_text(manifest["mult_adds"])),
        ("kernels", f"{len(distinct)} for {len(manifest['kernels'])} calls; schedules: {_counts(schedules)}"),
    ]
    if "max_error" in manifest:
        facts.append(("max error", f"{manifest['max_error']:.1e} of the range, to {manifest['verified_against']}"))
    if len(manifest["variants"]) > 1:
        facts += [("variant", f"{v['name']}, {bytes_text(v['code_bytes'])} of code") for v in manifest["variants"]]
    phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in compiled.seconds.items())
    facts.append(("seconds", f"{sum(compiled.seconds.values()):.1f}: {phases}"))
    here = runs_here(manifest["arch"], manifest["libc"])
    where = "" if here else f"on the {manifest['arch']} device: "
    facts.append(("next", f"{where}separable run {shell_path(compiled.library)}"))
    return facts


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
