"""Turn-taking in a call: who has the floor, when a turn is over, and what to do about silence. Pure.

Everything is told with the call's own time in milliseconds. `step` takes what happened and says what to do; `wake_at` says
when it wants to be told that time has passed (`Tick`). Nothing here knows audio or a provider.
"""

from dataclasses import dataclass, field, replace

from libs.domain.endpointing import Situation, is_backchannel, names_amount_or_date, situation, words
from libs.domain.floor import (
    DEFAULT,
    PROMPTS,
    Action,
    AgentBegan,
    AgentEnded,
    AgentSpoke,
    BreakSilence,
    EndOfTurn,
    Expects,
    Felt,
    Happening,
    Heard,
    HoldOn,
    Manners,
    Nod,
    Resume,
    Speculate,
    StopSpeaking,
    Tick,
    TurnClosed,
    TurnResumed,
    Withdraw,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Words of ours that were interrupted."""

    turn: int
    rest: str
    expects: Expects


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
    thinking_since: int | None = None
    held_on: bool = False
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
    def text(self) -> str:
        """The contact's words of this turn so far."""
        return " ".join(part for part in (*self.parts, self.interim) if part)


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
        _nods_at(floor, manners),
        _holds_on_at(floor, manners),
        _prompts_at(floor, manners),
    )
    return min((time for time in times if time is not None), default=None)


def situation_of(floor: Floor, manners: Manners = DEFAULT) -> Situation:
    """What the contact is in the middle of."""
    return situation(
        floor.text,
        after_question=floor.expects != "nothing",
        asked_for_number=floor.expects == "number",
        emotional=floor.emotional,
        fillers=manners.fillers,
    )


def _closes_at(floor: Floor, manners: Manners) -> int | None:
    if floor.last_word_at is None or floor.agent is not None:
        return None
    if floor.candidate_at is None:
        return floor.last_word_at + manners.stalled_ms
    return max(floor.candidate_at, floor.last_word_at + manners.endpointing.wait_ms(situation_of(floor, manners)))


def _nods_at(floor: Floor, manners: Manners) -> int | None:
    first, last = floor.first_word_at, floor.last_word_at
    if first is None or last is None or floor.candidate_at is not None or last - first < manners.nod_after_ms:
        return None
    if floor.nodded_at is not None and (floor.nodded_at >= last or last - floor.nodded_at < manners.nod_every_ms):
        return None
    return last + manners.nod_pause_ms


def _holds_on_at(floor: Floor, manners: Manners) -> int | None:
    if floor.thinking_since is None or floor.held_on:
        return None
    return floor.thinking_since + manners.think_ms


def _prompts_at(floor: Floor, manners: Manners) -> int | None:
    silent = floor.agent is None and floor.last_word_at is None and floor.thinking_since is None
    if not silent or floor.quiet_since is None or floor.prompted >= len(PROMPTS):
        return None
    return floor.quiet_since + manners.silence.steps_ms[floor.prompted]


def _due(now: _Step, at: int) -> None:
    floor, manners = now.floor, now.manners
    if at == _closes_at(floor, manners):
        _close(now, at)
    elif at == _nods_at(floor, manners):
        now.act(Nod())
        now.set(nodded_at=at)
    elif at == _holds_on_at(floor, manners):
        now.act(HoldOn(floor.turn - 1))
        now.set(held_on=True)
    else:
        now.act(BreakSilence(PROMPTS[floor.prompted]))
        now.set(prompted=floor.prompted + 1)


def _heard(now: _Step, heard: Heard) -> None:
    floor = now.floor
    if floor.agent is not None and is_backchannel(heard.text, now.manners.backchannels):
        if words(heard.text):
            now.set(murmur=heard)
        return
    if floor.agent is not None:
        _barge_in(now, floor.agent)
    before = now.floor.text
    if heard.final:
        now.set(parts=(*now.floor.parts, heard.text) if words(heard.text) else now.floor.parts, interim="")
    else:
        now.set(interim=heard.text)
    if words(now.floor.text) == words(before):
        return
    if not words(now.floor.text):  # what was taken for words was none
        now.set(first_word_at=None, last_word_at=None)
        return
    if now.floor.thinking_since is not None:
        now.act(Withdraw(now.floor.turn - 1))
        now.set(thinking_since=None, held_on=False)
    first = now.floor.first_word_at
    now.set(first_word_at=heard.at if first is None else first, last_word_at=heard.at, prompted=0, quiet_since=None)
    _void(now)


def _barge_in(now: _Step, agent: AgentBegan) -> None:
    """The contact takes the floor; what they heard of our words is kept, and the rest for the case that they meant nothing."""
    spoken = now.floor.spoken
    rest = agent.text[len(spoken) :].strip() if agent.text.startswith(spoken) else agent.text
    now.act(StopSpeaking(agent.turn, spoken))
    now.set(agent=None, cut=Cut(turn=agent.turn, rest=rest, expects=agent.expects), murmur=None, spoken="")


def _end_of_turn(now: _Step, told: EndOfTurn) -> None:
    floor = now.floor
    if floor.agent is not None:
        return
    if floor.last_word_at is None:
        if floor.cut is not None and not told.eager:
            now.act(Resume(floor.cut.rest))
            now.set(cut=None, interim="", parts=())
        return
    if told.eager:
        if floor.speculated is None:
            now.act(Speculate(floor.turn, floor.text))
            now.set(speculated=floor.text)
        return
    now.set(candidate_at=told.at)


def _void(now: _Step) -> None:
    """The turn goes on: neither its end nor a guess at its words stands."""
    if now.floor.speculated is not None:
        now.act(Withdraw(now.floor.turn))
    now.set(candidate_at=None, speculated=None)


def _close(now: _Step, at: int) -> None:
    floor = now.floor
    text = floor.text
    now.act(
        TurnClosed(
            floor.turn,
            text,
            situation_of(floor, now.manners),
            read_back=names_amount_or_date(text),
            speculated=floor.speculated == text,
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
        thinking_since=at,
        held_on=False,
        cut=None,
        nodded_at=None,
        expects="nothing",
    )


def _agent_began(now: _Step, began: AgentBegan) -> None:
    floor = now.floor
    stale = began.turn not in (0, floor.turn - 1) or (began.turn and floor.last_word_at is not None)
    if stale:
        now.act(StopSpeaking(began.turn, "", "stale"))
        return
    now.set(agent=began, spoken="", expects=began.expects, murmur=None, thinking_since=None, held_on=False)
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
