"""Builds the agent with CMake, under sanitizers, and runs its C tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from separable.compiler.tuning.agent_build import agent_version

from ..conftest import ROOT


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_c_tests_under_sanitizers(tmp_path: Path) -> None:
    run("cmake", "-S", ROOT, "-B", tmp_path, "-DSEPARABLE_AGENT=ON", "-DSEPARABLE_SANITIZE=address")
    targets = ["separable-agent", "agent_test_greeting", "agent_test_json", "agent_test_packets"]
    run("cmake", "--build", tmp_path, "--parallel", "2", "--target", *targets)
    assert "100% tests passed, 0 tests failed out of 3" in run(
        "ctest", "--test-dir", tmp_path, "-R", "^agent_", "--output-on-failure"
    )
    # CMake and Python compute the same version from the sources.
    assert agent_version() in run(tmp_path / "runtime" / "agent" / "separable-agent", "--version")
