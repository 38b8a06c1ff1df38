"""Ids in payloads: a template that takes one from what the contact says is refused wherever the matter does not know it."""

from collections.abc import Collection, Mapping
from typing import Any

from libs.config.findings import Findings
from libs.config.references import References
from libs.config.tree import Node
from libs.domain.ids import THEIRS, is_id, paths_of
from libs.domain.names import parts_of


def check_ids(
    endpoint: str,
    payload: Mapping[str, Any],
    node: Node,
    refer: References,
    found: Findings,
    *,
    slots: Collection[str] = (),
    bare_paths: bool = False,
) -> None:
    """Warn of ids that are filled with the contact's words; `slots` are names that may stand without their root."""
    known = refer.settings.backend.endpoints.get(endpoint)
    for key, value in payload.items():
        if not is_id(key, known.parameters if known else ()):
            continue
        for path in paths_of(value, bare_paths=bare_paths):
            root = parts_of(path)[0]
            if root in THEIRS or root in slots:
                found.warn(
                    node.at(key),
                    f"{key!r} is filled with what the contact says ({path}): an id that their matter does not know is refused",
                    "write entity_id, or a name of the business_context or of a tool's answer",
                )
