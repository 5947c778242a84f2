"""``make demo``: the whole way once, from a network in torch to a picture's classes and the time they take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.contest import hold_contest
from separable.benchmarks.conversion import prepare_entrant
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.outputs import TOLERANCE, relative_error
from separable.benchmarks.peers import OURS
from separable.benchmarks.peers.peer import Array
from separable.benchmarks.reference import reference_outputs
from separable.benchmarks.report import results_table
from separable.benchmarks.workload import Workload
from separable.compiler.errors import CompileError, VerificationFailed
from separable.compiler.options import CompileOptions
from separable.compiler.picture import load_input, read_labels, top_k
from separable.compiler.pipeline import Compiled, compile_model
from separable.runtime.loader import load
from separable.zoo.architecture import MobileNetV1
from separable.zoo.cost import network_cost
from separable.zoo.export import export_mobilenet_v1
from separable.zoo.weights import WeightsError

_PICTURE = Path(__file__).resolve().parents[1] / "zoo" / "pictures" / "cat.jpg"
_ROUNDS = 10

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)


@app.command()
def demo(
    weights: Annotated[Path | None, typer.Option(help="State dict for the network; default: untrained.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("demo"),
) -> None:
    """Export MobileNet V1, compile it for this machine and for arm64, run, verify and time it."""
    try:
        folder.mkdir(exist_ok=True)
        model = _export(folder / "mobilenet_v1.onnx", weights)
        here = _compile(model, "native", folder)
        _compile(model, "arm64", folder)
        with load(here.library) as loaded:
            picture = load_input(_PICTURE, loaded.inputs[0].shape)
            logits = loaded(picture)
            inputs = {loaded.inputs[0].name: picture}
        _classify(logits, labels, trained=weights is not None)
        expected = reference_outputs(model, inputs)
        _verify(logits, *expected.values())
        _time(
            Workload(
                "MobileNet V1",
                model,
                model,
                here.library,
                inputs,
                expected,
                flops=2 * here.manifest["mult_adds"],
                weight_bytes=here.manifest["weight_bytes"],
                arena_bytes=here.manifest["arena_bytes"],
            )
        )
    except (CompileError, WeightsError, ContenderFailed, OSError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    _heading("What to do next")
    console.print(f"separable inspect {here.library}", "separable --help", sep="\n")


def _export(path: Path, weights: Path | None) -> Path:
    """The zoo's network as ONNX."""
    _heading("MobileNet V1 1.0-224, from torch to ONNX")
    spec = MobileNetV1()
    export_mobilenet_v1(spec, path, weights=weights)
    cost = network_cost(spec)
    console.print(
        f"{path}: {cost.mult_adds / 1e6:.0f} million mult-adds, {cost.parameters / 1e6:.2f} million parameters, "
        f"weights {f'from {weights}' if weights else 'drawn from a seed'}"
    )
    return path


def _compile(model: Path, target: str, folder: Path) -> Compiled:
    """One library, and what is in it."""
    _heading(f"Compile for {target}")
    with console.status("compiling") as status:
        options = CompileOptions(model, target=target, output=folder / target)
        compiled = compile_model(options, lambda phase, _: status.update(phase))
    sizes = {key: f"{compiled.manifest[f'{key}_bytes'] / 1e6:.2f} MB" for key in ("file", "weight", "code", "arena")}
    console.print(
        f"{compiled.library}: {sizes['file']}, of which weights {sizes['weight']} and code {sizes['code']}; "
        f"arena {sizes['arena']}",
        f"compiled in {sum(compiled.seconds.values()):.1f} s: "
        + ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in compiled.seconds.items()),
        sep="\n",
    )
    return compiled


def _classify(logits: Array, labels: Path | None, *, trained: bool) -> None:
    """The five most likely classes."""
    _heading(f"What is on {_PICTURE.name}?")
    if not trained:
        console.print(
            "The network is untrained: its weights are random and so are these classes.\n"
            "`make demo WEIGHTS=state_dict.pt LABELS=names.txt` shows a trained one."
        )
    for place in top_k(logits, read_labels(labels) if labels else None):
        console.print(f"{place.probability:7.2%}  class {place.index}  {place.label}".rstrip())


def _verify(logits: Array, expected: Array) -> None:
    """The same picture through ONNX Runtime."""
    error = relative_error(logits, expected)
    _heading("Verify against ONNX Runtime")
    if not error <= TOLERANCE:
        raise VerificationFailed(f"outputs differ by {error:.1e} of their range, allowed is {TOLERANCE:g}")
    same = "the same" if np.array_equal(np.argsort(logits)[0, -5:], np.argsort(expected)[0, -5:]) else "other"
    console.print(f"largest difference {error:.1e} of the output's range (allowed {TOLERANCE:g}), {same} top five")


def _time(workload: Workload) -> None:
    """Ours and ONNX Runtime in turns."""
    _heading("Latency, in turns with ONNX Runtime")
    cpus = sorted(os.sched_getaffinity(0))
    entrants = [prepare_entrant(name, workload) for name in (OURS, "onnxruntime")]
    contests = []
    for threads in range(1, min(len(cpus), 2) + 1):
        with console.status(f"measuring with {threads} thread{'s' * (threads > 1)}"):
            contests.append(hold_contest(workload, entrants, threads=threads, cpus=cpus[:threads], rounds=_ROUNDS))
    for contest in contests:
        console.print(results_table(contest))
    console.print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))


def _heading(text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]")


if __name__ == "__main__":
    app()
