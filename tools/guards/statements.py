"""SQL lies in .sql files, one statement or function a file, named after what it does."""

import re
from pathlib import Path

from tools.guards.tree import Finding, files, inside

SEVERAL_ALLOWED = ("infra/postgres/migrations/", "infra/postgres/rights/", "projections/")
"""A migration is one step in time, a role's rights are one list, and a read model is its table with its indexes."""

# What a semicolon may stand in: comments, quoted text and dollar-quoted bodies.
OPAQUE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1", re.DOTALL)

# Rights, owner and comment of a function belong to it.
COMPANIONS = re.compile(r"^\s*(?:grant|revoke|comment\s+on|alter\s+function)\b", re.IGNORECASE)


def statements(sql: str) -> list[str]:
    """The statements of a file, with comments, quoted text and function bodies blanked out."""
    bare = OPAQUE.sub(" ", sql)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def crowded_sql(root: Path) -> list[Finding]:
    """SQL files outside migrations, rights and read models that hold more than one statement (rights and comments not counted)."""
    found = []
    for path in files(root, "*.sql"):
        name = inside(root, path)
        if name.startswith(SEVERAL_ALLOWED):
            continue
        held = [one for one in statements(path.read_text(encoding="utf-8")) if not COMPANIONS.match(one)]
        if len(held) != 1:
            found.append(Finding(name, 0, f"holds {len(held)} statements: one statement or function a file"))
    return found
