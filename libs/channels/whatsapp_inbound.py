"""Reads Meta's webhook: all entries, changes, messages and statuses of one signed body."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from libs.channels import whatsapp_shapes as shapes
from libs.channels.whatsapp_address import e164, is_user_id
from libs.channels.whatsapp_items import (
    AddressChange,
    ButtonPress,
    Cards,
    Choice,
    Content,
    DeliveryState,
    Inbound,
    Item,
    Location,
    Media,
    Other,
    Preference,
    Problem,
    Reaction,
    Sender,
    Status,
    System,
    TemplateUpdate,
    Text,
    Unread,
)


class Malformed(Exception):
    """The body is not one of Meta's webhooks; the message names the place and what would be right there.

    `others` is what can be read beside that place.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"at {path}: {problem}")
        self.path = path
        self.problem = problem
        self.others: Sequence[Item] = ()


T = TypeVar("T")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""One escape of JSON's: a pair of surrogates, half of one (the group), or any other."""


def read(payload: bytes) -> list[Item]:
    """Everything that a webhook's body holds, in its order, of all entries, changes and messages.

    Raises `Malformed` for a body that is not Meta's, with everything else that it holds. Verify the signature of the same
    bytes first.
    """
    items: list[Item] = []
    wrong: list[Malformed] = []
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise Malformed("$", f"must be JSON in UTF-8: {error}") from error
    try:
        webhook = _decode(payload, shapes.Webhook, "$")
    except Malformed:
        mended = _ESCAPE.sub(_whole, payload)
        if mended == payload:
            raise
        webhook = _decode(mended, shapes.Webhook, "$")
    for e, entry in enumerate(webhook.entry):
        for c, change in enumerate(entry.changes):
            path = f"$.entry[{e}].changes[{c}].value"
            told = partial(_change, change, str(entry.id), path, wrong)
            items += _or_nothing(told, wrong)
    if wrong:
        wrong[0].others = items
        raise wrong[0]
    return items


def _or_nothing(told: Callable[[], Sequence[Item]], wrong: list[Malformed]) -> Sequence[Item]:
    """What a part of a webhook tells; what is wrong with it is added to `wrong`, and costs nothing else."""
    try:
        return told()
    except Malformed as malformed:
        wrong.append(malformed)
        return ()


def _change(change: shapes.Change, business: str, path: str, wrong: list[Malformed]) -> Sequence[Item]:
    match change.field:
        case "messages":
            return _messages(_decode(change.value, shapes.Value, path), business, path, wrong)
        case "user_preferences":
            return _preferences(_decode(change.value, shapes.Preferences, path), path)
        case _:
            return _aside(change, business, path)


def _aside(change: shapes.Change, business: str, path: str) -> list[Item]:
    """What concerns no message. In a shape that we do not know it is kept whole: it must not hold up the messages beside it."""
    try:
        match change.field:
            case "user_id_update":
                return _user_ids(_decode(change.value, shapes.UserIds, path), path)
            case "message_template_status_update":
                return [_template(_decode(change.value, shapes.TemplateChange, path), business)]
    except Malformed:
        pass
    return [Other(business, change.field, bytes(change.value))]


def _messages(value: shapes.Value, business: str, path: str, wrong: list[Malformed]) -> list[Item]:
    account = str(value.metadata.phone_number_id)
    items: list[Item] = []
    for i, raw in enumerate(value.messages):
        said = partial(_said, raw, value.contacts, account, f"{path}.messages[{i}]")
        items += _or_nothing(said, wrong)
    for i, raw in enumerate(value.statuses):
        status = partial(_status, raw, account, business, f"{path}.statuses[{i}]")
        items += _or_nothing(status, wrong)
    items.extend(Other(business, "errors", bytes(raw)) for raw in value.errors)
    return items


def _said(raw: msgspec.Raw, contacts: list[shapes.Contact], account: str, path: str) -> Sequence[Item]:
    said = _inbound(raw, contacts, account, path)
    return _changes(said) if isinstance(said.content, System) else [said]


def _inbound(raw: msgspec.Raw, contacts: list[shapes.Contact], account: str, path: str) -> Inbound:
    head = _decode(raw, shapes.Head, path)
    if not head.sender and not head.from_user_id and head.type != "system":
        raise Malformed(path, "a message must say who wrote it, in `from` or `from_user_id`")
    return Inbound(
        account=account,
        id=str(head.id),
        sender=_sender(head.sender, head.from_user_id, head.from_parent_user_id, contacts),
        at=_time(head.timestamp, f"{path}.timestamp"),
        content=_content(head.type, raw, path),
        quoted=_text(head.context.id) if head.context else None,
        problems=_problems(head.errors),
    )


def _changes(told: Inbound) -> list[Item]:
    """A message of Meta's own that tells of another number or user id; one that tells something else stays a message."""
    change = told.content
    assert isinstance(change, System)
    pairs = []
    if change.wa_id and told.sender.number:
        pairs.append((told.sender.number, e164(f"+{change.wa_id}") or change.wa_id))
    if change.user_id and (previous := change.previous_user_id or told.sender.user_id or _named(change)):
        pairs.append((previous, change.user_id))
    moved: list[Item] = [
        AddressChange(f"{told.id} {n}", previous, current, told.at)
        for n, (previous, current) in enumerate(pairs)
        if previous != current
    ]
    return moved or [told]


def _named(change: System) -> str | None:
    """The user id that the sentence names beside the new one: `User Priya changed from IN.1 to IN.2`."""
    words = (change.body or "").split()
    return next((word for word in words if is_user_id(word) and word != change.user_id), None)


def _content(kind: str, raw: msgspec.Raw, path: str) -> Content:
    match kind:
        case "text":
            return Text(_part(raw, kind, shapes.TextPart, path).body)
        case "button":
            button = _part(raw, kind, shapes.ButtonPart, path)
            return ButtonPress(button.text, _text(button.payload))
        case "interactive":
            interactive = _part(raw, kind, shapes.InteractivePart, path)
            reply = interactive.button_reply or interactive.list_reply
            if reply is None:
                return Unread(f"interactive.{interactive.type}", bytes(raw))
            return Choice(str(reply.id), reply.title, reply.description)
        case "reaction":
            reaction = _part(raw, kind, shapes.ReactionPart, path)
            return Reaction(str(reaction.message_id), reaction.emoji or None)
        case "image" | "audio" | "video" | "document" | "sticker":
            file = _part(raw, kind, shapes.MediaPart, path)
            return Media(kind, str(file.id), file.mime_type, file.sha256, file.caption, file.filename, file.voice)
        case "location":
            place = _part(raw, kind, shapes.LocationPart, path)
            return Location(place.latitude, place.longitude, place.name, place.address)
        case "contacts":
            cards = _part(raw, kind, list[shapes.CardPart], path)
            return Cards(tuple(_person(card) for card in cards))
        case "system":
            change = _part(raw, kind, shapes.SystemPart, path)
            return System(
                change.type,
                change.body,
                _text(change.wa_id if change.wa_id is not None else change.new_wa_id),
                _text(change.user_id),
                _text(change.previous_user_id),
            )
        case _:
            return Unread(kind, bytes(raw))


def _status(raw: msgspec.Raw, account: str, business: str, path: str) -> Sequence[Status | Other]:
    part = _decode(raw, shapes.StatusPart, path)
    match part.status:
        case "sent" | "delivered" | "read" | "played" | "failed":
            state: DeliveryState = part.status
        case _:
            return [Other(business, "statuses", bytes(raw))]
    recipient = part.recipient_id if part.recipient_id is not None else part.recipient_user_id
    told = Status(
        account=account,
        id=str(part.id),
        state=state,
        at=_time(part.timestamp, f"{path}.timestamp"),
        recipient=_text(recipient),
        reference=part.biz_opaque_callback_data,
        problems=_problems(part.errors),
        billable=part.pricing.billable if part.pricing else None,
        category=part.pricing.category if part.pricing else None,
    )
    return [told]


def _problems(errors: list[shapes.ErrorPart]) -> tuple[Problem, ...]:
    return tuple(
        Problem(error.code, error.title or error.message or "", error.error_data.details if error.error_data else None)
        for error in errors
    )


def _person(card: shapes.CardPart) -> tuple[str, tuple[str, ...]]:
    name = (card.name.formatted_name if card.name else None) or "?"
    phones = (each.phone if each.phone is not None else each.wa_id for each in card.phones)
    return name, tuple(str(phone) for phone in phones if phone is not None)


def _user_ids(value: shapes.UserIds, path: str) -> list[Item]:
    """The user id changes with the number; both spellings of the pair are read."""
    items: list[Item] = []
    for i, part in enumerate(value.user_id_update):
        match part.user_id:
            case shapes.Moved(previous=before, current=after):
                previous, current = _text(before), _text(after)
            case after:
                previous, current = _text(part.previous_user_id), _text(after)
        if previous is None or current is None:
            raise Malformed(f"{path}.user_id_update[{i}]", "must name the previous and the current user id")
        at = None if part.timestamp is None else _time(part.timestamp, f"{path}.user_id_update[{i}].timestamp")
        items.append(AddressChange(f"{previous} {current}", previous, current, at))
    return items


def _template(change: shapes.TemplateChange, business: str) -> TemplateUpdate:
    reason = None if change.reason in (None, "NONE") else change.reason
    return TemplateUpdate(
        business, change.message_template_name, change.message_template_language, change.event.upper(), reason
    )


def _preferences(value: shapes.Preferences, path: str) -> list[Preference]:
    account = str(value.metadata.phone_number_id) if value.metadata else None
    return [
        Preference(
            account=account,
            sender=_sender(part.wa_id, part.user_id, part.parent_user_id, []),
            category=part.category,
            value=part.value,
            at=_time(part.timestamp, f"{path}.user_preferences[{i}].timestamp"),
        )
        for i, part in enumerate(value.user_preferences)
    ]


def _sender(
    phone: shapes.Id | None, user: shapes.Id | None, parent: shapes.Id | None, contacts: list[shapes.Contact]
) -> Sender:
    """The sender by phone or user id, with what the webhook's list of contacts adds."""
    wa_id, user_id = _text(phone), _text(user)
    known = next(
        (
            contact
            for contact in contacts
            if (wa_id is not None and _text(contact.wa_id) == wa_id)
            or (user_id is not None and _text(contact.user_id) == user_id)
        ),
        shapes.Contact(),
    )
    wa_id = wa_id or _text(known.wa_id)
    return Sender(
        number=e164(f"+{wa_id}") if wa_id else None,
        wa_id=wa_id,
        user_id=user_id or _text(known.user_id),
        name=known.profile.name if known.profile else None,
        parent_user_id=_text(parent if parent is not None else known.parent_user_id),
    )


def _part(raw: msgspec.Raw, kind: str, shape: type[T], path: str) -> T:
    """The object that stands in a message under the name of its type."""
    parts = _decode(raw, dict[str, msgspec.Raw], path)
    if kind not in parts:
        raise Malformed(path, f"a message of type {kind!r} must have an object {kind!r}")
    return _decode(parts[kind], shape, f"{path}.{kind}")


def _whole(escape: re.Match[bytes]) -> bytes:
    """Half of an emoji, where somebody cut a name in the middle of one, must not cost everything else in the webhook."""
    return rb"\ufffd" if escape[1] else escape[0]


def _decode(raw: bytes | msgspec.Raw, shape: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        problem, _, inside = str(error).partition(" - at `$")
        raise Malformed(path + inside.removesuffix("`"), problem) from error
    except msgspec.DecodeError as error:
        raise Malformed(path, f"must be JSON: {error}") from error
    except RecursionError as error:
        raise Malformed(path, "must not be nested this deep") from error


def _time(seconds: Any, path: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(path, "must be seconds since 1970, as a number or as digits") from error


def _text(value: shapes.Id | None) -> str | None:
    return None if value is None else str(value)
