import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.guards.tree import PACKAGES

ROOT = Path(__file__).resolve().parents[2]

WHERE = (
    "import importlib.util, json, sys; print(json.dumps({p: importlib.util.find_spec(p).origin for p in sys.argv[1:]}))"
)


@pytest.fixture(scope="module")
def origins() -> dict[str, str]:
    """Where an interpreter started elsewhere finds our packages: -I hides the current folder and PYTHONPATH."""
    command = [sys.executable, "-I", "-c", WHERE, *PACKAGES]
    answer = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert not answer.returncode, (
        f"converse-agent is not installed in {sys.prefix}; `make install` does it:\n{answer.stderr}"
    )
    return dict(json.loads(answer.stdout))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_package_lies_in_the_repository(package, origins):
    assert Path(origins[package]).is_relative_to(ROOT)
