"""What Meta's answers and error codes mean for what we do next. Branches on the code, never on the title."""

from typing import Annotated

import msgspec

from libs.channels.outcome import Accepted, Broken, Outcome, Refused, Retry, Scope, Unknown

WINDOW_CLOSED = 131047
USER_STOPPED = 131050
_PAIR_RATE = 131056
_PAIR_RATE_SECONDS = 6.0
_LONGEST_WAIT_SECONDS = 3600.0

_RETRY: dict[int, tuple[str, float | None]] = {
    1: ("API unknown", None),
    2: ("API service unavailable", None),
    4: ("the app's call rate is used up", None),
    80007: ("the business account's call rate is used up", None),
    130429: ("the number's throughput is used up", None),
    131016: ("service unavailable", None),
    131057: ("the number is in maintenance for some minutes", 300.0),
    133004: ("server temporarily unavailable", None),
}
_REFUSED: dict[int, tuple[Scope, str]] = {
    0: ("account", "the access token is invalid: authenticate again"),
    3: ("account", "the app lacks the capability: grant it"),
    10: ("account", "permission not granted or withdrawn: grant it"),
    100: ("message", "a parameter is wrong: a bug of ours"),
    190: ("account", "the access token has expired: authenticate again"),
    368: ("account", "blocked for policy violations"),
    130497: ("contact", "not allowed to message users in this country"),
    131008: ("message", "a required parameter is missing: a bug of ours"),
    131009: ("message", "a parameter's value is not valid: a bug of ours"),
    131021: ("contact", "sender and recipient are the same number"),
    131026: ("contact", "undeliverable: no WhatsApp, an old app, or terms not accepted: use another channel"),
    131030: ("contact", "the recipient is not on the test number's list of allowed recipients"),
    131031: ("account", "the business account is locked"),
    131042: ("account", "a payment problem of the business account: settle it"),
    131044: ("account", "no payment method: add one"),
    WINDOW_CLOSED: ("message", "more than 24 hours since the contact wrote: send a template"),
    131048: ("account", "restricted for spam: pause what is being sent"),
    131049: ("contact", "not delivered to keep the contact's inbox healthy: not again within 24 hours"),
    USER_STOPPED: ("contact", "the contact stopped marketing messages: suppress them"),
    131051: ("message", "this type of message is not supported"),
    131052: ("message", "the media could not be downloaded"),
    131053: ("message", "the media could not be uploaded: upload it again"),
    131062: ("contact", "a user id can't receive this type of message: ask for the phone"),
    131063: ("message", "marketing goes to /marketing_messages only"),
    132000: ("message", "the number of template parameters differs from the template"),
    132001: ("message", "the template does not exist in this language or is not approved"),
    132005: ("message", "the filled template is too long"),
    132007: ("message", "the template's text violates a policy"),
    132012: ("message", "a template parameter has the wrong format"),
    132015: ("message", "the template is paused: use another one"),
    132016: ("message", "the template is disabled: use another one"),
    133010: ("account", "the phone number is not registered"),
    137000: ("contact", "the contact's identity has changed: verify it again"),
}
_OUTCOME_UNKNOWN = 131000


class _Recipient(msgspec.Struct):
    wa_id: str | int | None = None
    user_id: str | None = None


class _Message(msgspec.Struct):
    id: str | int
    message_status: str | None = None


class _Taken(msgspec.Struct):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    contacts: list[_Recipient] = []


class _Details(msgspec.Struct):
    details: str | None = None


class _Error(msgspec.Struct):
    code: int | str
    message: str | None = None
    title: str | None = None
    error_data: _Details | None = None
    is_transient: bool | None = None


class _Failure(msgspec.Struct):
    error: _Error


def classify(answer: int | Broken, body: bytes = b"", *, retry_after: float | None = None, attempt: int = 0) -> Outcome:
    """What a call to `/messages` came to.

    `answer` is the HTTP status or how the call broke, `retry_after` the header in seconds, `attempt` how many times this
    message was tried before (the pair rate asks for 4^attempt seconds, at least 6).
    """
    if answer == "not_connected":
        return Retry("no connection to Meta")
    if answer == "no_answer":
        return Unknown("the request left us and no whole answer came back")
    if 200 <= answer < 300:
        return _accepted(body)
    told = error_of(body)
    if told is None:
        return _without_code(answer, retry_after)
    code, details = told
    if code == _OUTCOME_UNKNOWN:
        return Unknown(f"131000 something went wrong: {details}")
    if (known := meaning(code, details, attempt=attempt)) is not None:
        return _after(known, retry_after)
    if _is_transient(body):
        return Retry(f"{code} {details}", retry_after)
    if answer >= 500:
        return Unknown(f"{code} {details}")
    return Refused(code, f"an error code that is not in our table: {details}", "message")


def meaning(code: int, details: str = "", *, attempt: int = 0) -> Retry | Refused | None:
    """What an error code means, in an answer or in a `failed` status; None for a code that the table does not have."""
    if code == _PAIR_RATE:
        seconds = min(max(_PAIR_RATE_SECONDS, 4.0 ** min(attempt, 10)), _LONGEST_WAIT_SECONDS)
        return Retry(f"{code} too many messages to the same contact", seconds)
    if code in _RETRY:
        reason, seconds_or_none = _RETRY[code]
        return Retry(f"{code} {reason}", seconds_or_none)
    if code in _REFUSED:
        scope, reason = _REFUSED[code]
        return Refused(code, f"{reason} ({details})" if details else reason, scope)
    if 200 <= code <= 299:
        return Refused(code, "permission not granted or withdrawn: grant it", "account")
    return None


def error_of(body: bytes) -> tuple[int, str] | None:
    """The code and the details of an error in Meta's shape; None where the body is not one."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
        code = int(error.code)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return code, (error.error_data.details if error.error_data else None) or error.message or error.title or ""


def _is_transient(body: bytes) -> bool:
    return bool(msgspec.json.decode(body, type=_Failure).error.is_transient)


def _accepted(body: bytes) -> Accepted | Unknown:
    try:
        taken = msgspec.json.decode(body, type=_Taken)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unknown("Meta answered success with a body that names no message")
    person = taken.contacts[0] if taken.contacts else _Recipient()
    recipient = str(person.wa_id) if person.wa_id is not None else person.user_id
    return Accepted(str(taken.messages[0].id), recipient, taken.messages[0].message_status)


def _without_code(status: int, retry_after: float | None) -> Outcome:
    """An answer that Meta's API did not write: a proxy, an outage, a wrong base URL."""
    if status == 429:
        return Retry("429 without an error code", retry_after)
    if status in (401, 403):
        return Refused(status, "not authenticated", "account")
    if 300 <= status < 400 or status in (404, 405):
        return Refused(status, "the base URL does not lead to the Graph API", "account")
    if status >= 500:
        return Unknown(f"{status} without an error code")
    return Refused(status, "refused without an error code", "message")


def _after(known: Retry | Refused, retry_after: float | None) -> Retry | Refused:
    """The longer of what the table and the provider's header ask us to wait."""
    if isinstance(known, Refused) or retry_after is None:
        return known
    return Retry(known.reason, max(retry_after, known.after_seconds or 0.0))
