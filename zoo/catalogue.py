"""The networks by name, and what can be chosen of each; torch is imported when one is built."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from separable.zoo.network import Network

# The number of attributes is not in the paper; this is that of the public data set CelebA.
FACE_ATTRIBUTES = 40
# The length of FaceNet's embeddings.
FACE_EMBEDDING = 128
DOG_BREEDS = 120
# PlaNet's geographic cells: the paper only says that the final layer has ten million parameters.
PLANET_CELLS = 10_000


class UnknownNetwork(ValueError):
    """The zoo has no network of this name; the message offers the nearest ones."""


class OptionError(ValueError):
    """An option that a network does not have, or a value that it does not take."""


@dataclass(frozen=True)
class Entry:
    """One network of the zoo.

    Attributes:
        name: as the command line takes it.
        summary: what it is and where the paper has it.
        builder: ``module:callable`` below ``separable.zoo``.
        options: what can be chosen, with the values that apply if it is not.
        settings: further arguments of the builder.
    """

    name: str
    summary: str
    builder: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def complete(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their values: ``chosen`` or default.

        Raises:
            OptionError: the network does not have an option that was chosen.
        """
        if unknown := chosen.keys() - self.options.keys():
            names = ", ".join(self.options)
            raise OptionError(f"{self.name} has no option {', '.join(sorted(unknown))}; its options are {names}")
        return {**self.options, **chosen}


def _options(resolution: int, classes: int = 1000) -> dict[str, Any]:
    return {"alpha": 1.0, "resolution": resolution, "classes": classes}


def _mobilenet(
    name: str, summary: str, classes: int, *, variant: str = "separable", head: str = "logits", resolution: int = 224
) -> Entry:
    options = {**_options(resolution, classes), "activation": "relu"}
    return Entry(name, summary, "mobilenet_v1:build", options, {"variant": variant, "head": head})


_ENTRIES = (
    _mobilenet("mobilenet-v1", "MobileNet V1 of any width and resolution (Tables 1, 4 to 9)", 1000),
    _mobilenet("conv-mobilenet", "full convolutions instead of separable ones (Table 4)", 1000, variant="full"),
    _mobilenet("shallow-mobilenet", "without the five layers of 14x14x512 (Table 5)", 1000, variant="shallow"),
    _mobilenet("mobilenet-dogs", "MobileNet V1 for Stanford Dogs (Table 10)", DOG_BREEDS),
    _mobilenet("mobilenet-planet", "MobileNet V1 for places on earth (Table 11)", PLANET_CELLS),
    _mobilenet(
        "mobilenet-face-attributes", "a sigmoid for each attribute (Table 12)", FACE_ATTRIBUTES, head="attributes"
    ),
    _mobilenet(
        "mobilenet-face-embedding",
        "an embedding of length one (Table 14)",
        FACE_EMBEDDING,
        head="embedding",
        resolution=160,
    ),
    Entry("googlenet", "GoogLeNet (Table 8)", "googlenet:GoogLeNet", _options(224)),
    Entry("vgg16", "VGG-16 (Table 8)", "vgg16:VGG16", _options(224)),
    Entry("squeezenet-1.0", "SqueezeNet (Table 9)", "squeezenet:SqueezeNet", _options(227), {"version": "1.0"}),
    Entry("squeezenet-1.1", "SqueezeNet, less computation", "squeezenet:SqueezeNet", _options(227), {"version": "1.1"}),
    Entry("alexnet", "AlexNet (Table 9)", "alexnet:AlexNet", _options(227)),
    Entry("inception-v2", "Inception V2 (below Table 13)", "inception_v2:InceptionV2", _options(224)),
    Entry("inception-v3", "Inception V3 (Table 10)", "inception_v3:InceptionV3", _options(299)),
    Entry(
        "ssd-mobilenet", "SSD on MobileNet V1 (Table 13)", "detection.ssd_mobilenet:ssd_mobilenet", _options(300, 90)
    ),
    Entry(
        "ssd-inception-v2",
        "SSD on Inception V2 (Table 13)",
        "detection.ssd_mobilenet:ssd_inception_v2",
        _options(300, 90),
    ),
    Entry("ssd-vgg", "SSD 300 on VGG-16 (Table 13)", "detection.ssd_vgg:ssd_vgg", {"alpha": 1.0, "classes": 90}),
    *(
        Entry(
            f"faster-rcnn-{name.replace('_', '-')}",
            f"Faster R-CNN on {title} (Table 13)",
            f"detection.faster_rcnn:faster_rcnn_{name}",
            {**_options(600, 90), "proposals": 300},
        )
        for name, title in (("mobilenet", "MobileNet V1"), ("inception_v2", "Inception V2"), ("vgg", "VGG-16"))
    ),
)
CATALOGUE: Mapping[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find(name: str) -> Entry:
    """The network of this name.

    Raises:
        UnknownNetwork: there is none.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4) or list(CATALOGUE)[:1]
    raise UnknownNetwork(f"the zoo has no network '{name}'; did you mean {' or '.join(near)}?")


def build(name: str, **chosen: Any) -> Network:
    """A network with weights that torch gives to new layers; :func:`draw_weights` makes better ones.

    Args:
        name: of the network in the catalogue.
        chosen: options other than the default ones.

    Raises:
        UnknownNetwork: there is no such network.
        OptionError: it has no such option, or does not take its value.
        ModuleNotFoundError: torch is not installed.
    """
    entry = find(name)
    options = entry.complete(chosen)
    module, _, builder = entry.builder.partition(":")
    function = getattr(importlib.import_module(f"separable.zoo.{module}"), builder)
    try:
        network: Network = function(**options, **entry.settings)
    except ValueError as error:
        raise OptionError(str(error)) from error
    return network
