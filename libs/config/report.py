"""Findings as text for a terminal, and as JSON."""

from collections.abc import Iterable

import msgspec

from libs.config.findings import Finding


def as_text(findings: Iterable[Finding]) -> str:
    """One block a finding: `file:line: severity: path: message`, its hint below; a count at the end."""
    listed = list(findings)
    lines = []
    for each in listed:
        lines.append(f"{each.file}:{each.line}: {each.severity}: {each.path + ': ' if each.path else ''}{each.message}")
        if each.hint:
            lines.append(f"    {each.hint}")
    errors = sum(each.severity == "error" for each in listed)
    warnings = len(listed) - errors
    lines.append(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return "\n".join(lines) + "\n"


def as_json(findings: Iterable[Finding]) -> bytes:
    """A JSON array of objects with severity, file, line, path, message and hint."""
    return msgspec.json.encode(list(findings))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
