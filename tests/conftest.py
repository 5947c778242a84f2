"""Options and fixtures of all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Where make runs in the background of a shell, it ignores interrupts, as do all processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: as many threads as CPUs in each of several processes wait for each other, busily.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: compare ``text`` with the file ``golden/<name>`` beside the test, or write that file."""
    folder = Path(str(request.path)).parent / "golden"
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = folder / name
        if update:
            folder.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {path.name}: run pytest --update-golden"
        assert text == path.read_text(), f"{path.name} differs: look at the change, then run pytest --update-golden"

    return compare
