"""What is tracked works on any machine: no folder of one, no address of a package registry."""

import re
import tomllib
from pathlib import Path

from tools.guards.tree import Finding, files, inside

# Each pattern is written so that it does not match itself.
MACHINE = re.compile(
    r"(?<![\w.])/(?:wor[k]|roo[t]|far[m]|opt/pyp[i]|opt/wheel[s]|tmp/bash_job[s])(?:/|\b(?=[\"'\s]))|/hom[e]/[a-z]\w*/|/User[s]/\w+/"
)
REGISTRY = re.compile(
    r"\b(?:pypi\.or[g]|files\.pythonhosted\.or[g]|registry\.npmjs\.or[g]|deb\.debian\.or[g]|proxy\.golang\.or[g])\b"
    r"|--(?:extra-)?index-ur[l]|--find-link[s]"
)
ADDRESS = re.compile(r"\w+://|@ fil[e]|^-", re.MULTILINE)

LOCKS = "*requirements*.lock"


def machine_addresses(root: Path) -> list[Finding]:
    """Lines of tracked files that name a folder of one machine or a package registry."""
    found = []
    for path in files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a sound
        for number, line in enumerate(text.splitlines(), 1):
            if match := MACHINE.search(line) or REGISTRY.search(line):
                found.append(
                    Finding(inside(root, path), number, f"names {match.group().strip()!r}: works on one machine only")
                )
    return found


def lock_addresses(root: Path) -> list[Finding]:
    """Lines of a lock that carry an address or an option; a lock holds names, versions, markers and hashes."""
    found = []
    for path in files(root, LOCKS):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := ADDRESS.search(line):
                found.append(
                    Finding(inside(root, path), number, f"carries {match.group()!r}: make it with `make lock`")
                )
    return found


def unlocked_dependencies(root: Path) -> list[Finding]:
    """Dependencies that pyproject.toml names and requirements.lock does not pin."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(name for group in project["dependency-groups"].values() for name in group),
    ]
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pinned = {
        _canonical(line.partition("==")[0]) for line in lock.splitlines() if "==" in line and not line.startswith(" ")
    }
    names = {_canonical(re.split(r"[^\w.-]", name, maxsplit=1)[0]) for name in wanted}
    return [Finding("requirements.lock", 0, f"does not pin {name}: run `make lock`") for name in sorted(names - pinned)]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
