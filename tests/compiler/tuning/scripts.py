"""Candidates that are scripts: they run on this machine and can misbehave in every way."""

from __future__ import annotations

from pathlib import Path

from separable.compiler.tuning.device import Candidate


def script(
    folder: Path, text: str, *arguments: str, timeout_s: float = 10, memory_bytes: int = 1 << 30, **files: str
) -> Candidate:
    """A candidate that runs these commands; files are given by their content."""
    number = len(list(folder.glob("*.sh")))
    program = folder / f"{number}.sh"
    program.write_text(f"#!/bin/sh\n{text}\n")
    paths = {}
    for name, content in files.items():
        paths[name] = folder / f"{number}-{name}"
        paths[name].write_text(content)
    return Candidate(program, paths, arguments, timeout_s, memory_bytes)
