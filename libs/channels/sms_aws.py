"""What AWS's answers mean, whichever of its two SMS services wrote them."""

from dataclasses import dataclass

from libs.channels.outcome import Broken, Outcome, Refused, Retry, Scope, Unknown
from libs.channels.sms_items import scrubbed

_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
    }
)
_ITS_OWN_FAULT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
"""AWS says of these that the request was not completed and may be made again."""
_NOT_ALLOWED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error document: HTTP status, code, the `Reason` that End User Messaging adds, and the fields that it names."""

    status: int
    code: str
    message: str = ""
    reason: str | None = None
    fields: tuple[str, ...] = ()


def broken(how: Broken) -> Outcome:
    """What a call that broke means: SMS has no idempotency key, so that what left us may have been sent."""
    if how == "not_connected":
        return Retry("no connection to AWS")
    return Unknown("the request left us and no whole answer came back")


def common(failure: Failure) -> Outcome | None:
    """What is the same for both services; None for what only one of them says."""
    if failure.code in _THROTTLED or failure.status == 429:
        return Retry(f"{failure.code} too many requests")
    if failure.code in _ITS_OWN_FAULT:
        return Retry(f"{failure.code} a fault of AWS's own")
    if failure.code in _NOT_ALLOWED:
        return refused(failure, "AWS does not let this account do it: check keys, policy and standing", "account")
    if failure.status >= 500:
        return Unknown(f"{failure.status} {failure.code}")
    return None


def refused(failure: Failure, hint: str, scope: Scope, *, opted_out: bool = False) -> Refused:
    """A refusal under the most telling code that AWS gave."""
    details = scrubbed(failure.message)
    return Refused(
        failure.reason or failure.code, f"{hint} ({details})" if details else hint, scope, opted_out=opted_out
    )
