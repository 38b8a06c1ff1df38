"""The import contracts and banned APIs of pyproject.toml, run over a tree by import-linter and ruff."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tools.guards.tree import PACKAGES, Finding

BROKEN = re.compile(r"^(?P<name>.+?) BROKEN(?: .*)?$", re.MULTILINE)


FOLDERS = (".", "voice-service")
"""Where a pyproject.toml with contracts is: of the services, and of voice, which is a distribution of its own."""


def lint_imports(root: Path, folder: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """import-linter over the contracts of one folder; all packages are those of the tree."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"]
    environment = {**os.environ, "PYTHONPATH": str(root.resolve()), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(
        [*command, *arguments], cwd=root / folder, env=environment, capture_output=True, text=True, check=False
    )


def broken_contracts(root: Path) -> list[Finding]:
    """Import contracts that the tree breaks, each with import-linter's words."""
    found = []
    for folder in FOLDERS:
        answer = lint_imports(root, folder)
        if answer.returncode:
            names = [match.group("name").strip() for match in BROKEN.finditer(answer.stdout)]
            details = answer.stdout.partition("Broken contracts")[2].strip("- \n") or answer.stdout + answer.stderr
            words = f"{', '.join(names) or 'the import contracts cannot be checked'}\n{details}"
            found.append(Finding((Path(folder) / "pyproject.toml").as_posix(), 0, words))
    return found


def banned_uses(root: Path) -> list[Finding]:
    """Uses of an API that pyproject.toml bans."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise"]
    present = [package for package in (*PACKAGES, "voice-service") if (root / package).exists()]
    answer = subprocess.run([*command, *present], cwd=root, capture_output=True, text=True, check=False)
    if not answer.returncode:
        return []
    return [_finding(line) for line in answer.stdout.splitlines() if "TID251" in line] or [
        Finding("pyproject.toml", 0, answer.stdout + answer.stderr)
    ]


def _finding(line: str) -> Finding:
    path, number, _, words = line.split(":", 3)
    return Finding(Path(path).as_posix(), int(number), words.strip())
