"""The people at the other end of every channel: they hear what is sent and answer as they are described."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from services.sandbox.contact_script import (
    ANYONE,
    PHONE_CHANNELS,
    Choice,
    Heard,
    Line,
    Person,
    Utterance,
    address_key,
    checked,
)
from services.sandbox.state import Background

log = structlog.get_logger(__name__)


class Mouth(Protocol):
    """How people speak on one channel; the channel's emulator brings it."""

    async def say(self, utterance: Utterance) -> None:
        """Let the business hear it, by webhook or socket."""


class CannotSpeak(Exception):
    """The channel has no emulator here, or the person no address on it."""


class Contacts:
    """Everybody in the sandbox. An emulator registers its mouth, and tells `hear` whatever has reached somebody."""

    def __init__(self, people: Sequence[Person], *, anyone: Person, background: Background) -> None:
        self._initial = tuple(people)
        self._initial_anyone = anyone
        self._background = background
        self._mouths: dict[str, Mouth] = {}
        self._people: dict[str, Person] = {}
        self._anyone = anyone
        self._done: set[tuple[str, int]] = set()
        self._last_heard: dict[tuple[str, str], Heard] = {}
        self.reset()

    def reset(self) -> None:
        """Everybody is as described at the start, has heard nothing and said nothing. What is on its way is dropped by its owner."""
        self._people = {}
        self._anyone = checked(self._initial_anyone)
        self._done.clear()
        self._last_heard.clear()
        for person in self._initial:
            self.give(person)

    def speaks(self, channel: str, mouth: Mouth) -> None:
        """From now on people speak on `channel` through `mouth`."""
        self._mouths[channel] = mouth

    def give(self, person: Person) -> None:
        """This person is there from now on, in place of everybody who had one of the addresses (`*`: everybody else).

        Raises ValueError for an expression that cannot be compiled.
        """
        checked(person)
        if ANYONE in person.addresses.values():
            self._anyone = person
            self._done = {(who, line) for who, line in self._done if who in self._people}
            return
        keys = {address_key(address) for address in person.addresses.values()}
        gone = {_name(self._people[key]) for key in keys if key in self._people} | keys
        self._people = {key: each for key, each in self._people.items() if _name(each) not in gone}
        self._done = {(who, line) for who, line in self._done if who not in gone}
        self._people |= dict.fromkeys(keys, person)

    def person(self, address: str) -> Person:
        """Whoever has this address. Somebody who is not described is like anyone, with this address."""
        known = self._people.get(address_key(address))
        return known or Person(name=self._anyone.name, addresses=_addresses_of(address), lines=self._anyone.lines)

    def name(self, address: str) -> str:
        """The name that goes with an address on the channels that tell one."""
        return self.person(address).name or "Contact"

    @property
    def people(self) -> Sequence[Person]:
        """Everybody who is described, once each, and then anyone."""
        return [*{_name(each): each for each in self._people.values()}.values(), self._anyone]

    def hear(
        self,
        channel: str,
        address: str,
        text: str,
        *,
        template: str | None = None,
        subject: str | None = None,
        id: str | None = None,
        account: str | None = None,
        choices: Sequence[Choice] = (),
    ) -> None:
        """Whoever has `address` got this; the answer, if any, is given in the background through the channel's mouth."""
        heard = Heard(
            channel=channel,
            address=address,
            text=text,
            template=template,
            subject=subject,
            id=id,
            account=account,
            choices=tuple(choices),
        )
        line = self.answer(heard)
        if line is not None:
            self._background.start(self._do(line, heard))

    def answer(self, heard: Heard) -> Line | None:
        """The line that answers, if any; one that is done `once` is used up by this."""
        person = self.person(heard.address)
        who = self._identity(heard.address)
        self._last_heard[who, heard.channel] = heard
        for index, line in enumerate(person.lines):
            if not (line.once and (who, index) in self._done) and _fits(line, heard):
                if line.once:
                    self._done.add((who, index))
                return line
        return None

    async def say(self, channel: str, line: Line, *, address: str) -> None:
        """Whoever has `address` does this unasked, on `channel`. Raises CannotSpeak."""
        person = self.person(address)
        answers = self._last_heard.get((self._identity(address), channel))
        await self._speak(person, channel, line, answers)

    async def _do(self, line: Line, heard: Heard) -> None:
        channel = line.on or heard.channel
        answers = heard if channel == heard.channel else None
        answers = answers or self._last_heard.get((self._identity(heard.address), channel))
        await self._speak(self.person(heard.address), channel, line, answers)

    async def _speak(self, person: Person, channel: str, line: Line, answers: Heard | None) -> None:
        mouth, address = self._mouths.get(channel), person.at(channel)
        if mouth is None or address is None:
            reason = "no emulator" if mouth is None else "no address"
            raise CannotSpeak(f"somebody wants to answer on {channel}, where there is {reason} for them")
        for utterance in _utterances(person, address, line, answers):
            await asyncio.sleep(line.after_seconds)
            await mouth.say(utterance)

    def _identity(self, address: str) -> str:
        """One word for a person, whichever of the addresses is used."""
        known = self._people.get(address_key(address))
        return _name(known) if known else address_key(address)


def _utterances(person: Person, address: str, line: Line, answers: Heard | None) -> Iterator[Utterance]:
    """What a line does, one after the other."""

    def one(**what: object) -> Utterance:
        return Utterance(
            person=person,
            address=address,
            answers=answers,
            automatic=line.automatic,
            subject=line.subject,
            **what,  # type: ignore[arg-type]  # fields of Utterance, named below
        )

    if line.press is not None and answers is not None and (pressed := answers.offered(line.press)):
        yield one(press=pressed)
    for text in line.say:
        yield one(text=text)
    for file in line.files:
        yield one(file=file)
    if line.unsubscribe:
        yield one(unsubscribe=True)


def _fits(line: Line, heard: Heard) -> bool:
    if line.channel not in (None, heard.channel):
        return False
    if line.press is not None and heard.offered(line.press) is None:
        return False
    heard_texts = (heard.text, heard.template or "", heard.subject or "")
    return line.when is None or any(re.search(line.when, each, re.IGNORECASE) for each in heard_texts)


def _name(person: Person) -> str:
    """The identity of a person: the first of the addresses."""
    return min(address_key(address) for address in person.addresses.values())


def _addresses_of(address: str) -> Mapping[str, str]:
    """The channels on which an address that nobody described can be one."""
    if address == ANYONE or address_key(address).isdigit():
        return dict.fromkeys(PHONE_CHANNELS, address)
    return {"email": address} if "@" in address else {"whatsapp": address, "chat": address}
