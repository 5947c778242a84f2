from __future__ import annotations

from separable.zoo.family import FAMILY, network_title, paper_accuracy, printed_accuracies


def test_what_the_paper_prints() -> None:
    printed = {at: (known.percent, known.table) for at, known in printed_accuracies().items()}
    assert printed == {
        (1.0, 224): (70.6, 6),
        (0.75, 224): (68.4, 6),
        (0.5, 224): (63.7, 6),
        (0.25, 224): (50.6, 6),
        (1.0, 192): (69.1, 7),
        (1.0, 160): (67.2, 7),
        (1.0, 128): (64.4, 7),
        (0.5, 160): (60.2, 9),
    }


def test_the_rest_is_interpolated_and_says_so() -> None:
    known = {
        (network.alpha, network.resolution): paper_accuracy(network.alpha, network.resolution) for network in FAMILY
    }
    assert len(known) == 16
    assert sum(accuracy.table is None for accuracy in known.values()) == 8
    assert known[0.75, 192].percent == 66.9
    for (alpha, resolution), accuracy in known.items():
        wider = [other.percent for (a, r), other in known.items() if r == resolution and a > alpha]
        larger = [other.percent for (a, r), other in known.items() if a == alpha and r > resolution]
        assert accuracy.percent < min(wider + larger, default=100)


def test_titles() -> None:
    assert [network_title(network) for network in FAMILY[:5:4]] == ["1.0 MobileNet-224", "0.75 MobileNet-224"]
