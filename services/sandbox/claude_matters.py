"""Which matter each part of a message is about, where it names several by their ids."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.sandbox.understanding import Message, read

_CLAUSE = re.compile(r"[,;\n।]|[.!?](?=\s|$)|\b(?:and|aur|while|but|lekin)\b|और|लेकिन", re.IGNORECASE)


def ids_in(facts: Mapping[str, Any]) -> list[str]:
    """The ids of the matter in question, and of the others that are open."""
    others = facts.get("other_matters")
    named = [each.get("entity_id") for each in others if isinstance(each, dict)] if isinstance(others, list) else []
    return [str(each) for each in (facts.get("entity_id"), *named) if each is not None]


def parts(messages: Sequence[Message], ids: Sequence[str], now: datetime) -> list[tuple[str | None, list[Message]]]:
    """The messages by matter: all of them under None, unless they name another one than the first of `ids`."""
    named = [each for each in ids[1:] if any(each.lower() in m.honest.lower() for m in messages)]
    if not named:
        return [(None, list(messages))]
    found: dict[str | None, list[Message]] = {}
    for message in messages:
        about: str | None = None
        texts: dict[str | None, list[str]] = {}
        for clause in _CLAUSE.split(message.honest):
            mentioned = next((each for each in ids if each.lower() in clause.lower()), None)
            if mentioned is not None:
                about = None if mentioned == ids[0] else mentioned
            texts.setdefault(about, []).append(clause if mentioned is None else _without(clause, mentioned))
        for matter, clauses in texts.items():
            found.setdefault(matter, []).append(read(", ".join(clauses), now))
    return list(found.items())


def _without(clause: str, name: str) -> str:
    return re.sub(re.escape(name), "", clause, flags=re.IGNORECASE)
