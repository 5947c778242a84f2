"""What a compiled library says about itself, read from its bytes: nothing of it is run, and any machine can do it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from separable.compiler.errors import InputError

_ELF_MAGIC = b"\x7fELF"
# The first bytes of the JSON text that NAME_describe returns.
_DESCRIPTION = b'{"name": '


def find_library(path: Path) -> Path | None:
    """The library that ``path`` is, or holds if it is a folder; None if it is a file of another kind.

    Raises:
        InputError: the file cannot be read, or the folder does not hold exactly one library.
    """
    try:
        if path.is_dir():
            libraries = sorted(path.glob("*.so"))
            if len(libraries) != 1:
                raise InputError(f"the folder {path} holds {len(libraries)} libraries (*.so); name one file")
            return libraries[0]
        with path.open("rb") as file:
            return path if file.read(len(_ELF_MAGIC)) == _ELF_MAGIC else None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from error


def library_in(path: Path) -> Path:
    """``path``, or the library that it holds if it is a folder; whether it can be loaded is for the loader to say.

    Raises:
        InputError: as :func:`find_library`.
    """
    return find_library(path) or path


def read_manifest(library: Path) -> Mapping[str, Any]:
    """The manifest beside a library if it belongs to it, else the shorter description inside.

    Raises:
        InputError: the library is no compiled model, or damaged.
    """
    content = library.read_bytes()
    manifest = library.with_suffix(".json")
    if manifest.is_file():
        try:
            values = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{manifest} is no JSON: {error}; remove it, or compile the model again") from error
        if isinstance(values, dict) and values.get("sha256") == hashlib.sha256(content).hexdigest():
            return values
    return _description(library, content)


def _description(library: Path, content: bytes) -> Mapping[str, Any]:
    start = content.find(_DESCRIPTION)
    while start >= 0:
        try:
            description = json.loads(content[start : content.find(b"\0", start)])
        except ValueError:  # the same bytes among the weights
            start = content.find(_DESCRIPTION, start + 1)
            continue
        return dict(description)
    raise InputError(f"{library} is no compiled model, or is cut off: it holds no description")
