"""What is installed: one top-level name, every file, and nothing heavy at import."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

import separable

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "compiler", "runtime", "schedules", "targets", "zoo")
HEAVY = {"onnx", "onnxruntime", "torch", "tvm"}
NOT_SHIPPED = ("__pycache__", "results", "*.md", "*.so", "*.o")


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel that is built from a copy of the sources, as setuptools leaves its files beside them."""
    sources, wheels = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    for name in ("separable", *FOLDERS):
        shutil.copytree(ROOT / name, sources / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (sources / "benchmarks" / "results").mkdir(exist_ok=True)
    (sources / "benchmarks" / "results" / "earlier.json").touch()
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), "."]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("separable-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def shipped_files(folder: str) -> set[str]:
    """The files of a top-level folder as they are named in the wheel."""
    paths = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    kept = (
        path
        for path in paths
        if not any(parent.match(name) for name in NOT_SHIPPED for parent in (path, *path.parents))
    )
    return {f"separable/{path.as_posix()}" for path in kept}


@pytest.mark.parametrize("folder", FOLDERS)
def test_links_are_whole(folder: str) -> None:
    link = ROOT / "separable" / folder
    assert os.readlink(link) == f"../{folder}"
    assert (link / "__init__.py").samefile(ROOT / folder / "__init__.py")


def test_every_link_is_known() -> None:
    assert {path.name for path in (ROOT / "separable").iterdir() if path.is_symlink()} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_wheel_has_every_file(wheel_files: set[str], folder: str) -> None:
    """Modules, C sources of the runtime, pictures, data."""
    assert shipped_files(folder) - wheel_files == set()


def test_wheel_has_one_top_level_name(wheel_files: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel_files} == {
        "separable",
        f"separable-{separable.__version__}.dist-info",
    }


def test_wheel_has_no_results_of_benchmarks(wheel_files: set[str]) -> None:
    assert not [name for name in wheel_files if "/results/" in name]


@pytest.mark.parametrize(
    "statement", ["import separable", "from separable import load", "import separable.compiler.cli"]
)
def test_import_is_light(statement: str) -> None:
    """A machine that only loads a model has none of these; a command line that answers --help needs none."""
    script = f"import sys; {statement}; print(*({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["separable", "compile"])
def test_console_scripts(name: str) -> None:
    (script,) = entry_points(group="console_scripts", name=name)
    assert callable(script.load())
    assert (Path(sys.executable).parent / name).exists()


def test_everything_installed_is_pinned() -> None:
    """No dependency of ours is free to change under us."""
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    needed = {re.split(r"[\[;<=>]", line)[0].strip() for line in requires("separable") or ()}
    assert needed - pinned == set()
