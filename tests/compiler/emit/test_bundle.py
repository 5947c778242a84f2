"""The output folder: complete, or as it was before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from separable.compiler.emit.bundle import staged_folder
from separable.compiler.errors import OutputError


def write(folder: Path, *names: str, text: str = "new") -> None:
    for name in names:
        (folder / name).write_text(text)


def test_files_move_to_the_folder(tmp_path: Path) -> None:
    output = tmp_path / "a" / "b"
    with staged_folder(output) as staging:
        write(staging, "m.so", "m.h")
        assert sorted(path.name for path in output.iterdir()) == [staging.name]
    assert sorted(path.name for path in output.iterdir()) == ["m.h", "m.so"]
    assert [(output / name).stat().st_mode & 0o777 for name in ("m.so", "m.h")] == [0o755, 0o644]


def test_older_files_are_replaced_in_one_step_and_others_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "m.so", "mine.txt", text="old")
    (tmp_path / "mine").mkdir()
    reader = (tmp_path / "m.so").open()
    with staged_folder(tmp_path) as staging:
        write(staging, "m.so")
        assert (tmp_path / "m.so").read_text() == "old"
    # A program that uses the old library goes on using it.
    assert reader.read() == "old"
    reader.close()
    assert {path.name for path in tmp_path.iterdir()} == {"m.so", "mine", "mine.txt"}
    assert [(tmp_path / name).read_text() for name in ("m.so", "mine.txt")] == ["new", "old"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_all_is_as_before(error: type[BaseException], tmp_path: Path) -> None:
    existing, new = tmp_path / "existing", tmp_path / "new" / "folder"
    existing.mkdir()
    write(existing, "m.so", text="old")
    empty = tmp_path / "empty"
    empty.mkdir()

    def interrupted(output: Path) -> None:
        with staged_folder(output) as staging:
            write(staging, "m.so")
            raise error

    for output in (existing, new, empty):
        with pytest.raises(error):
            interrupted(output)
    assert [path.name for path in existing.iterdir()] == ["m.so"]
    assert (existing / "m.so").read_text() == "old"
    assert list(empty.iterdir()) == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "message"), [("out", "File exists"), ("out/folder", "Not a directory")])
def test_a_file_in_the_way(name: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "out")
    with pytest.raises(OutputError, match=f"{message}; choose another one with -o"), staged_folder(tmp_path / name):
        pass
    assert (tmp_path / "out").read_text() == "new"


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.so").mkdir()
    with pytest.raises(OutputError, match=r"Is a directory"), staged_folder(tmp_path) as staging:
        write(staging, "m.so")
    assert [path.name for path in tmp_path.iterdir()] == ["m.so"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, destination: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match=r"No space left on device"), staged_folder(tmp_path / "out") as staging:
        write(staging, "m.so")
    assert not (tmp_path / "out").exists()
