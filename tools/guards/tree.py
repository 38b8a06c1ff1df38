"""The source tree as the guards read it: its files, their syntax trees, and what a guard says about one."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PRODUCTION = ("events", "libs", "services", "projections")
"""The packages of the distribution, lowest first."""

PACKAGES = (*PRODUCTION, "tools", "bench", "tests")
"""Every top-level package of the repository."""


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """A place that breaks a promise: the file from the root, its line (0 for the file as a whole), and what is wrong."""

    path: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words}" if self.line else f"{self.path}: {self.words}"


def files(root: Path, pattern: str = "*") -> Iterator[Path]:
    """The files of `root` that belong to the project (what git ignores does not), whose path matches `pattern`, in order."""
    for name in _listed(root):
        path = root / name
        if Path(name).match(pattern) and path.is_file():
            yield path


def inside(root: Path, path: Path) -> str:
    """`path` from the root, with slashes on every system."""
    return path.relative_to(root).as_posix()


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(module: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for: `from datetime import datetime as dt` gives dt: datetime.datetime."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full name that an expression such as `dt.now` stands for, or None where it does not begin with an import."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value, names)):
        return f"{owner}.{node.attr}"
    return None


@cache
def _listed(root: Path) -> tuple[str, ...]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode or not (root / ".git").exists():
        return tuple(sorted(inside(root, path) for path in root.rglob("*") if path.is_file()))
    return tuple(sorted(set(filter(None, answer.stdout.split("\0")))))
