"""Reports about our own mails: bounces and delays (RFC 3464), complaints (RFC 5965), and what servers send without a form."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.channels.email_address import bare_id, without_addresses
from libs.channels.email_mime import Parts

Told = Literal["bounced", "delayed", "delivered", "relayed", "complaint"]
_ACTIONS: Mapping[str, Told] = {
    "failed": "bounced",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "relayed",
}
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_TROUBLE = re.compile(r"\b([45]\.[0-7]\.\d{1,3})\b")
"""A status in words (RFC 3463): eight subjects, and no success."""
_REPLY = re.compile(r"\b(5\d\d)\b[ -]")
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other", "opt-out", "not-spam"})


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a mail of ours. `original` is its Message-ID without brackets, `status` as RFC 3463 has it."""

    told: Told
    status: str | None = None
    reason: str = ""
    original: str | None = None


def report(parts: Parts, text: str, *, to_bounces: bool, from_daemon: bool) -> Report | None:
    """The report that a mail is; None for any other mail.

    `to_bounces`: it came to an envelope address of ours; `from_daemon`: from a mail server's own address or without an
    envelope sender. Together with a status in its text they make a bounce that keeps no form (Exchange, qmail).
    """
    original = _original(parts)
    feedback = next((each for each in parts.reports if "feedback-type" in each), None)
    if feedback is not None:
        kind = feedback["feedback-type"].lower()
        if kind not in _COMPLAINTS - {"not-spam"}:
            return None
        return Report("complaint", reason=f"complaint: {kind}", original=original)
    groups = [each for each in parts.reports if each.get("action", "").lower() in _ACTIONS]
    if groups:
        about = _worst(groups)
        status = _STATUS.search(about.get("status", ""))
        said = about.get("diagnostic-code", "").partition(";")[2] or about.get("diagnostic-code", "")
        return Report(
            _ACTIONS[about["action"].lower()],
            status[1] if status else None,
            without_addresses(said or about["action"]),
            original,
        )
    if not from_daemon or not (to_bounces or original):
        return None
    found = _TROUBLE.search(text) or _REPLY.search(text)
    if found is None:
        return None
    line = next((each for each in text.splitlines() if found[1] in each), "")
    return Report("delayed" if found[1].startswith("4") else "bounced", found[1], without_addresses(line), original)


def _worst(groups: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Of several recipients the one for whom it failed: we write to one at a time."""
    return next((each for each in groups if each["action"].lower() == "failed"), groups[0])


def _original(parts: Parts) -> str | None:
    """The Message-ID of the mail that it is about: enclosed, else referred to."""
    if parts.original is not None and (id := bare_id(parts.original.get("message-id"))):
        return id
    named = [*parts.headers.ids("in-reply-to"), *parts.headers.ids("references")]
    return named[-1] if named and parts.reports else None
