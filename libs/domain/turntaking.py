"""Turn-taking in a call: who has the floor, when a turn is over, and what to do about silence. Pure.

Everything is told with the call's own time in milliseconds. `step` takes what happened and says what to do; `wake_at` says
when it wants to be told that time has passed (`Tick`). Nothing here knows audio or a provider.
"""

from dataclasses import dataclass, field, replace

from libs.domain.endpointing import Expects, Situation, feels, is_backchannel, names_amount_or_date, situation, words
from libs.domain.floor import (
    DEFAULT,
    PROMPTS,
    Action,
    AgentBegan,
    AgentEnded,
    AgentSpoke,
    BreakSilence,
    EndOfTurn,
    Felt,
    Happening,
    Heard,
    HoldOn,
    Manners,
    Nod,
    Pressed,
    Resume,
    Speculate,
    StopSpeaking,
    ThinkAgain,
    Tick,
    TurnClosed,
    TurnResumed,
    Withdraw,
)

_END_OF_A_QUESTION = 2
"""Words of a question that may be missing and it is still understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Words of ours that were interrupted."""

    turn: int
    rest: str
    expects: Expects
    empty_since: int | None = None
    """Since when what interrupted them has turned out to be no word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What we remember. `turn` numbers the contact's turns; `agent` is what we are saying."""

    turn: int = 1
    parts: tuple[str, ...] = ()
    interim: str = ""
    first_word_at: int | None = None
    last_word_at: int | None = None
    candidate_at: int | None = None
    speculated: str | None = None
    digits: str = ""
    digit_at: int | None = None
    thinking_since: int | None = None
    withdrawn: bool = False
    """Whether the answer to the last turn was withdrawn for words that may turn out to be none."""
    held_on: int = 0
    """How often we have asked for patience while we thought."""
    agent: AgentBegan | None = None
    spoken: str = ""
    expects: Expects = "nothing"
    cut: Cut | None = None
    murmur: Heard | None = None
    """What the contact said while we spoke, if it was no more than a backchannel."""
    emotional: bool = False
    nodded_at: int | None = None
    quiet_since: int | None = 0
    prompted: int = 0

    @property
    def words(self) -> str:
        """The contact's words of this turn so far."""
        return " ".join(part for part in (*self.parts, self.interim) if part)

    @property
    def text(self) -> str:
        """What the contact said and pressed in this turn so far."""
        return f"{self.words} (pressed {self.digits})".strip() if self.digits else self.words

    @property
    def begun(self) -> bool:
        """Whether the contact has said or pressed something in this turn."""
        return self.last_word_at is not None or self.digit_at is not None


@dataclass(slots=True)
class _Step:
    """One step in the making."""

    floor: Floor
    manners: Manners
    actions: list[Action] = field(default_factory=list)

    def set(self, **changes: object) -> None:
        self.floor = replace(self.floor, **changes)  # type: ignore[arg-type] # the fields' own names

    def act(self, action: Action) -> None:
        self.actions.append(action)


def step(floor: Floor, happened: Happening, manners: Manners = DEFAULT) -> tuple[Floor, list[Action]]:
    """The floor after what happened, and what to do about it. What came due before it is done first."""
    now = _Step(floor, manners)
    while (due := wake_at(now.floor, manners)) is not None and due <= happened.at:
        _due(now, due)
    match happened:
        case Heard():
            _heard(now, happened)
        case Pressed():
            _pressed(now, happened)
        case EndOfTurn():
            _end_of_turn(now, happened)
        case TurnResumed():
            _void(now)
        case AgentBegan():
            _agent_began(now, happened)
        case AgentSpoke():
            now.set(spoken=happened.text)
        case AgentEnded():
            _agent_ended(now, happened.at)
        case Felt():
            now.set(emotional=happened.emotional)
        case Tick():
            pass
    while (due := wake_at(now.floor, manners)) is not None and due <= happened.at:
        _due(now, due)
    return now.floor, now.actions


def wake_at(floor: Floor, manners: Manners = DEFAULT) -> int | None:
    """When (milliseconds of the call) `step` wants a `Tick`; None when only something new matters."""
    times = (
        _closes_at(floor, manners),
        _resumes_at(floor, manners),
        _nods_at(floor, manners),
        _holds_on_at(floor, manners),
        _prompts_at(floor, manners),
    )
    return min((time for time in times if time is not None), default=None)


def situation_of(floor: Floor, manners: Manners = DEFAULT) -> Situation:
    """What the contact is in the middle of."""
    return situation(
        floor.words,
        after_question=floor.expects != "nothing",
        asked_for_number=floor.expects == "number",
        emotional=floor.emotional,
        fillers=manners.fillers,
    )


def _closes_at(floor: Floor, manners: Manners) -> int | None:
    if floor.agent is not None:
        return None
    pressed = None if floor.digit_at is None else floor.digit_at + manners.digits_ms
    if floor.digits.endswith("#") or floor.last_word_at is None:
        return floor.digit_at if floor.digits.endswith("#") else pressed
    if floor.candidate_at is None:
        return max(floor.last_word_at + manners.stalled_ms, pressed or 0)
    waited = floor.last_word_at + manners.endpointing.wait_ms(situation_of(floor, manners))
    return max(floor.candidate_at, waited, pressed or 0)


def _resumes_at(floor: Floor, manners: Manners) -> int | None:
    """Nobody has said a word although we were interrupted, and the provider ends no turn."""
    if floor.cut is None or floor.cut.empty_since is None or floor.begun or floor.agent is not None:
        return None
    return floor.cut.empty_since + manners.resume_ms


def _nods_at(floor: Floor, manners: Manners) -> int | None:
    first, last = floor.first_word_at, floor.last_word_at
    if first is None or last is None or last - first < manners.nod_after_ms:
        return None
    if floor.candidate_at is not None or floor.speculated is not None:
        return None
    if floor.nodded_at is not None and (floor.nodded_at >= last or last - floor.nodded_at < manners.nod_every_ms):
        return None
    return last + manners.nod_pause_ms


def _holds_on_at(floor: Floor, manners: Manners) -> int | None:
    if floor.thinking_since is None or floor.agent is not None:
        return None
    return floor.thinking_since + manners.think_ms + floor.held_on * manners.think_again_ms


def _prompts_at(floor: Floor, manners: Manners) -> int | None:
    silent = floor.agent is None and not floor.begun and floor.thinking_since is None
    if not silent or floor.quiet_since is None or floor.prompted >= len(PROMPTS):
        return None
    return floor.quiet_since + manners.silence.steps_ms[floor.prompted]


def _due(now: _Step, at: int) -> None:
    floor, manners = now.floor, now.manners
    if at == _closes_at(floor, manners):
        _close(now, at)
    elif at == _resumes_at(floor, manners):
        _resume(now)
    elif at == _nods_at(floor, manners):
        now.act(Nod())
        now.set(nodded_at=at)
    elif at == _holds_on_at(floor, manners) and floor.held_on >= manners.think_times:
        now.set(thinking_since=None, held_on=0, quiet_since=at)
    elif at == _holds_on_at(floor, manners):
        now.act(HoldOn(floor.turn - 1, floor.held_on + 1))
        now.set(held_on=floor.held_on + 1)
    else:
        now.act(BreakSilence(PROMPTS[floor.prompted]))
        now.set(prompted=floor.prompted + 1)


def _heard(now: _Step, heard: Heard) -> None:
    floor = now.floor
    listening = floor.agent is not None or (floor.thinking_since is not None and not floor.begun)
    if listening and is_backchannel(heard.text, _passed_over(floor.agent, now.manners)):
        if words(heard.text):
            now.set(murmur=heard)
        return
    if floor.agent is not None:
        _barge_in(now, floor.agent)
    before = now.floor.words
    if heard.final:
        now.set(parts=(*now.floor.parts, heard.text) if words(heard.text) else now.floor.parts, interim="")
    else:
        now.set(interim=heard.text)
    if words(now.floor.words) == words(before):
        return
    if not words(now.floor.words):  # what was taken for words was none
        _void(now)
        cut = now.floor.cut
        now.set(
            first_word_at=None,
            last_word_at=None,
            quiet_since=heard.at,
            cut=None if cut is None else replace(cut, empty_since=heard.at),
        )
        if now.floor.withdrawn and not now.floor.begun:
            now.act(ThinkAgain(now.floor.turn - 1))
            now.set(withdrawn=False, thinking_since=heard.at, cut=None)
        return
    _takes_floor(now)
    first, last = now.floor.first_word_at, now.floor.last_word_at or 0
    ended = heard.at if heard.ended is None else min(heard.at, heard.ended)
    now.set(first_word_at=heard.at if first is None else first, last_word_at=max(last, ended))
    _void(now)


def _pressed(now: _Step, pressed: Pressed) -> None:
    """A key is as good as a word; the first one interrupts us."""
    if now.floor.agent is not None:
        _barge_in(now, now.floor.agent)
    _takes_floor(now)
    now.set(digits=now.floor.digits + pressed.digit, digit_at=pressed.at)


def _takes_floor(now: _Step) -> None:
    """The contact goes on: what we were about to answer is void."""
    if now.floor.thinking_since is not None:
        now.act(Withdraw(now.floor.turn - 1))
        now.set(withdrawn=True)
    now.set(thinking_since=None, held_on=0, prompted=0, quiet_since=None)


def _passed_over(agent: AgentBegan | None, manners: Manners) -> tuple[tuple[str, ...], ...]:
    """What does not interrupt these words of ours, or our thinking."""
    return (*manners.backchannels, *manners.greetings) if agent is not None and agent.opening else manners.backchannels


def _barge_in(now: _Step, agent: AgentBegan) -> None:
    """The contact takes the floor; what they heard of our words is kept, and the rest for the case that they meant nothing."""
    spoken = now.floor.spoken
    rest = agent.text[len(spoken) :].strip() if agent.text.startswith(spoken) else agent.text
    now.act(StopSpeaking(agent.turn, spoken))
    cut = Cut(turn=agent.turn, rest="" if agent.filler else rest, expects=agent.expects)
    now.set(agent=None, cut=cut, murmur=None, spoken="")


def _end_of_turn(now: _Step, told: EndOfTurn) -> None:
    floor = now.floor
    if floor.agent is not None:
        return
    if floor.last_word_at is None:
        if floor.cut is not None and not told.eager and not floor.begun:
            _resume(now)
        return
    if told.eager:
        if floor.speculated is None:
            now.act(Speculate(floor.turn, floor.text))
            now.set(speculated=floor.text)
        return
    now.set(candidate_at=told.at)


def _resume(now: _Step) -> None:
    """Nobody meant to interrupt: the rest of our words, or where there is none the silence, goes on."""
    cut = now.floor.cut
    now.set(parts=(), interim="", first_word_at=None, last_word_at=None, candidate_at=None, cut=None)
    if cut is not None and cut.rest:
        now.act(Resume(cut.rest))
        now.set(expects=cut.expects)


def _void(now: _Step) -> None:
    """The turn goes on: neither its end nor a guess at its words stands."""
    if now.floor.speculated is not None:
        now.act(Withdraw(now.floor.turn))
    now.set(candidate_at=None, speculated=None)


def _close(now: _Step, at: int) -> None:
    floor = now.floor
    text = floor.text
    if not floor.digits and _meant_nothing(floor, now.manners):
        _void(now)
        _resume(now)
        return
    digits = floor.digits.removesuffix("#") or floor.digits
    if floor.digits:
        text = f"{floor.words} (pressed {digits})".strip()
    now.act(
        TurnClosed(
            floor.turn,
            text,
            situation_of(floor, now.manners),
            read_back=names_amount_or_date(text),
            speculated=floor.speculated is not None and words(floor.speculated) == words(text),
            digits=digits,
        )
    )
    now.set(
        turn=floor.turn + 1,
        parts=(),
        interim="",
        first_word_at=None,
        last_word_at=None,
        candidate_at=None,
        speculated=None,
        digits="",
        digit_at=None,
        thinking_since=at,
        withdrawn=False,
        held_on=0,
        murmur=None,
        cut=None,
        nodded_at=None,
        expects="nothing",
        emotional=feels(text),
    )


def _meant_nothing(floor: Floor, manners: Manners) -> bool:
    """Whether what interrupted us is a backchannel after all, and we had more to say than the end of a question."""
    cut = floor.cut
    if cut is None or not is_backchannel(floor.words, manners.backchannels):
        return False
    return len(words(cut.rest)) > (_END_OF_A_QUESTION if cut.expects != "nothing" else 0)


def _agent_began(now: _Step, began: AgentBegan) -> None:
    floor = now.floor
    stale = began.turn not in (0, floor.turn - 1) or (began.turn and floor.begun)
    if stale:
        now.act(StopSpeaking(began.turn, "", "stale"))
        return
    if floor.agent is not None and floor.agent.turn == began.turn:  # more of the same is known
        now.set(agent=began, expects=began.expects)
        return
    now.set(agent=began, spoken="", murmur=None)
    if began.filler:
        return
    now.set(expects=began.expects, thinking_since=None, withdrawn=False, held_on=0)
    if not began.prompt:
        now.set(quiet_since=None, prompted=0)


def _agent_ended(now: _Step, at: int) -> None:
    floor = now.floor
    if floor.agent is None:
        return
    now.set(agent=None, spoken="", quiet_since=at if floor.quiet_since is None else floor.quiet_since)
    murmur = floor.murmur
    answers = murmur is not None and floor.expects != "nothing" and at - murmur.at <= now.manners.tail_ms
    now.set(murmur=None)
    if murmur is not None and answers:  # "haan" over the last syllable of a question is its answer
        _heard(now, Heard(at, murmur.text, final=True))
        now.set(candidate_at=at)
