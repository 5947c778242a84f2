from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from separable.compiler.errors import InputError
from separable.compiler.inspect import find_library, library_in, read_manifest
from separable.compiler.pipeline import Compiled

from .tiny import compile_tiny


class TestFindLibrary:
    def test_a_library_is_known_by_its_content(self, tiny: Compiled, tiny_onnx: Path, tmp_path: Path) -> None:
        renamed = Path(shutil.copy(tiny.library, tmp_path / "library.bin"))
        assert find_library(renamed) == renamed
        assert find_library(tiny_onnx) is None
        assert library_in(tiny_onnx) == tiny_onnx

    def test_the_library_of_a_folder(self, tiny: Compiled) -> None:
        assert find_library(tiny.folder) == tiny.library

    def test_a_folder_with_none_or_several(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"holds 0 libraries"):
            find_library(tmp_path)
        for name in ("a.so", "b.so"):
            (tmp_path / name).touch()
        with pytest.raises(InputError, match=r"holds 2 libraries \(\*\.so\); name one file"):
            find_library(tmp_path)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.so cannot be read: No such file"):
            find_library(tmp_path / "none.so")


class TestReadManifest:
    def test_beside_the_library(self, tiny: Compiled) -> None:
        assert read_manifest(tiny.library) == json.loads(tiny.library.with_suffix(".json").read_text())

    def test_inside_the_library(self, tiny: Compiled, tmp_path: Path) -> None:
        description = read_manifest(Path(shutil.copy(tiny.library, tmp_path)))
        assert "kernels" not in description
        facts, manifest = dict(description), dict(tiny.manifest)
        for short, full in zip(facts.pop("variants"), manifest.pop("variants"), strict=True):
            assert short.items() <= full.items()
        assert facts.items() <= manifest.items()

    def test_of_another_architecture(self, tmp_path: Path) -> None:
        library = compile_tiny(tmp_path, target="arm64").library
        library.with_suffix(".json").unlink()
        assert read_manifest(library)["arch"] == "aarch64"

    def test_a_manifest_of_another_library_is_ignored(self, tiny: Compiled, tmp_path: Path) -> None:
        library = Path(shutil.copy(tiny.library, tmp_path))
        manifest = {**tiny.manifest, "sha256": "0" * 64}
        library.with_suffix(".json").write_text(json.dumps(manifest))
        assert "kernels" not in read_manifest(library)

    def test_a_damaged_manifest(self, tiny: Compiled, tmp_path: Path) -> None:
        library = Path(shutil.copy(tiny.library, tmp_path))
        library.with_suffix(".json").write_text('{"name": ')
        with pytest.raises(InputError, match=r"tiny\.json is no JSON.*compile the model again"):
            read_manifest(library)

    @pytest.mark.parametrize("content", [b"\x7fELF", b'\x7fELF{"name": "ti', b'\x7fELF{"name": ]\0'])
    def test_no_model(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "x.so").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.so is no compiled model, or is cut off"):
            read_manifest(tmp_path / "x.so")

    def test_the_description_is_told_from_weights_of_the_same_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "x.so").write_bytes(b'{"name": \xff\0 {"name": "real"}\0')
        assert read_manifest(tmp_path / "x.so") == {"name": "real"}
