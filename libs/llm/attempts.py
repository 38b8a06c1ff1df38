"""Which attempts a turn gets: the model again, then the fallback model; after that a safe template, then a person."""

import msgspec

from libs.llm.failures import BadOutput, Misconfigured, Overloaded, Refused, TimedOut, TurnFailed, Unsafe

RETRY_PAUSE_MS = 500
LONGEST_PAUSE_MS = 8_000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The `number`th try (from 0), with which model, and how long to wait before it."""

    number: int
    model: str
    pause_ms: int


def attempts(model: str, fallback_model: str | None) -> tuple[Attempt, ...]:
    """The plan: the model twice, then the fallback model twice where there is another one."""
    models = [model, model]
    if fallback_model is not None and fallback_model != model:
        models += [fallback_model, fallback_model]
    return tuple(Attempt(number=n, model=name, pause_ms=RETRY_PAUSE_MS * (n % 2)) for n, name in enumerate(models))


def following(plan: tuple[Attempt, ...], tried: int, failure: TurnFailed) -> Attempt | None:
    """What comes after attempt `tried` failed; None: no model can help, say the safe template.

    Overloaded and BadOutput (nothing of it could be used) are repeated on the same model and then elsewhere; TimedOut, Refused, Unsafe and an unknown model
    go to the other model at once; any other Misconfigured ends the plan. A wait that is asked for (`retry_after`) and
    longer than `LONGEST_PAUSE_MS` is not waited for: the other model has its own limits.
    """
    current = plan[tried]
    later = plan[tried + 1 :]
    other = next((attempt for attempt in later if attempt.model != current.model), None)
    match failure:
        case Misconfigured(model_unknown=True) | TimedOut() | Refused() | Unsafe():
            return other
        case Misconfigured():
            return None
        case Overloaded(retry_after=seconds) if seconds is not None:
            asked_ms = round(seconds * 1000)
            if asked_ms > LONGEST_PAUSE_MS:
                return other
            if later and later[0].model == current.model:
                return msgspec.structs.replace(later[0], pause_ms=max(asked_ms, later[0].pause_ms))
            return other
        case Overloaded() | BadOutput():
            return later[0] if later else None
        case _:
            return None
