from __future__ import annotations

from separable.benchmarks.published import estimate_published
from separable.targets.published import PUBLISHED
from separable.zoo.architecture import MobileNetV1


def test_every_figure_has_an_estimate_of_its_cores_clock_and_threads() -> None:
    pairs = estimate_published(MobileNetV1(0.25, 128))
    assert [figure for figure, _ in pairs] == list(PUBLISHED)
    for figure, estimate in pairs:
        assert (estimate.target, estimate.ghz, estimate.threads) == (figure.row, figure.ghz, figure.threads)
