"""``python -m benchmarks.distillation``: does a small student learn more from a teacher than from the labels alone?

Scikit-learn's digits, 8x8 grey, become pictures of 32x32; the first half is learnt, accuracies are of the second, as in
scikit-learn's own example. The student, 0.25 MobileNet-32, starts from the same weights and sees the same pictures in
the same order, once with labels alone and once with the soft targets of a teacher, too: three 0.5 MobileNet-32 whose
logits are averaged, trained by the same recipe on the same pictures. What is reported is the last epoch's accuracy.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import nn

from separable.benchmarks.machine import describe_machine
from separable.compiler.files import write_whole
from separable.zoo.architecture import MobileNetV1
from separable.zoo.dataset import Pictures
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.recipe import Recipe
from separable.zoo.run_folder import TrainingError
from separable.zoo.train import train

_FOLDER = Path(__file__).parent / "results" / "distillation"
_SIZE, _CLASSES = 32, 10
_TEACHERS, _TEACHER_ALPHA, _STUDENT_ALPHA = 3, 0.5, 0.25
# Of all networks. The learning rate falls to 6 % of what it was, as the recipe's own does in 46 epochs.
RECIPE = Recipe(epochs=12, batch=32, shift=2, decay=0.06 ** (1 / 12))

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Ensemble(nn.Module):
    """The mean of several networks' logits [n, classes]."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits for pictures [n, 3, size, size]."""
        return torch.stack([network(pictures) for network in self.networks]).mean(dim=0)


@dataclass(frozen=True)
class Seed:
    """Accuracies of one student, trained twice."""

    seed: int
    labels: float
    distilled: float


class _TimeIsOver(Exception):
    """The rest is for the next call."""


def read_digits() -> tuple[Pictures, Pictures]:
    """The half to learn and the half to test.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    greys = [Image.fromarray(np.uint8(np.rint(image * (255 / 16)))) for image in digits.images]
    resized = [np.asarray(grey.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR)) for grey in greys]
    values, labels = np.repeat(np.stack(resized)[:, None], 3, axis=1), digits.target.astype(np.int64)
    half, classes = len(labels) // 2, tuple(map(str, range(_CLASSES)))
    return Pictures(values[:half], labels[:half], classes), Pictures(values[half:], labels[half:], classes)


def run_experiment(
    learn: Pictures, test: Pictures, folder: Path, recipe: Recipe, seeds: Sequence[int], note: Callable[[str], None]
) -> tuple[list[float], float, list[Seed]]:
    """Train teachers and students, or go on with them.

    Args:
        learn: pictures of ten classes to learn.
        test: others to measure accuracies on.
        folder: has a folder for each run.
        recipe: of all networks; their seeds differ.
        seeds: of the students.
        note: is told of every epoch.

    Returns:
        The accuracy of each teacher, that of their ensemble, and those of the students.

    Raises:
        TrainingError: the folder holds runs of something else.
    """

    def run(name: str, alpha: float, seed: int, teacher: nn.Module | None = None) -> tuple[nn.Module, float]:
        torch.manual_seed(seed)
        network = MobileNetV1Network(MobileNetV1(alpha, _SIZE, _CLASSES))
        settings = replace(recipe, seed=seed)
        accuracy = train(
            network,
            learn,
            test,
            folder / f"{name}-{seed}",
            settings,
            teacher=teacher,
            note=lambda line: note(f"{name} {seed}, epoch {line['epoch']:g}: {line['validation_accuracy']:.4f}"),
        )
        return network, accuracy

    teachers = [run("teacher", _TEACHER_ALPHA, seed) for seed in range(_TEACHERS)]
    ensemble = Ensemble([network for network, _ in teachers]).eval()
    with torch.no_grad():
        predicted = ensemble(torch.from_numpy(test.batch(np.arange(len(test)))[0])).argmax(dim=1).numpy()
    students = [
        Seed(seed, run("labels", _STUDENT_ALPHA, seed)[1], run("distilled", _STUDENT_ALPHA, seed, ensemble)[1])
        for seed in seeds
    ]
    return [accuracy for _, accuracy in teachers], float((predicted == test.labels).mean()), students


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="Students.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch; another number, other roundings.")] = 1,
    folder: Annotated[Path, typer.Option(help="Keeps the runs; the same command goes on there.")] = _FOLDER,
    seconds: Annotated[float, typer.Option(help="Stop after so long, to be gone on with.")] = math.inf,
) -> None:
    """Train a student with labels alone and with a teacher, from several seeds."""
    console = Console(highlight=False, soft_wrap=True)
    torch.set_num_threads(threads)
    end = time.monotonic() + seconds

    def note(text: str) -> None:
        console.print(text)
        if time.monotonic() >= end:
            raise _TimeIsOver

    try:
        learn, test = read_digits()
        teachers, ensemble, students = run_experiment(learn, test, folder, RECIPE, range(1, seeds + 1), note)
    except _TimeIsOver:
        console.print("the time is over: the same command goes on")
        return
    except (ModuleNotFoundError, TrainingError, OSError) as error:
        hint = "; install the extra 'bench'" if isinstance(error, ModuleNotFoundError) else ""
        Console(stderr=True).print(f"error: {error}{hint}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    console.print(f"teachers {', '.join(f'{teacher:.2%}' for teacher in teachers)}, together {ensemble:.2%}")
    console.print(_table(students))
    console.print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("seed", "labels", "distilled"), *((student.seed, student.labels, student.distilled) for student in students)]
    )
    write_whole(folder / "results.csv", text.getvalue())
    if not distillation_wins(students):
        raise typer.Exit(1)


def distillation_wins(students: Sequence[Seed]) -> bool:
    """Whether the students are better with a teacher, as a mean over the seeds."""
    return statistics.mean(student.distilled - student.labels for student in students) > 0


def _table(students: Sequence[Seed]) -> Table:
    table = Table("seed", "labels alone", "distilled", "difference")
    rows = [(str(student.seed), student.labels, student.distilled) for student in students]
    labels = statistics.mean(student.labels for student in students)
    rows.append(("mean", labels, statistics.mean(student.distilled for student in students)))
    for name, labels, distilled in rows:
        table.add_row(name, f"{labels:.2%}", f"{distilled:.2%}", f"{100 * (distilled - labels):+.2f} points")
    return table


if __name__ == "__main__":
    app()
