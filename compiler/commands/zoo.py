"""``separable zoo``: the paper's networks as ONNX files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from separable.compiler.commands.terminal import print_facts, stderr
from separable.compiler.commands.units import bytes_text, count_text
from separable.compiler.errors import CompileError, InputError, OutputError
from separable.zoo.architecture import MobileNetV1
from separable.zoo.cost import network_cost

zoo = typer.Typer(help="Write one of the paper's networks as an ONNX file.", no_args_is_help=True)


class Activation(StrEnum):
    """What follows each batch normalisation."""

    RELU = "relu"
    RELU6 = "relu6"


@zoo.callback()
def _networks() -> None:
    """Write one of the paper's networks as an ONNX file."""


@zoo.command("mobilenet-v1")
def mobilenet_v1(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.onnx", help="The file to write.")],
    alpha: Annotated[float, typer.Option(help="Width multiplier, above 0 and at most 1.")] = 1.0,
    resolution: Annotated[int, typer.Option(help="Height and width of the input picture.")] = 224,
    classes: Annotated[int, typer.Option(help="Outputs of the classifier.")] = 1000,
    activation: Annotated[Activation, typer.Option(help="What follows each batch normalisation.")] = Activation.RELU,
    seed: Annotated[int, typer.Option(min=0, help="Of the random weights.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trained weights: a state dict that torch.save wrote.")
    ] = None,
) -> None:
    """MobileNet V1; its weights are random unless --weights is given."""
    try:
        network = MobileNetV1(alpha, resolution, classes, activation.value)
    except ValueError as error:
        raise InputError(str(error)) from error
    if not output.absolute().parent.is_dir():
        raise OutputError(f"cannot write {output}: there is no folder {output.parent}")
    with stderr().status(f"writing {network.name}"):
        _export(network, output, seed, weights)
    cost = network_cost(network)
    origin = f"from {weights}" if weights else f"random from seed {seed}: the network is not trained"
    print_facts(
        [
            ("network", f"{network.name}, {classes} classes, {activation.value}"),
            ("mult-adds", f"{count_text(cost.mult_adds)} ({cost.mult_adds})"),
            ("parameters", f"{count_text(cost.parameters)} ({cost.parameters})"),
            ("weights", origin),
            ("file", f"{output}, {bytes_text(output.stat().st_size)}"),
            ("next", f"separable compile {output} --target native"),
        ]
    )


def _export(network: MobileNetV1, output: Path, seed: int, weights: Path | None) -> None:
    try:
        from separable.zoo.export import export_mobilenet_v1
        from separable.zoo.weights import WeightsError
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise CompileError("the zoo needs torch, which is not installed: pip install 'separable[zoo]'") from error
    try:
        export_mobilenet_v1(network, output, seed=seed, weights=weights)
    except WeightsError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise OutputError(f"cannot write {output}: {error.strerror}") from error  # a full disk names no file
