"""The output folder: ``NAME.so``, ``NAME.h``, ``NAME.py``, ``NAME.json``; complete, or not there at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from separable.compiler.errors import OutputError


@contextmanager
def staged_folder(destination: Path) -> Iterator[Path]:
    """A temporary folder beside ``destination`` whose files move there when the block ends without an error.

    Each file is renamed, which replaces an older one in one step; after an error or an interrupt nothing is left.

    Raises:
        OutputError: the folder cannot be created or written, or the disk is full.
    """
    created = [folder for folder in (destination, *destination.parents) if not folder.exists()]
    try:
        destination.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".separable-", dir=destination))
    except OSError as error:
        raise OutputError(_explain(destination, error)) from error
    try:
        yield staging
        for path in sorted(staging.iterdir()):
            path.chmod(0o755 if path.suffix == ".so" else 0o644)
            os.replace(path, destination / path.name)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.EPERM):
            raise OutputError(_explain(destination, error)) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in created:
            if any(folder.iterdir()):
                break
            folder.rmdir()


def _explain(destination: Path, error: OSError) -> str:
    return f"cannot write the output folder {destination}: {error.strerror}; choose another one with -o"
