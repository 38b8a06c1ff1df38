"""What a call has taken so far, and what that costs by the bundle's dated prices."""

from datetime import datetime
from typing import TYPE_CHECKING

from anthropic.types import Message

from events.call import Consumed
from events.values import Cost
from libs.channels.exotel_media import RATE
from libs.config import call_costs
from libs.config.call_costs import Usage

if TYPE_CHECKING:
    from voice_service.calls import Call

BYTES_A_SECOND = 2 * RATE
HOME = call_costs.HOME


class Meter:
    """Whose line it is, who hears and who speaks, by provider and model (`deepgram nova-3`), and how much each has done.

    The call counts on without knowing: bytes that were heard, characters that were spoken. At a switch what is counted so far is
    put down to whom it was.
    """

    def __init__(
        self,
        ears: str = "deepgram flux-general-multi",
        mouth: str = "cartesia sonic-3.5",
        telephony: str = "exotel",
    ) -> None:
        self.telephony = telephony
        self.ears = ears
        self.mouth = mouth
        self._heard: dict[str, int] = {}
        self._spoken: dict[str, int] = {}

    def switched(self, call: "Call", component: str, to: str) -> None:
        """From now on another one does it."""
        if component == "stt":
            self._heard, self.ears = _with_rest(self._heard, self.ears, call.stt_bytes), to
        elif component == "tts":
            self._spoken, self.mouth = _with_rest(self._spoken, self.mouth, call.characters), to

    def heard(self, all_bytes: int) -> dict[tuple[str, str], int]:
        """Bytes by provider and model, of all that were sent."""
        return _parted(_with_rest(self._heard, self.ears, all_bytes))

    def spoken(self, all_characters: int) -> dict[tuple[str, str], int]:
        """Characters by provider and model, of all that were spoken."""
        return _parted(_with_rest(self._spoken, self.mouth, all_characters))


def _parted(counted: dict[str, int]) -> dict[tuple[str, str], int]:
    return {(who.partition(" ")[0], who.partition(" ")[2]): count for who, count in counted.items()}


def _with_rest(known: dict[str, int], who: str, whole: int) -> dict[str, int]:
    rest = max(0, whole - sum(known.values()))
    return {**known, who: known.get(who, 0) + rest}


def count_tokens(
    tokens: dict[tuple[str, str], int], model: str, *, taken: int, given: int, read: int | None, written: int | None
) -> None:
    """Add what one request to Claude took: tokens in and out, and of the prompt's cache, by unit and category."""
    for what, count in (
        (("token_in", model), taken),
        (("token_out", model), given),
        (("token_in", f"{model}:cache_read"), read or 0),
        (("token_in", f"{model}:cache_write"), written or 0),
    ):
        tokens[what] = tokens.get(what, 0) + count


def count_answer(tokens: dict[tuple[str, str], int], model: str, answer: Message) -> None:
    """As `count_tokens`, by what Claude's answer says of itself."""
    used = answer.usage
    count_tokens(
        tokens,
        model,
        taken=used.input_tokens,
        given=used.output_tokens,
        read=used.cache_read_input_tokens,
        written=used.cache_creation_input_tokens,
    )


def consumed(call: "Call", at: datetime) -> list[Consumed]:
    """What a call took of each provider so far."""
    usage = Usage(
        seconds=call.seconds,
        telephony=call.meter.telephony,
        heard={who: count / BYTES_A_SECOND for who, count in call.meter.heard(call.stt_bytes).items()},
        spoken=call.meter.spoken(call.characters),
        tokens=call.tokens,
    )
    return call_costs.consumed(usage, call.bundle, at.date(), call.money.pulse_s)


def costs(call: "Call", at: datetime) -> dict[str, Cost]:
    """What a call took by component; a component without a price is left out."""
    return call_costs.by_component(consumed(call, at), call.bundle, at.date())


def rupees_per_minute(call: "Call", at: datetime) -> float:
    """What a connected minute of it came to."""
    micros = call_costs.total(costs(call, at).values(), call.bundle, at.date())
    return call_costs.per_minute(micros, call.seconds) / 1_000_000


def too_dear(call: "Call", at: datetime) -> bool:
    """Whether it has cost what one call may."""
    limits = call.money.per_call
    return bool(limits) and call_costs.over(costs(call, at), limits, call.bundle, at.date())
