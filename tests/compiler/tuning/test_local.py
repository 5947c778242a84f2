"""This machine as a device: limits, time, leftovers."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from separable.compiler.tuning.device import Candidate
from separable.compiler.tuning.local import LocalDevice, missing_features, share_cpus
from separable.targets.host import detect_host


@pytest.fixture
def device() -> LocalDevice:
    return LocalDevice()


def script(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_arguments_files_and_output(device: LocalDevice, tmp_path: Path) -> None:
    data = tmp_path / "data.bin"
    data.write_text("content")
    program = script(tmp_path, 'cat 0; echo "$1"; echo trouble >&2; exit 3')
    result = device.run(Candidate(program, {"0": data}, ("argument",)))
    assert (result.returncode, result.stdout, result.stderr) == (3, "contentargument\n", "trouble\n")
    assert not result.timed_out
    assert data.read_text() == "content"


def test_an_empty_environment_and_a_folder_of_its_own(device: LocalDevice, tmp_path: Path) -> None:
    result = device.run(Candidate(script(tmp_path, 'echo "${HOME-none}"; pwd; echo x > file'), {}))
    home, folder = result.stdout.split()
    assert home == "none"
    assert not Path(folder).exists()
    assert os.getcwd() != folder


def test_a_signal(device: LocalDevice, tmp_path: Path) -> None:
    assert device.run(Candidate(script(tmp_path, "kill -SEGV $$"), {})).returncode == -11


def test_a_program_that_hangs_ends_with_its_children(device: LocalDevice, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    program = script(tmp_path, f"(sleep 1.5; touch {alive}) & sleep 60")
    start = time.monotonic()
    result = device.run(Candidate(program, {}, timeout_s=0.3))
    assert result.timed_out
    assert time.monotonic() - start < 5
    time.sleep(1.8)
    assert not alive.exists()


def test_memory_is_limited(device: LocalDevice, tmp_path: Path) -> None:
    program = script(tmp_path, "ulimit -v")
    result = device.run(Candidate(program, {}, memory_bytes=256 << 20))
    assert result.stdout.strip() == str(256 << 10)


def test_files_are_limited(device: LocalDevice, tmp_path: Path) -> None:
    assert device.run(Candidate(script(tmp_path, "ulimit -f"), {})).stdout.strip() != "unlimited"


def test_much_output_is_cut(device: LocalDevice, tmp_path: Path) -> None:
    program = script(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero | tr '\\0' y >&2")
    result = device.run(Candidate(program, {}))
    assert len(result.stdout) == 1 << 20
    assert len(result.stderr) == 4096


def test_output_that_is_no_text(device: LocalDevice, tmp_path: Path) -> None:
    assert device.run(Candidate(script(tmp_path, "printf '\\377\\376'"), {})).returncode == 0


def test_it_describes_itself(device: LocalDevice) -> None:
    assert device.describe()["machine"] == os.uname().machine
    assert device.name.startswith("this machine (")


def test_cpus_are_shared_between_running_and_building() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    cpus, left = share_cpus(1)
    assert cpus == str(allowed[-1])
    assert left == (len(allowed) > 1)
    everything, left = share_cpus(len(allowed))
    assert everything.count(",") == len(allowed) - 1
    assert not left


def test_the_instructions_that_this_cpu_lacks_are_named(device: LocalDevice) -> None:
    host = detect_host()
    assert missing_features(host, device) == ""
    name, text = ("avx512f", "AVX-512F") if host.arch == "aarch64" else ("lse", "LSE atomics")
    assert missing_features(replace(host, isa=(*host.isa, name)), device) == text
