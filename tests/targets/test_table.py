from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from separable.targets import arm, x86
from separable.targets.errors import UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import all_targets, fat_targets, find_target, find_variants, system_targets


@pytest.mark.parametrize("row", all_targets(), ids=lambda row: row.name)
def test_every_row_is_found_by_its_short_and_its_long_name(row: Target) -> None:
    assert find_target(row.name) is row
    assert find_target(f"linux-{row.name}") is row


def test_names_are_unique() -> None:
    rows = [*all_targets(), *system_targets()]
    assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize("row", system_targets(), ids=lambda row: row.name)
def test_a_row_of_another_system_differs_in_that_only(row: Target) -> None:
    assert find_target(row.name) == row
    base = find_target(row.name.replace("android-", "").replace("-musl", ""))
    same = replace(row, name=base.name, os=base.os, libc=base.libc, triple=base.triple, zig_target=base.zig_target)
    assert same == base
    assert row.libc in row.name or row.os in row.name
    assert row.triple != base.triple


@pytest.mark.parametrize(
    ("name", "os", "libc", "cpu"),
    [
        ("android-arm64", "android", "bionic", "generic"),
        ("android-arm64:cortex-a55+i8mm", "android", "bionic", "cortex-a55"),
        ("linux-arm64-musl", "linux", "musl", "generic"),
        ("arm64-musl:cortex-a76", "linux", "musl", "cortex-a76"),
        ("x86-64-musl", "linux", "musl", "x86-64-v2"),
        ("armv7:cortex-a7", "linux", "glibc", "cortex-a7"),
        ("linux-armv7-musl+vfp4", "linux", "musl", "generic"),
    ],
)
def test_systems(name: str, os: str, libc: str, cpu: str) -> None:
    row = find_target(name)
    assert (row.os, row.libc, row.cpu) == (os, libc, cpu)


def test_plain_x86_64_is_the_floor() -> None:
    assert find_target("x86-64") is x86.X86_64_V2


@pytest.mark.parametrize("name", fat_targets())
def test_the_variants_of_a_library_differ_in_the_cpu_only(name: str) -> None:
    """They meet in one file, the one that needs most first, and the base runs wherever one of them does."""
    variants, base = find_variants(name), find_target(name)
    assert variants.name == name
    assert len({row.name for row in variants.rows}) == len(variants.rows) > 1
    for row in variants.rows:
        assert find_target(row.name) == replace(row, panel_channels=0)
        assert (row.os, row.libc, row.triple, row.zig_target) == (base.os, base.libc, base.triple, base.zig_target)
        assert row.panel_channels % row.lanes == 0 < row.panel_channels
        assert set(base.isa) <= set(row.isa)
    needs = [set(row.isa) for row in variants.rows]
    assert all(later <= earlier for earlier, later in pairwise(needs))
    assert needs[-1] == set(base.isa)


@pytest.mark.parametrize("name", ["arm64:generic", "arm64:cortex-a76", "arm64+dotprod", "x86-64-v3", "armv7", "native"])
def test_a_cpu_a_level_or_a_feature_makes_a_library_for_one(name: str) -> None:
    assert find_variants(name).rows == (find_target(name),)
    assert find_variants(name).name == find_target(name).name


def test_names_of_several_may_be_long_and_unknown_ones_are_errors() -> None:
    assert find_variants(" Linux-ARM64 ") == find_variants("arm64")
    with pytest.raises(UnknownTargetName, match="did you mean android-arm64"):
        find_variants("android-arm46")


def test_case_and_surrounding_blanks_do_not_matter() -> None:
    assert find_target(" ARM64:Cortex-A76 ") is arm.CORTEX_A76


def test_native_is_this_machine() -> None:
    assert find_target("native") == detect_host()


def test_features_add_up() -> None:
    row = find_target("linux-arm64+dotprod+fp16")
    assert row.name == "arm64:generic+dotprod+fp16"
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
        ("android-arm46", "android-arm64"),
        ("android-x86-64", "x86-64"),
        ("arm64-muls", "arm64-musl"),
        ("arm64-musl:cortex-a67", "arm64-musl:cortex-a76"),
        ("armv7:cortex-a8", "armv7:cortex-a"),
        ("armv6", "armv7"),
        ("android-", "android-arm64"),
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
