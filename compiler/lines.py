"""Files of measurements, one a line, that are only ever appended to: whatever happens costs the last line at most."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from separable.compiler.errors import CompileError

T = TypeVar("T")


def read_lines(path: Path, parse: Callable[[bytes, int], T], invalid: type[CompileError]) -> tuple[list[T], bool]:
    """What the lines of a file hold, and whether a last one, cut off in writing, was left out.

    Args:
        path: the file; empty lines do not count.
        parse: given a line and its number, from 1; raises ``invalid`` if the line is malformed.
        invalid: the error of malformed lines.

    Raises:
        invalid: a line that ends is malformed.
        OSError: the file cannot be read.
    """
    lines = path.read_bytes().split(b"\n")
    last = lines.pop()
    parsed = [parse(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    if last.strip():
        try:
            parsed.append(parse(last, len(lines) + 1))
        except invalid:
            return parsed, True
    return parsed, False


class LinesFile:
    """A file that this process, and no other, appends lines to.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, what: str, unwritable: type[CompileError]) -> None:
        """Open or create the file, and lock it.

        Args:
            path: the file.
            what: it is, for messages.
            unwritable: the error that is raised if it cannot be written.

        Raises:
            unwritable: it cannot be opened for writing, or another process writes to it.
        """
        self.path = path
        self._what, self._unwritable = what, unwritable
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise unwritable(f"cannot write the {what} {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise unwritable(f"another process writes to the {what} {path}; end it, or name another file") from error

    def mend(self, *, cut: bool) -> None:
        """End the last line if it has no end; ``cut`` removes it instead."""
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            if cut:
                os.ftruncate(self._file, content.rfind(b"\n") + 1)
            else:
                self._write(b"\n")

    def append(self, line: str) -> None:
        """Write a line, its end included, and wait until it is on the disk.

        Raises:
            CompileError: of the kind given; the disk is full, or fails. The file holds what it held before.
        """
        size = os.fstat(self._file).st_size
        try:
            self._write(line.encode())
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            reason = "the disk is full" if full else str(error.strerror)
            raise self._unwritable(
                f"cannot append to the {self._what} {self.path}: {reason}; what it held is kept, and the same command "
                "goes on from there"
            ) from error

    def close(self) -> None:
        """Give the file back to others."""
        os.close(self._file)

    def __enter__(self) -> LinesFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
