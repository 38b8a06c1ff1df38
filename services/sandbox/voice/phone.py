"""People on the phone: they hear the agent's sound, understand its words, and speak real sound back, in blocks of 100 ms."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from services.sandbox.contact import Contacts
from services.sandbox.contact_script import ANYONE, Heard, address_key
from services.sandbox.voice.hearing import Hearing, Lexicon
from services.sandbox.voice.phone_script import VOICEMAIL, Act, Phone, Step, checked
from services.sandbox.voice.sound import TELEPHONY
from services.sandbox.voice.speech import Speaker, tone

CHANNEL = "voice"
"""The channel of a contact's lines that are said on the phone."""
_HANG_UP_AFTER = 0.3


class Moment(msgspec.Struct, kw_only=True):
    """Something that happened on the line, at so many seconds; `end` where it took time."""

    at: float
    who: Literal["contact", "agent", "line"]
    what: str
    end: float | None = None


class Phones:
    """Everybody's phones."""

    def __init__(
        self,
        contacts: Contacts,
        speaker: Speaker,
        *,
        ears: Lexicon,
        mouths: Lexicon,
        phones: Mapping[str, Phone] | None = None,
    ) -> None:
        self.speaker = speaker
        self.agents_words = ears
        """What people understand: everything the agent's synthesisers say."""
        self.peoples_words = mouths
        """What people say, for those who listen to them."""
        self._contacts = contacts
        self._initial = phones or {}
        self._phones: dict[str, Phone] = {}
        self.reset()

    def reset(self) -> None:
        """Everybody talks as at the start."""
        self._phones.clear()
        for number, phone in self._initial.items():
            self.give(number, phone)

    def give(self, number: str, phone: Phone) -> None:
        """From now on this is how `number` (`*`: everybody else's) is answered. Raises ValueError."""
        self._phones[number if number == ANYONE else number_key(number)] = checked(phone)

    def phone(self, number: str) -> Phone:
        """How a number is answered."""
        return self._phones.get(number_key(number)) or self._phones.get(ANYONE) or Phone()

    def answer(self, number: str, text: str) -> Sequence[str]:
        """What whoever has the number would say in a conversation, by their lines."""
        line = self._contacts.answer(Heard(channel=CHANNEL, address=self.address(number), text=text))
        return line.say if line else ()

    def address(self, number: str) -> str:
        """The number as the contact's script has it."""
        return f"+91{number_key(number)}"


class Talker:
    """One person in one call, who `calls` or is called. The line asks every 100 ms for what they say, and brings what they hear."""

    def __init__(self, phones: Phones, number: str, *, calls: bool = False) -> None:
        self.number = number
        self.phone = phones.phone(number)
        self.moments: list[Moment] = []
        self.heard: list[str] = []
        """What the agent said, as understood, turn by turn."""
        self.gone = False
        """Whether they have hung up."""
        self._phones = phones
        self._answers = calls or self.phone.fate == "answers"
        self._acts = VOICEMAIL if self.phone.fate == "voicemail" else self.phone.acts
        if calls:  # whoever calls speaks for themselves, whatever becomes of calls to them
            self._acts = self.phone.acts if self.phone.calling is None else self.phone.calling
        self._ear = Hearing(phones.agents_words)
        self._now = 0.0
        self._done: set[int] = set()
        self._steps: list[Step] = []
        self._wait = 0.0
        self._sound = bytearray()
        self._saying: Moment | None = None
        self._digits: list[str] = []
        self._agent_since: float | None = None
        self._agent_moment: Moment | None = None
        self._quiet_since = 0.0
        self._unanswered = False
        self._begin("answered")

    async def speak(self, ms: int = 100) -> bytes:
        """The next block of what they say, PCM s16le 8 kHz."""
        size = 2 * (TELEPHONY * ms // 1000)
        if not self._sound:
            await self._next_step(ms / 1000)
        block = bytes(self._sound[:size])
        del self._sound[:size]
        self._now += ms / 1000
        if block:
            self._quiet_since = self._now
        elif self._saying is not None:
            self._saying.end = round(self._now - ms / 1000, 2)
            self._saying = None
        return block.ljust(size, b"\0")

    def hear(self, pcm: bytes) -> None:
        """The same 100 ms of what is played to them."""
        for block in self._ear.slices(pcm):
            self._ear.take(block)
        if not self._ear.quiet:
            self._agent_sounds()
        elif self._agent_since is not None and self._ear.silence >= min(0.5, self.phone.patience_seconds):
            self._agent_stops()
        if self._unanswered and self._agent_since is None and self._ear.silence >= self.phone.patience_seconds:
            self._unanswered = False
            self._understand()
        self._occasions()

    def digits(self) -> list[str]:
        """Keys that were pressed since this was asked."""
        pressed, self._digits = self._digits, []
        return pressed

    @property
    def speaking(self) -> bool:
        """Whether they are in the middle of something."""
        return bool(self._sound or self._steps)

    def _agent_sounds(self) -> None:
        self._quiet_since = self._now
        self._unanswered = True
        if self._agent_since is None:
            self._agent_since = self._now
            self._agent_moment = Moment(at=round(self._now, 2), who="agent", what="")
            self.moments.append(self._agent_moment)
            self._done -= {n for n, act in enumerate(self._acts) if act.on == "speaking" and not act.once}

    def _agent_stops(self) -> None:
        self._agent_since = None
        if self._agent_moment is not None:
            self._agent_moment.end = round(self._now - self._ear.silence, 2)
            self._agent_moment.what = " ".join(word.text for word in self._ear.words)

    def _understand(self) -> None:
        text = " ".join(word.text for word in self._ear.words)
        self._ear.forget()
        self.heard.append(text)
        if not self._begin("heard", text) and not self.phone.deaf and self._answers:
            self._steps += [Step(say=each) for each in self._phones.answer(self.number, text)]

    def _occasions(self) -> None:
        if self._agent_since is not None and not self.speaking:
            self._begin("speaking", " ".join(word.text for word in self._ear.words), self._now - self._agent_since)
        quiet = self._now - self._quiet_since
        if not self.speaking:
            self._begin("silence", "", quiet)
            if self.phone.hangs_up_after is not None and quiet >= self.phone.hangs_up_after:
                self.gone = True

    def _begin(self, occasion: str, text: str = "", lasted: float | None = None) -> bool:
        for n, act in enumerate(self._acts):
            if act.on != occasion or n in self._done or (lasted is not None and lasted < act.after_seconds):
                continue
            if act.when is not None and not re.search(act.when, text, re.IGNORECASE):
                continue
            if act.once or occasion in ("speaking", "silence"):
                self._done.add(n)
            self._steps += _delayed(act, occasion)
            return True
        return False

    async def _next_step(self, seconds: float) -> None:
        if not self._steps:
            return
        step = self._steps[0]
        if self._wait < step.wait - 1e-9:
            self._wait += seconds
            return
        self._wait = 0.0
        self._steps.pop(0)
        at = round(self._now, 2)
        if step.say:
            speech = await self._phones.speaker.say(step.say, speed=step.speed)
            self._phones.peoples_words.teach(speech)
            self._sound += speech.pcm
            self._saying = Moment(at=at, who="contact", what=step.say)
            self.moments.append(self._saying)
        if step.beep:
            self._sound += tone(1000, 400)
            self.moments.append(Moment(at=at, who="contact", what="beep", end=at + 0.4))
        if step.press:
            self._digits += step.press
            self.moments.append(Moment(at=at, who="contact", what=f"presses {step.press}"))
        if step.hang_up:
            if step.say:
                self._steps.insert(0, Step(wait=_HANG_UP_AFTER, hang_up=True))
            else:
                self.gone = True
                self.moments.append(Moment(at=at, who="contact", what="hangs up"))


def number_key(number: str) -> str:
    """A phone number as its last ten digits, in whatever notation."""
    return address_key(number)[-10:]


def _delayed(act: Act, occasion: str) -> list[Step]:
    """The steps; what is done on hearing something waits the act's seconds first."""
    if occasion in ("answered", "heard") and act.after_seconds and act.do:
        first = msgspec.structs.replace(act.do[0], wait=act.do[0].wait + act.after_seconds)
        return [first, *act.do[1:]]
    return list(act.do)
