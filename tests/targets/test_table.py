from __future__ import annotations

import pytest

from separable.targets import arm, x86
from separable.targets.errors import UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_every_row_is_found_by_its_short_and_its_long_name(row: Target) -> None:
    assert find_target(row.name) is row
    assert find_target(f"linux-{row.name}") is row


def test_names_are_unique() -> None:
    assert len({row.name for row in all_targets()}) == len(all_targets())


def test_plain_x86_64_is_the_floor() -> None:
    assert find_target("x86-64") is x86.X86_64_V2


def test_case_and_surrounding_blanks_do_not_matter() -> None:
    assert find_target(" ARM64:Cortex-A76 ") is arm.CORTEX_A76


def test_native_is_this_machine() -> None:
    assert find_target("native") == detect_host()


def test_features_add_up() -> None:
    row = find_target("linux-arm64+dotprod+fp16")
    assert row.name == "arm64+dotprod+fp16"
    assert row.isa == ("asimd", "dotprod", "fp16")
    assert row.features == ("+dotprod", "+fullfp16")


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("arm46", "arm64"),
        ("arm64:cortex-a77", "arm64:cortex-a76"),
        ("x86_64-v3", "x86-64-v3"),
        ("nativ", "native"),
        ("linux-arm64:neoverse", "arm64:neoverse-n1"),
        ("", "known: native"),
        ("windows-x86-64", "x86-64"),
    ],
)
def test_an_unknown_name_is_an_error_that_offers_the_nearest(name: str, offer: str) -> None:
    with pytest.raises(UnknownTargetName, match="unknown target") as caught:
        find_target(name)
    assert offer in str(caught.value)


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("arm64+dotprd", "did you mean dotprod"),
        ("arm64+avx2", "known: crc32"),
        ("x86-64-v3+dotprod", "known: avx512vnni"),
        ("arm64+", "known: crc32"),
    ],
)
def test_a_feature_foreign_to_the_arch_is_an_error(name: str, offer: str) -> None:
    with pytest.raises(UnknownTargetName, match="unknown feature") as caught:
        find_target(name)
    assert offer in str(caught.value)
