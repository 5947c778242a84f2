from __future__ import annotations

import re
from pathlib import Path

import pytest

from separable.compiler.files import write_whole


def test_replaces_an_older_file(tmp_path: Path) -> None:
    for text in ("old", "new\r\n"):
        write_whole(tmp_path / "results.csv", text)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("results.csv", b"new\r\n")]


def test_a_failure_leaves_the_older_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "results.csv", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "results.csv", "new\ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("results.csv", "old")]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        write_whole(tmp_path, "text")
