"""The words of turn-taking: what happens in a call, what to do about it, and by which manners. Times in milliseconds of the call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from libs.domain.endpointing import BACKCHANNELS, FILLERS, GREETINGS, Endpointing, Expects, Situation, words

Prompt = Literal["gentle_prompt", "check_in", "final_check", "goodbye"]
PROMPTS: tuple[Prompt, ...] = get_args(Prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Seconds of silence after which the contact is spoken to (`voice.silence` of the settings)."""

    gentle_prompt_s: float = 5
    check_in_s: float = 10
    final_check_s: float = 20
    goodbye_s: float = 30

    @property
    def steps_ms(self) -> tuple[int, ...]:
        seconds = (self.gentle_prompt_s, self.check_in_s, self.final_check_s, self.goodbye_s)
        return tuple(round(each * 1000) for each in seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How we take turns. Times in milliseconds.

    `tail_ms`: how shortly before the end of our question a "haan" may come and still be its answer. `stalled_ms`: how long
    after the last word a turn ends although the provider says nothing. `think_ms`: how long the contact waits for our
    words before a filler is played, `think_again_ms` until the next one; after `think_times` of them nobody believes in an
    answer any more. `resume_ms`: how long after an interruption without
    a word we go on. `digits_ms`: how long after a key the next one may come. `nod_after_ms`, `nod_every_ms`, `nod_pause_ms`:
    our own backchannels in long speech.
    """

    endpointing: Endpointing = field(default_factory=Endpointing)
    silence: Silence = field(default_factory=Silence)
    fillers: tuple[tuple[str, ...], ...] = FILLERS
    backchannels: tuple[tuple[str, ...], ...] = BACKCHANNELS
    greetings: tuple[tuple[str, ...], ...] = GREETINGS
    tail_ms: int = 800
    stalled_ms: int = 3000
    think_ms: int = 1800
    think_again_ms: int = 5000
    think_times: int = 3
    resume_ms: int = 700
    digits_ms: int = 2000
    nod_after_ms: int = 6000
    nod_every_ms: int = 8000
    nod_pause_ms: int = 250


DEFAULT = Manners()
INDIAN = Manners(
    endpointing=Endpointing(base_ms=350),
    silence=Silence(gentle_prompt_s=8, check_in_s=15, final_check_s=25, goodbye_s=35),
)
"""The preset for Indian English and Hinglish: people pause longer."""
PRESETS = {"indian_english": INDIAN, "default": DEFAULT}
"""By their names in `voice.preset` of the settings."""


def preset_of(preset: str | None, quality: str | None) -> str:
    """The preset that settings mean: the one that they name; else who wants it quick is quick, and all others Indian."""
    return preset or ("default" if quality == "low_latency" else "indian_english")


def manners(told: Mapping[str, Any]) -> Manners:
    """How an agent takes turns, by `voice` of the settings: a preset, and what it says otherwise."""
    preset = PRESETS[preset_of(told.get("preset"), told.get("quality_preset"))]
    fillers = told.get("fillers")
    digits = told.get("digits") or {}
    return replace(
        preset,
        endpointing=replace(preset.endpointing, **(told.get("endpointing") or {})),
        silence=replace(preset.silence, **(told.get("silence") or {})),
        fillers=preset.fillers if fillers is None else tuple(words(each) for each in fillers),
        digits_ms=digits.get("timeout_ms", preset.digits_ms),
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """The contact's words: an interim replaces the one before it, a final one stays. `ended`: when the last word was over."""

    at: int
    text: str
    final: bool = False
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """The contact pressed a key; `#` says that no more come."""

    at: int
    digit: str


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The provider believes that the turn is over; `eager`: that it may be over soon."""

    at: int
    eager: bool = False


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The provider takes an end of turn back."""

    at: int


@dataclass(frozen=True, slots=True)
class AgentBegan:
    """Our words begin to be heard, or more of them is known. `turn` is the one they answer (0: an opening or a prompt).

    `opening`: the first of the call. `prompt`: they break a silence. `filler`: the answer itself is still being thought of.
    """

    at: int
    text: str
    turn: int = 0
    expects: Expects = "nothing"
    opening: bool = False
    prompt: bool = False
    filler: bool = False


@dataclass(frozen=True, slots=True)
class AgentSpoke:
    """So much of our words has been heard, by the transport's own marks."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """The last of our words has been heard."""

    at: int


@dataclass(frozen=True, slots=True)
class Felt:
    """The contact sounds emotional, or no longer does."""

    at: int
    emotional: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: int


Happening = Heard | Pressed | EndOfTurn | TurnResumed | AgentBegan | AgentSpoke | AgentEnded | Felt | Tick


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Be silent at once. `heard` is what the contact heard of our words, `turn` the one that they answered."""

    turn: int
    heard: str
    why: Literal["barge_in", "stale"] = "barge_in"


@dataclass(frozen=True, slots=True)
class Resume:
    """Nobody meant to interrupt: say the rest of what was cut off."""

    rest: str


@dataclass(frozen=True, slots=True)
class Speculate:
    """The turn may be over: begin to think of an answer, and say nothing yet."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The contact goes on: an answer to what they had said so far must not be heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class ThinkAgain:
    """What took the answer to this turn back was no word: think of it again."""

    turn: int


@dataclass(frozen=True, slots=True)
class TurnClosed:
    """The contact has finished; answer `text`, and the keys that they pressed.

    `read_back`: repeat the amount or date for confirmation. `speculated`: the answer that was thought of early fits.
    """

    turn: int
    text: str
    situation: Situation
    read_back: bool = False
    speculated: bool = False
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Nod:
    """Say "hmm" or "ji" without taking the floor."""


@dataclass(frozen=True, slots=True)
class HoldOn:
    """Our answer takes long: play a filler so that the contact hears something. `times`: how often we have, this one included."""

    turn: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class BreakSilence:
    """Nobody speaks: say the prompt of this level."""

    level: Prompt


Action = StopSpeaking | Resume | Speculate | Withdraw | ThinkAgain | TurnClosed | Nod | HoldOn | BreakSilence
