"""Every network of the catalogue, as small as it gets, with sizes that are multiples of nothing."""

from __future__ import annotations

from typing import Any

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "mobilenet-v1": {"alpha": 0.3, "resolution": 53, "activation": "relu6"},
    "conv-mobilenet": {"alpha": 0.1, "resolution": 47},
    "shallow-mobilenet": {"alpha": 0.3, "resolution": 37},
    "mobilenet-dogs": {"alpha": 0.2, "resolution": 33},
    "mobilenet-planet": {"alpha": 0.2, "resolution": 33},
    "mobilenet-face-attributes": {"alpha": 0.2, "resolution": 33},
    "mobilenet-face-embedding": {"alpha": 0.2, "resolution": 33},
    "googlenet": {"alpha": 0.2, "resolution": 67, "classes": 7},
    "vgg16": {"alpha": 0.07, "resolution": 71, "classes": 7},
    "squeezenet-1.0": {"alpha": 0.3, "resolution": 61, "classes": 7},
    "squeezenet-1.1": {"alpha": 0.3, "resolution": 62, "classes": 7},
    "alexnet": {"alpha": 0.1, "resolution": 85, "classes": 7},
    "inception-v2": {"alpha": 0.2, "resolution": 67, "classes": 7},
    "inception-v3": {"alpha": 0.1, "resolution": 83, "classes": 7},
}
DETECTORS: dict[str, dict[str, Any]] = {
    "ssd-mobilenet": {"alpha": 0.2, "resolution": 83, "classes": 5},
    "ssd-inception-v2": {"alpha": 0.2, "resolution": 83, "classes": 3},
    "ssd-vgg": {"alpha": 0.05, "classes": 2},
    "faster-rcnn-mobilenet": {"alpha": 0.2, "resolution": 97, "classes": 5, "proposals": 23},
    "faster-rcnn-inception-v2": {"alpha": 0.2, "resolution": 97, "classes": 3, "proposals": 17},
    "faster-rcnn-vgg": {"alpha": 0.1, "resolution": 99, "classes": 3, "proposals": 13},
}
