"""JSON Schema of each fact that is written today, for readers in other languages."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from events import CATEGORIES
from events.base import Event, personal_fields, tag_of

FOLDER = Path("proto-schemas/json")


def json_schemas() -> dict[Path, str]:
    """The schema of every current fact, by its path from the root."""
    return {path_of(kind): schema(kind) for category in CATEGORIES for kind in category.current.values()}


def path_of(kind: type[Event]) -> Path:
    """Where a fact's schema lies, from the root."""
    return FOLDER / f"{tag_of(kind)}.schema.json"


def schema(kind: type[Event]) -> str:
    """The schema of one fact as indented JSON. `x-personal` marks what the log seals, with the value read after erasure."""
    document: dict[str, Any] = msgspec.json.schema(kind)
    own = document["$defs"][kind.__name__]
    for name, mark in personal_fields(kind).items():
        own["properties"][name] = {**_annotated(own["properties"][name]), "x-personal": {"erased": mark.erased}}
    for definition in document["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:converse:fact:{tag_of(kind)}",
        **document,
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _annotated(field: dict[str, Any]) -> dict[str, Any]:
    """The field's schema; a reference is wrapped where a keyword stands beside it, for readers of older drafts."""
    return {"allOf": [field]} if "$ref" in field else field
