"""Each stream family has one writing service: only it constructs the family's facts; others ask by a fact of their own."""

import ast
from pathlib import Path

from tools.guards.tree import Finding, dotted, files, imports, inside, parsed

WRITERS: dict[str, frozenset[str]] = {
    "business": frozenset({"services/ingest"}),
    "operator": frozenset({"services/ingest", "services/console"}),
    "rules": frozenset({"services/rules"}),
    "contact": frozenset({"services/backend_sync"}),
    "consent": frozenset({"services/orchestrator"}),
    "reach": frozenset({"services/orchestrator"}),
    "followup": frozenset({"services/orchestrator"}),
    "conversation": frozenset({"services/orchestrator"}),
    "turn": frozenset({"services/orchestrator"}),
    "message": frozenset({"services/gateways"}),
    "inbound": frozenset({"services/gateways"}),
    "call": frozenset({"voice-service/voice_service"}),
    "backend": frozenset({"services/backend_sync"}),
    "timer": frozenset({"services/orchestrator"}),
    "config": frozenset({"services/cli"}),
}
"""The table of docs/architecture.md, by folder."""

LIBRARIES: dict[str, frozenset[str]] = {
    "timer": frozenset({"libs/kit"}),
    "config": frozenset({"libs/kit"}),
}
"""Libraries that make facts for their caller, the writing service."""

SCANNED = ("services/", "libs/", "projections/", "voice-service/voice_service/")
NOT_SCANNED = ("libs/testkit/", "services/sandbox/", "services/cli/scenario/")
"""Where nothing gets into a log: a scenario's facts are kept in memory."""


def foreign_facts(root: Path) -> list[Finding]:
    """Places that construct a fact of a family which another service writes, and families without a writer."""
    families = _families(root)
    found = [
        Finding("tools/guards/writers.py", 0, f"names no writer of the family {family!r}")
        for family in sorted(set(families.values()) - set(WRITERS))
    ]
    for path in files(root, "*.py"):
        name = inside(root, path)
        if name.startswith(SCANNED) and not name.startswith(NOT_SCANNED):
            found += _constructed(name, parsed(path), families)
    return found


def _constructed(name: str, module: ast.Module, families: dict[str, str]) -> list[Finding]:
    names = imports(module)
    found = []
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        family = families.get(dotted(node.func, names) or "")
        if family is None:
            continue
        allowed = WRITERS.get(family, frozenset()) | LIBRARIES.get(family, frozenset())
        if not any(name.startswith(f"{folder}/") for folder in allowed):
            words = f"constructs {ast.unparse(node.func)} of the family {family!r}, which only {' and '.join(sorted(allowed))} may"
            found.append(Finding(name, node.lineno, words))
    return found


def _families(root: Path) -> dict[str, str]:
    """The family of each fact class, by every name it can be imported under."""
    families: dict[str, str] = {}
    for path in files(root, "events/*.py"):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                for keyword in node.keywords:
                    if keyword.arg == "tag" and isinstance(keyword.value, ast.Constant):
                        families[f"events.{path.stem}.{node.name}"] = str(keyword.value.value).partition(".")[0]
    init = root / "events" / "__init__.py"
    exported = imports(parsed(init)) if init.exists() else {}
    families |= {f"events.{name}": families[full] for name, full in exported.items() if full in families}
    return families
