from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from separable.benchmarks import environments
from separable.benchmarks.environments import ENVIRONMENTS, Environment, EnvironmentFailed, make_environment


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_requirement_is_pinned(name: str) -> None:
    assert all("==" in requirement for requirement in ENVIRONMENTS[name].requirements)


def test_made_once_and_again_when_its_packages_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = []
    monkeypatch.setattr(environments, "_install", lambda python, environment: installed.append(environment))
    for environment in (Environment(("a==1",)), Environment(("a==1",)), Environment(("a==2",))):
        monkeypatch.setitem(ENVIRONMENTS, "some", environment)
        python = make_environment("some", tmp_path)
    assert installed == [Environment(("a==1",)), Environment(("a==2",))]
    # The package is there, whatever the working folder is.
    done = subprocess.run([python, "-P", "-c", "import separable.benchmarks.environments"], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_package_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENTS, "some", Environment(("separable-has-no-such-package==1",)))
    with pytest.raises(EnvironmentFailed, match=r"environment some cannot be installed: ERROR: .*no-such-package==1"):
        make_environment("some", tmp_path)
    assert not (tmp_path / "some").exists()
