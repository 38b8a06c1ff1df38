"""How a turn fails, with what an effect worker needs to decide what follows."""

from collections.abc import Mapping
from typing import Any

from libs.llm.turn import ModelCall, Understanding


class TurnFailed(Exception):
    """A turn gave no usable result.

    `calls` are the requests that were made (a dropped stream is billed for what it produced); `retry_after` is in
    seconds, None where the API said nothing. The message holds no text of the contact.
    """

    retry_after: float | None = None

    def __init__(self, message: str, *, calls: tuple[ModelCall, ...] = (), request_id: str | None = None) -> None:
        super().__init__(message)
        self.calls = calls
        self.request_id = request_id


class Overloaded(TurnFailed):
    """The API cannot take the turn now: 429, 529, 5xx, or the connection failed. Worth repeating after `retry_after`."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        calls: tuple[ModelCall, ...] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, calls=calls, request_id=request_id)
        self.retry_after = retry_after


class TimedOut(TurnFailed):
    """No first token, or no end, within our own limits (seconds are in the message)."""


class BadOutput(TurnFailed):
    """Claude answered, but not what the tool schemas ask: cut at max_tokens, no tool call, invalid or empty input.

    `kept` are the inputs, by tool, that were whole all the same.
    """

    kept: Mapping[str, Any] = {}


class Refused(TurnFailed):
    """Claude declined (`stop_reason: refusal`); `category` is the API's, None where it gives none. Repeating does not help."""

    def __init__(
        self,
        message: str,
        *,
        category: str | None = None,
        calls: tuple[ModelCall, ...] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, calls=calls, request_id=request_id)
        self.category = category


class Unsafe(TurnFailed):
    """The reply may not be sent (libs.llm.guard): `reasons`. What the contact meant stands in `understanding` all the same."""

    def __init__(
        self,
        message: str,
        *,
        reasons: tuple[str, ...],
        understanding: Understanding | None = None,
        calls: tuple[ModelCall, ...] = (),
    ) -> None:
        super().__init__(message, calls=calls)
        self.reasons = reasons
        self.understanding = understanding


class Misconfigured(TurnFailed):
    """The request can never succeed as it is: key, permission, billing, model id or request shape. `status` is HTTP's."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        calls: tuple[ModelCall, ...] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, calls=calls, request_id=request_id)
        self.status = status
        self.error_type = error_type

    @property
    def model_unknown(self) -> bool:
        """The model id is the trouble, so that another model may do."""
        return self.status == 404
