from __future__ import annotations

from dataclasses import replace

import pytest

from separable.targets import arm, x86
from separable.targets.errors import UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target, system_targets


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
