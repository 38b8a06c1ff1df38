"""The import contracts and banned APIs of pyproject.toml, run over a tree by import-linter and ruff."""

import re
import subprocess
import sys
from pathlib import Path

from tools.guards.tree import PACKAGES, Finding

BROKEN = re.compile(r"^(?P<name>.+?) BROKEN(?: .*)?$", re.MULTILINE)


def broken_contracts(root: Path, *contracts: str) -> list[Finding]:
    """Import contracts (all, or those of the given ids) that the tree breaks, each with import-linter's words."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"]
    for contract in contracts:
        command += ["--contract", contract]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if not answer.returncode:
        return []
    names = [match.group("name").strip() for match in BROKEN.finditer(answer.stdout)]
    details = answer.stdout.partition("Broken contracts")[2].strip("- \n") or answer.stdout + answer.stderr
    return [Finding("pyproject.toml", 0, f"{', '.join(names) or 'the import contracts cannot be checked'}\n{details}")]


def banned_uses(root: Path) -> list[Finding]:
    """Uses of an API that pyproject.toml bans."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise"]
    present = [package for package in PACKAGES if (root / package).exists()]
    answer = subprocess.run([*command, *present], cwd=root, capture_output=True, text=True, check=False)
    if not answer.returncode:
        return []
    return [_finding(line) for line in answer.stdout.splitlines() if "TID251" in line] or [
        Finding("pyproject.toml", 0, answer.stdout + answer.stderr)
    ]


def _finding(line: str) -> Finding:
    path, number, _, words = line.split(":", 3)
    return Finding(Path(path).as_posix(), int(number), words.strip())
