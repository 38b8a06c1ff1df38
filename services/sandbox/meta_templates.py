"""Templates at Meta: the list of a business account, page by page, and the webhook that tells of a change."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.sandbox.meta_send import GraphError
from services.sandbox.meta_webhook import BUSINESS
from services.sandbox.settings import Template

Event = Literal[
    "APPROVED", "REJECTED", "PAUSED", "DISABLED", "FLAGGED", "REINSTATED", "PENDING_DELETION", "ARCHIVED", "IN_APPEAL"
]


class TemplateEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that Meta does to a template."""

    name: str
    event: Event
    language: str = "en"
    reason: str = "NONE"


def page(
    templates: Sequence[Template] | None, business: str, limit: int, after: str | None, base: str
) -> dict[str, Any]:
    """One page of the list, as Meta tells it. Raises GraphError.

    An account for which no templates were given takes any (see MetaSettings), and lists none.
    """
    if business != BUSINESS:
        raise GraphError(100, f"Object with ID '{business}' does not exist or lacks permissions", 400)
    every = list(templates or ())
    start = _position(after)
    shown = every[start : start + limit]
    told: dict[str, Any] = {"data": [_told(n, each) for n, each in enumerate(shown, start)]}
    if shown:
        told["paging"] = {"cursors": {"before": _cursor(start), "after": _cursor(start + len(shown))}}
        if start + len(shown) < len(every):
            told["paging"]["next"] = f"{base}/{business}/message_templates?limit={limit}&after={_cursor(start + limit)}"
    return told


def changed(templates: Sequence[Template], event: TemplateEvent) -> tuple[Template, ...]:
    """The templates after an event. Raises ValueError for one that is not there."""
    if not any((each.name, each.language) == (event.name, event.language) for each in templates):
        raise ValueError(f"there is no template {event.name} in {event.language}")
    status = "APPROVED" if event.event == "REINSTATED" else event.event
    return tuple(
        msgspec.structs.replace(each, status=status)
        if (each.name, each.language) == (event.name, event.language)
        else each
        for each in templates
    )


def webhook(event: TemplateEvent, category: str, at: datetime) -> dict[str, Any]:
    """What Meta posts of it."""
    value = {
        "event": event.event,
        "message_template_id": 1689556908129832,
        "message_template_name": event.name,
        "message_template_language": event.language,
        "message_template_category": category.upper(),
        "reason": event.reason,
    }
    entry = {
        "id": BUSINESS,
        "time": int(at.timestamp()),
        "changes": [{"field": "message_template_status_update", "value": value}],
    }
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _told(position: int, template: Template) -> dict[str, Any]:
    components: list[dict[str, Any]] = [{"type": "BODY", "text": template.body or "no parameters"}]
    if template.header is not None:
        components.insert(0, {"type": "HEADER", "format": template.header})
    return {
        "id": str(1689556908129832 + position),
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category.upper(),
        "components": components,
    }


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise GraphError(100, "after is no cursor", 400) from error
