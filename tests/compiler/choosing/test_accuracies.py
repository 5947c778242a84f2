from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.choosing.accuracies import Listed, read_accuracies
from separable.compiler.choosing.member import FamilyError
from tests.compiler.choosing.samples import write


def test_widths_and_resolutions(tmp_path: Path) -> None:
    text = "# mine\nalpha, resolution, accuracy, epochs\n1.0, 224, 70.6%, 9\n\n0.35, 96, 50, 9\n"
    path = write(tmp_path / "a.csv", text)
    assert read_accuracies(path) == [Listed(70.6, 1.0, 224), Listed(50.0, 0.35, 96)]


def test_models_are_beside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "model,accuracy\nnets/a.onnx,90\n")
    assert read_accuracies(path) == [Listed(90.0, model=tmp_path / "nets" / "a.onnx")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns alpha,resolution,accuracy or model,accuracy"),
        ("alpha,accuracy\n1,70\n", "expected the columns"),
        ("model,accuracy\n", "lists no network"),
        ("# note\nmodel,accuracy\na.onnx,good\n", "line 3: expected model,accuracy"),
        ("model,accuracy\na.onnx,nan\n", "line 2"),
        ("model,accuracy\na.onnx\n", "line 2"),
        ("alpha,resolution,accuracy\n1,22.4,70\n", "line 2"),
        ("alpha,resolution,accuracy\n1,224,70\n0.5,224,60\n1,224,71\n", "line 4: 1 224 is in line 2 already"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        read_accuracies(write(tmp_path / "a.csv", text))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"model,accuracy\n\xff\xfe,1\n")
    with pytest.raises(FamilyError, match="no CSV file"):
        read_accuracies(path)
