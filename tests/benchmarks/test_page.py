from __future__ import annotations

import html
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from separable.benchmarks.contest import Contest
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.page import results_page
from separable.benchmarks.plots import latency_plot, layers_plot

LAYERS = [LayerTime("conv_0", 0.2, 80.0, 0.8), LayerTime("softmax", 0.01, 0.0, 0.0)]


@pytest.fixture
def page(contest: Contest) -> str:
    return results_page([contest], {"net": LAYERS}, {"cpu": "some <CPU>"})


def test_latency_plot_is_svg_with_every_contender(contest: Contest) -> None:
    svg = latency_plot([contest, contest])
    text = "".join(ElementTree.fromstring(svg).itertext())
    assert text.count("Other 1.0") == 2
    assert "net, 2 threads" in text


def test_layers_plot_shows_what_multiplies() -> None:
    text = "".join(ElementTree.fromstring(layers_plot("net", LAYERS)).itertext())
    assert "conv_0" in text
    assert "0.200 ms" in text
    assert "softmax" not in text


def test_page_needs_no_other_file(page: str) -> None:
    class References(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for name, value in attributes if name in ("src", "href")]

    parser = References()
    parser.found = []
    parser.feed(page)
    assert all(reference.startswith("#") for reference in parser.found)


def test_page_shows_results_failures_and_machine(page: str) -> None:
    for part in ("10.000", "25.000", "Third &lt;3&gt;", "failed: it is &lt;not&gt; installed", "some &lt;CPU&gt;"):
        assert part in page


def test_page_shows_the_speed_up(contest: Contest) -> None:
    note = "1.900 times 1 thread's speed"
    assert note in html.unescape(results_page([replace(contest, alone=np.full((6, 10), 19.0))], {}, {}))
    assert note not in html.unescape(results_page([contest], {}, {}))


def test_page_shows_costs_and_the_mean(page: str) -> None:
    for part in ("<td>11.3</td><td>24.0</td>", "within 24.8 MB = weights 16.5", "threads 2: 0.500"):
        assert part in page
