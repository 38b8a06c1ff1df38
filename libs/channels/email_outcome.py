"""What an SMTP server's replies mean for what we do next. Decides by the code and its phase, never by the words."""

import re
from typing import Literal

from libs.channels.email_address import without_addresses
from libs.channels.outcome import Broken, Outcome, Refused, Retry, Scope, Unknown

Phase = Literal["connection", "login", "sender", "recipient", "content"]
"""What was being done: greeting and TLS; AUTH; MAIL FROM; RCPT TO; DATA with the message."""

GREYLIST_S = (300.0, 900.0, 3600.0, 14_400.0, 43_200.0)
"""Before the next attempt when a server says later: 5 minutes to 12 hours, as senders are expected to (RFC 5321 4.5.4.1)."""
CONNECTION_S = (10.0, 60.0, *GREYLIST_S)
"""Before the next attempt when the server cannot be reached."""
MAX_SIZE = 18 * 1024 * 1024
"""Bytes of files in one mail: in base64 they are the 25 MB that most servers take."""

_ENHANCED = re.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_OURS = frozenset({f"5.7.{number}" for number in (0, 3, 8, 9, 11, 13, 14, *range(20, 30))})
"""Who we are is not believed, or not allowed to send: sign-in, SPF, DKIM, DMARC. 5.7.1 is one receiver's own policy."""
_SOFT = frozenset({"5.2.2", "5.3.1"})


def enhanced(text: str) -> str | None:
    """The enhanced status code (RFC 3463) at the beginning of a reply, such as `5.1.1`."""
    found = _ENHANCED.match(text)
    return ".".join(found.groups()) if found else None


def is_permanent(code: str | None) -> bool:
    """Whether a bounce with this code says that the address never will take mail: a full mailbox may be emptied."""
    return not (code or "").startswith("4") and code not in _SOFT


def broken(how: Broken, reason: str, *, attempt: int = 0) -> Outcome:
    """A connection that broke. Before the content was begun nothing was sent; afterwards nobody knows.

    A repeat under the same Message-ID would be shown once by many clients but delivered twice by all servers, so that an
    unknown outcome waits for evidence (a bounce, a provider's event, an answer) instead of being repeated.
    """
    if how == "not_connected":
        return Retry(without_addresses(reason), _pause(CONNECTION_S, attempt))
    return Unknown(without_addresses(reason))


def no_starttls() -> Refused:
    """A server that offers no encryption gets neither our password nor the mail."""
    return Refused(530, "the server does not offer STARTTLS: use another port or server", "account")


def no_auth() -> Refused:
    """A server that lets nobody sign in is not the one that the account is at."""
    return Refused(530, "the server takes no password: it is not the one that the account is at", "account")


def classify(code: int, text: str, phase: Phase, *, attempt: int = 0) -> Retry | Refused:
    """What a reply other than success came to. `attempt` counts from 0.

    Sources: RFC 5321 4.2, RFC 3463, RFC 4954 6.
    """
    status = enhanced(text)
    reason = without_addresses(f"{code} {text}")
    if 400 <= code < 500:
        pauses = CONNECTION_S if phase == "connection" else GREYLIST_S
        return Retry(reason, _pause(pauses, attempt))
    if status in _SOFT or (code == 552 and phase == "recipient"):
        return Retry(reason, _pause(GREYLIST_S[2:], attempt))
    return Refused(code, reason, _scope(code, status or "", phase))


def _scope(code: int, status: str, phase: Phase) -> Scope:
    """Whom a refusal is about: who we are and may do (which stops the account), whom we write to, or this mail alone."""
    if phase in ("connection", "login", "sender") or code in (530, 534, 535, 538) or status in _OURS:
        return "account"
    if status.startswith(("5.1.", "5.2.")) or (phase == "recipient" and code in (550, 551, 553)):
        return "contact"
    return "message"


def _pause(pauses: tuple[float, ...], attempt: int) -> float:
    return pauses[min(attempt, len(pauses) - 1)]
