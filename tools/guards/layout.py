"""The import path is the file path: packages lie in the repository, services share their file names, files stay short."""

import importlib.util
import re
from fnmatch import fnmatchcase
from pathlib import Path

from tools.guards.tree import PACKAGES, Finding, files, inside

SHARED_NAMES = frozenset(
    {"__init__.py", "__main__.py", "app.py", "http.py", "handle.py", "decide.py", "settings.py", "README.md"}
)
"""The file names that any service may have."""

NEEDED = ("__init__.py", "__main__.py", "app.py", "settings.py", "README.md")
"""What every service has."""

NEEDED_BY_CLI = ("__init__.py", "__main__.py", "README.md")
"""The command line runs the other services' apps and has none of its own."""

LONGEST = 400
"""Lines; beyond, a file is split by noun."""

LONG_WITH_A_REASON: dict[str, str] = {}
"""Files that may be longer, each with its reason."""

COUNTED = (".py", ".sql", ".js", ".sh", ".proto")


def packages_elsewhere(root: Path) -> list[Finding]:
    """Our top-level packages that Python finds outside the repository: their names are common words."""
    found = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            found.append(
                Finding(
                    f"{package}/__init__.py",
                    0,
                    f"is missing, so that another package named {package} would be imported",
                )
            )
        elif not Path(spec.origin).resolve().is_relative_to(root.resolve()):
            found.append(
                Finding(f"{package}/__init__.py", 0, f"is not what `import {package}` finds: that is {spec.origin}")
            )
    return found


def misplaced_service_files(root: Path) -> list[Finding]:
    """Files that a service lacks, and files of its own that its README.md does not name (`name.py`, `stem_*.py`)."""
    found = []
    present: dict[str, set[str]] = {}
    for path in files(root):
        folder, *rest = Path(inside(root, path)).parts
        if folder == "services" and len(rest) > 1:
            present.setdefault(rest[0], set()).add(rest[1])
    for service, names in sorted(present.items()):
        home = root / "services" / service
        needed = NEEDED_BY_CLI if service == "cli" else NEEDED
        found += [Finding(f"services/{service}/{name}", 0, "is missing") for name in needed if name not in names]
        readme = (home / "README.md").read_text(encoding="utf-8") if "README.md" in names else ""
        explained = re.findall(r"[\w*]+(?:\.\w+|/)", readme)
        for name in sorted(names - SHARED_NAMES):
            shown = f"{name}/" if (home / name).is_dir() else name
            if not any(fnmatchcase(shown, pattern) for pattern in explained):
                words = f"is no name that services share: use one, or say in its README.md which noun `{shown}` is"
                found.append(Finding(f"services/{service}/{shown}", 0, words))
    return found


def long_files(root: Path) -> list[Finding]:
    """Source files of more than 400 lines, unless their reason is written down."""
    found = []
    for path in files(root):
        name = inside(root, path)
        if path.suffix not in COUNTED or name in LONG_WITH_A_REASON or "/vendor/" in name:
            continue
        with path.open("rb") as lines:
            count = sum(1 for _ in lines)
        if count > LONGEST:
            found.append(Finding(name, 0, f"has {count} lines, {LONGEST} at most: split it by noun"))
    return found
