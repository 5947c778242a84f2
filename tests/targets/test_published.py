from __future__ import annotations

from separable.targets.published import PUBLISHED, published_for
from separable.targets.table import find_target


def test_every_figure_belongs_to_a_row_that_a_time_can_be_estimated_for() -> None:
    for figure in PUBLISHED:
        assert find_target(figure.row).ghz
        assert figure.row.startswith("arm64:")


def test_system_and_extensions_do_not_matter_the_core_does() -> None:
    figures = published_for("arm64:cortex-a72")
    assert {figure.row for figure in figures} == {"arm64:cortex-a72"}
    assert published_for("android-arm64:cortex-a72") == published_for("arm64-musl:cortex-a72+crc32") == figures
    assert published_for("armv7:cortex-a72") == published_for("arm64:cortex-a7") == ()


def test_half_precision_is_left_out() -> None:
    """Cores with arithmetic on halves are measured with it by those who publish figures."""
    assert not any("fp16" in find_target(figure.row).isa for figure in PUBLISHED)
