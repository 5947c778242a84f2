"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file under a temporary name beside ``path`` that is renamed, and replaces an older one, when the block ends.

    After an error or an interrupt nothing is left of it.

    Args:
        path: where it appears.
        mode: its permissions.

    Raises:
        OSError: there is a folder of that name, or the file cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write a text file as :func:`whole_file` does, in UTF-8 and with its line ends as they are."""
    with whole_file(path) as file:
        file.write(text.encode())
