"""Whether a machine wrote a mail: such mail is never answered, else two machines talk for ever (RFC 3834)."""

import re
from collections.abc import Collection
from typing import Literal

from libs.channels.email_mime import Headers

Automatic = Literal["auto_reply", "out_of_office", "list", "report"]

_AWAY = re.compile(
    r"^\s*(automatic reply|auto(matic)?[- ]?(reply|response)|out[- ]of[- ](the[- ])?office|ooo\b|auto:|on (leave|vacation)\b"
    r"|away from|स्वतः उत्तर|स्वचालित (उत्तर|जवाब)|कार्यालय से बाहर|ऑफ़िस से बाहर|ऑफिस से बाहर|अवकाश पर)",
    re.IGNORECASE,
)
_REPORTER = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|mdaemon)@", re.IGNORECASE)
_NO_REPLY = re.compile(r"^(no-?reply|do-?not-?reply|bounces?)[@+.-]", re.IGNORECASE)
_ROBOTS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")


def answers(headers: Headers, subject: str) -> bool:
    """Whether a machine says that it answers for somebody. It does so without an envelope sender, as bounces come (RFC 3834 3.3)."""
    return (
        (headers.get("auto-submitted") or "").strip().lower().startswith("auto-replied")
        or _precedence(headers) == "auto_reply"
        or any(headers.get(name) for name in _ROBOTS)
        or _AWAY.match(subject) is not None
    )


def _precedence(headers: Headers) -> str:
    return (headers.get("precedence") or "").strip().lower()


def automatic(
    headers: Headers,
    *,
    sender: str,
    subject: str,
    media_type: str,
    envelope_from: str | None = None,
    ours: Collection[str] = (),
) -> Automatic | None:
    """What kind of machine wrote it; None for a person. `ours` are our own addresses, `envelope_from` is '' for `<>`."""
    if media_type == "multipart/report" or _REPORTER.match(sender):
        return "report"
    if _AWAY.match(subject):
        return "out_of_office"
    submitted = (headers.get("auto-submitted") or "no").partition(";")[0].strip().lower()
    if submitted != "no" or envelope_from == "" or answers(headers, subject):
        return "auto_reply"
    if headers.get("list-id") or _precedence(headers) in ("bulk", "junk", "list"):
        return "list"
    if _NO_REPLY.match(sender) or sender in ours:
        return "auto_reply"
    return None
