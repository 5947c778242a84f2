"""``separable zoo`` and ``separable tables`` as their users meet them."""

from __future__ import annotations

import csv
from pathlib import Path

import onnx
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

from separable.zoo.catalogue import CATALOGUE

from ..compiler.calls import call


class TestZoo:
    def test_lists_every_network(self) -> None:
        output = call("zoo", "--list").stdout
        assert [line.split()[0] for line in output.splitlines()[1:]] == list(CATALOGUE)
        assert "--proposals 300" in output

    def test_writes_a_detector(self, tmp_path: Path) -> None:
        path = tmp_path / "ssd.onnx"
        options = ["--alpha", "0.1", "--resolution", "64", "--classes", "2"]
        result = call("zoo", "ssd-mobilenet", *options, "-o", path)
        assert "ssd_mobilenet_v1_0.1_64, 2 classes\n" in result.stdout
        assert [output.name for output in onnx.load(path).graph.output] == ["boxes", "scores", "classes", "count"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["mobilenet", "-o", "m.onnx"], "did you mean"),
            (["mobilenet-v1"], "separable zoo NAME -o FILE.onnx"),
            (["ssd-vgg", "--resolution", "300", "-o", "m.onnx"], "ssd-vgg has no option resolution"),
            (["alexnet", "--resolution", "32", "-o", "m.onnx"], "resolution 32 is below 67"),
            (["vgg16", "--activation", "relu6", "-o", "m.onnx"], "vgg16 has no option activation"),
            (["vgg16", "-o", "none/m.onnx"], "there is no folder none"),
        ],
    )
    def test_bad_arguments(
        self, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert message in call("zoo", *arguments, code=2).stderr
        assert not list(tmp_path.iterdir())


class TestTables:
    def test_explains_itself(self) -> None:
        assert "tables" in call("--help").stdout
        assert "separable tables" in call("tables", "--help").stdout

    def test_prints_the_paper_beside_what_is_computed(self) -> None:
        output = call("tables", "2", "9").stdout
        assert "Table 2:" in output
        assert "Table 9:" in output
        (alexnet,) = (line.split() for line in output.splitlines() if line.startswith("AlexNet"))
        assert alexnet == ["AlexNet", "57.2", "720", "724.4", "+0.61", "60", "61.0", "+1.61"]
        assert "  Conv 3x3: misprinted" in output

    def test_csv(self) -> None:
        rows = list(csv.DictReader(call("tables", "--csv", "3", "11").stdout.splitlines()))
        assert [row["table"] for row in rows] == ["3"] * 4 + ["11"] * 2
        assert (rows[0]["mult_adds_paper"], rows[0]["mult_adds_computed"]) == ("462", "462.4")
        assert float(rows[0]["mult_adds_difference_percent"]) == pytest.approx(0.09)
        assert rows[4]["parameters_computed"] == ""
        assert rows[4]["remark"]

    def test_a_table_without_costs(self) -> None:
        assert "there is no table 1 here; those with costs are 2, 3," in call("tables", "1", code=2).stderr
