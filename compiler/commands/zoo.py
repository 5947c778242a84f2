"""``separable zoo``: the paper's networks as ONNX files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separable.compiler.commands.terminal import new_table, print_facts, stderr, stdout
from separable.compiler.commands.units import bytes_text, count_text, shell_path
from separable.compiler.errors import CompileError, InputError, OutputError
from separable.compiler.interrupts import interrupt_later
from separable.zoo.catalogue import CATALOGUE, OptionError, UnknownNetwork, build, find

if TYPE_CHECKING:
    from separable.zoo.network import Network


class Activation(StrEnum):
    """What follows each batch normalisation."""

    RELU = "relu"
    RELU6 = "relu6"


def zoo_command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A network that --list shows.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.onnx", help="The file to write.")
    ] = None,
    list_networks: Annotated[bool, typer.Option("--list", help="Show the networks and their options.")] = False,
    alpha: Annotated[float | None, typer.Option(help="Width multiplier, above 0 and at most 1.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Height and width of the input picture.")] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs of the classifier, or classes of objects.")] = None,
    activation: Annotated[
        Activation | None, typer.Option(help="What follows each batch normalisation of MobileNet.")
    ] = None,
    proposals: Annotated[
        int | None, typer.Option(min=1, help="Regions that the second stage of Faster R-CNN looks at.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random weights.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trained weights: a state dict that torch.save wrote.")
    ] = None,
) -> None:
    """Write one of the paper's networks as an ONNX file; its weights are random unless --weights is given."""
    if list_networks:
        _list()
        return
    if name is None or output is None:
        raise InputError(
            "say which network and where to: separable zoo NAME -o FILE.onnx; separable zoo --list names all"
        )
    given = {
        "alpha": alpha,
        "resolution": resolution,
        "classes": classes,
        "activation": activation and activation.value,
        "proposals": proposals,
    }
    try:
        options = find(name).complete({option: value for option, value in given.items() if value is not None})
        if not output.absolute().parent.is_dir():
            raise OutputError(f"cannot write {output}: there is no folder {output.parent}")
        network = build(name, **options)
    except (UnknownNetwork, OptionError) as error:
        raise InputError(
            f"{error}" + ("; separable zoo --list names all" if isinstance(error, UnknownNetwork) else "")
        ) from error
    except ModuleNotFoundError as error:
        raise without_torch(error) from error
    with stderr().status(f"writing {network.name}"):
        _export(network, output, seed, weights)
    _describe(network, options, output, seed, weights)


def without_torch(error: ModuleNotFoundError) -> Exception:
    """What to tell the user if torch is missing; any other missing module is a defect, and stays what it is."""
    if error.name != "torch":
        return error
    return CompileError("the zoo needs torch, which is not installed: pip install 'separable[zoo]'")


def _list() -> None:
    table = new_table(["network", "what it is", "options and their defaults"], [])
    for entry in CATALOGUE.values():
        options = " ".join(f"--{option} {value}" for option, value in entry.options.items())
        table.add_row(entry.name, entry.summary, options)
    stdout().print(table)


def _export(network: Network, output: Path, seed: int, weights: Path | None) -> None:
    from separable.zoo.export import export_network
    from separable.zoo.weights import WeightsError

    try:
        with interrupt_later():
            export_network(network, output, seed=seed, weights=weights)
    except WeightsError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise OutputError(f"cannot write {output}: {error.strerror}") from error  # a full disk names no file


def _describe(network: Network, options: dict[str, Any], output: Path, seed: int, weights: Path | None) -> None:
    from separable.zoo.count import count_layers, total_of

    cost = total_of(count_layers(network))
    details = [network.name, f"{options['classes']} classes", options.get("activation")]
    origin = f"from {weights}" if weights else f"random from seed {seed}: the network is not trained"
    print_facts(
        [
            ("network", ", ".join(detail for detail in details if detail)),
            ("mult-adds", f"{count_text(cost.mult_adds)} ({cost.mult_adds})"),
            ("parameters", f"{count_text(cost.parameters)} ({cost.parameters})"),
            ("weights", origin),
            ("file", f"{output}, {bytes_text(output.stat().st_size)}"),
            ("next", f"separable compile {shell_path(output)} --target native"),
        ]
    )
