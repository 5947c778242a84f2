from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from separable.zoo.catalogue import CATALOGUE, OptionError, UnknownNetwork, build, find


def test_it_is_read_without_torch() -> None:
    script = "import sys, separable.zoo.catalogue, separable.zoo.paper; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNetwork, match=r"no network 'squeezenet'; did you mean squeezenet-1\.[01] or"):
        find("squeezenet")


def test_an_option_of_another_network_is_an_error() -> None:
    with pytest.raises(OptionError, match="ssd-vgg has no option resolution; its options are alpha, classes"):
        build("ssd-vgg", resolution=300)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": 1.5}, {"resolution": 8}, {"classes": 0}])
def test_values_out_of_range_are_an_error(name: str, options: dict[str, Any]) -> None:
    pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")
    ((option, value),) = options.items()
    if option in CATALOGUE[name].options:
        with pytest.raises(OptionError, match=str(value)):
            build(name, **options)


def test_defaults_are_completed() -> None:
    assert find("mobilenet-v1").complete({"alpha": 0.5}) == {
        "alpha": 0.5,
        "resolution": 224,
        "classes": 1000,
        "activation": "relu",
    }
