"""What every channel must do, shown against its emulator; an adapter's test is this class, its features and its rig.

That each script can fail is shown by libs/testkit/conformance/mutants.py.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pytest

from libs.channels.outcome import Accepted, Outcome, Refused, Retry, State, Unknown, advance

PATIENCE_S = 60.0
RETRY_AFTER_S = 7.0
WORDS = 'Namaste Priya ji, ₹52,400 "INV-2026-0042" — हाँ जी 👍\n<b>&amp;</b>'

Trouble = Literal[
    "throttled",
    "throttled_for",
    "refused",
    "server_error",
    "answer_lost",
    "answer_garbled",
    "timed_out",
    "no_connection",
    "fails_later",
    "statuses_scrambled",
    "statuses_late",
    "numeric_ids",
]
"""What befalls the next send: asked to wait (`_for`: RETRY_AFTER_S, as by 429 with Retry-After); refused for good; the
provider fails (5xx) and sends nothing; sent, but the answer lost, unreadable, or not in time; the provider not reachable;
accepted, then failed; its statuses doubled and backwards; its statuses later than those of the next message; ids as
numbers where they are digits, in its statuses and in what the contact says next."""


@dataclass(frozen=True, slots=True)
class Features:
    """What a channel promises; where it promises less, the suite asks for less."""

    states: tuple[State, ...]
    """What is told of a message that arrives well, in order; empty where the provider tells nothing."""
    echoes_reference: bool = True
    """Statuses carry our own message id."""
    signed: bool = True
    quotes: bool = True
    """An answer names the message that it answers."""
    service_window: bool = False
    """Free text is allowed only for a time after the contact wrote; a template always."""
    lacks: Mapping[Trouble, str] = field(default_factory=dict)
    """Troubles that cannot befall the channel, each with the reason."""


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery state that came in."""

    provider_ref: str
    reference: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of a contact that came in."""

    id: str
    words: str | None
    quoted: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it arrived."""

    raw: bytes
    signature: str | None


class Rig(Protocol):
    """A channel's codec and transport, with the emulator at the other end and the webhooks that it delivered."""

    malformed: type[Exception]

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        """Say `text` to the rig's contact."""

    async def send_template(self, *, reference: str) -> Outcome:
        """Send a template to the rig's contact."""

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        """The rig's contact writes to us; the provider delivers it `copies` times."""

    async def trouble(self, trouble: Trouble) -> None:
        """Let something befall the next send."""

    async def sent(self, reference: str) -> list[str]:
        """The texts that the provider took under our message id."""

    async def delivery(self) -> Delivery:
        """The next webhook that the provider delivers to us."""

    def verify(self, raw: bytes, signature: str | None) -> bool:
        """Whether the provider signed these bytes."""

    def read(self, raw: bytes) -> list[Told | Heard]:
        """What a webhook says; raises `malformed`."""


@dataclass
class Ear:
    """Hears a rig's webhooks until something is so."""

    rig: Rig
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def items(self) -> list[Told | Heard]:
        return [item for delivery in self.deliveries for item in self.rig.read(delivery.raw)]

    @property
    def heard(self) -> list[Heard]:
        return [item for item in self.items if isinstance(item, Heard)]

    @property
    def told(self) -> list[Told]:
        return [item for item in self.items if isinstance(item, Told)]

    @property
    def reached(self) -> State | None:
        """How far the message got, by everything that was told."""
        return self.reached_by(None)

    def reached_by(self, provider_ref: str | None) -> State | None:
        """How far one message of several got (None: whichever)."""
        state: State | None = None
        for told in self.told:
            if provider_ref in (None, told.provider_ref):
                state = advance(state, told.state)
        return state

    async def until(self, true: Callable[["Ear"], bool]) -> None:
        """Wait until what was heard makes `true` so."""
        async with asyncio.timeout(PATIENCE_S):
            while not true(self):
                self.deliveries.append(await self.rig.delivery())


async def open_window(rig: Rig, ear: Ear) -> None:
    """The contact has written, so that free text is allowed."""
    await rig.contact_says("hello")
    await ear.until(lambda e: bool(e.heard))
    ear.deliveries.clear()


class ChannelConformance:
    """Inherit, declare `features`, give a fixture `rig`."""

    features: Features

    @pytest.fixture
    async def ear(self, rig: Rig) -> Ear:
        return Ear(rig)

    @pytest.fixture
    async def window(self, rig: Rig, ear: Ear) -> None:
        await open_window(rig, ear)

    async def befall(self, rig: Rig, trouble: Trouble) -> None:
        """Let it befall the next send, or skip where it cannot."""
        if trouble in self.features.lacks:
            pytest.skip(self.features.lacks[trouble])
        await rig.trouble(trouble)

    @pytest.mark.usefixtures("window")
    async def test_a_message_is_accepted_and_its_way_is_told(self, rig: Rig, ear: Ear) -> None:
        accepted = await rig.send_text("hello", reference="m-1")
        assert isinstance(accepted, Accepted)
        if not self.features.states:
            pytest.skip("the provider tells nothing of a message's way")
        last = self.features.states[-1]
        await ear.until(lambda e: e.reached == last)
        assert [told.state for told in ear.told] == list(self.features.states)
        assert {told.provider_ref for told in ear.told} == {accepted.provider_ref}
        if self.features.echoes_reference:
            assert {told.reference for told in ear.told} == {"m-1"}

    @pytest.mark.usefixtures("window")
    async def test_words_arrive_unharmed(self, rig: Rig) -> None:
        assert isinstance(await rig.send_text(WORDS, reference="m-1"), Accepted)
        assert await rig.sent("m-1") == [WORDS]

    async def test_what_the_contact_says_is_heard_unharmed(self, rig: Rig, ear: Ear) -> None:
        await rig.contact_says(WORDS)
        await ear.until(lambda e: bool(e.heard))
        assert [heard.words for heard in ear.heard] == [WORDS]

    async def test_a_webhook_that_comes_three_times_names_one_message(self, rig: Rig, ear: Ear) -> None:
        await rig.contact_says("hello", copies=3)
        await ear.until(lambda e: len(e.heard) == 3)
        assert len({heard.id for heard in ear.heard}) == 1

    async def test_two_messages_are_two_messages(self, rig: Rig, ear: Ear) -> None:
        await rig.contact_says("hello")
        await rig.contact_says("hello")
        await ear.until(lambda e: len(e.heard) == 2)
        assert len({heard.id for heard in ear.heard}) == 2

    async def test_only_the_providers_own_bytes_are_trusted(self, rig: Rig, ear: Ear) -> None:
        if not self.features.signed:
            pytest.skip("the channel's webhooks are not signed")
        await rig.contact_says(WORDS)
        await ear.until(lambda e: bool(e.deliveries))
        (delivery,) = ear.deliveries
        assert rig.verify(delivery.raw, delivery.signature)
        assert not rig.verify(delivery.raw + b" ", delivery.signature)
        assert not rig.verify(delivery.raw, (delivery.signature or "")[:-1])
        assert not rig.verify(delivery.raw, None)

    @pytest.mark.usefixtures("window")
    async def test_an_answer_names_the_message_that_it_answers(self, rig: Rig, ear: Ear) -> None:
        if not self.features.quotes:
            pytest.skip("the channel's answers name no message")
        accepted = await rig.send_text("when?", reference="m-1")
        assert isinstance(accepted, Accepted)
        await rig.contact_says("tomorrow", quoting=accepted.provider_ref)
        await ear.until(lambda e: bool(e.heard))
        assert ear.heard[0].quoted == accepted.provider_ref

    @pytest.mark.usefixtures("window")
    @pytest.mark.parametrize(
        ("trouble", "outcome"), [("throttled", Retry), ("refused", Refused), ("no_connection", Retry)]
    )
    async def test_what_was_not_sent_is_said_so(self, rig: Rig, trouble: Trouble, outcome: type[Outcome]) -> None:
        await self.befall(rig, trouble)
        assert isinstance(await rig.send_text("hello", reference="m-1"), outcome)
        assert await rig.sent("m-1") == []

    @pytest.mark.usefixtures("window")
    async def test_who_is_asked_to_wait_waits_as_long(self, rig: Rig) -> None:
        await self.befall(rig, "throttled_for")
        outcome = await rig.send_text("hello", reference="m-1")
        assert isinstance(outcome, Retry)
        assert outcome.after_seconds is not None
        assert outcome.after_seconds >= RETRY_AFTER_S
        assert await rig.sent("m-1") == []

    @pytest.mark.usefixtures("window")
    async def test_a_provider_that_fails_has_neither_accepted_nor_refused(self, rig: Rig) -> None:
        await self.befall(rig, "server_error")
        outcome = await rig.send_text("hello", reference="m-1")
        assert isinstance(outcome, Retry | Unknown)
        assert await rig.sent("m-1") == []

    @pytest.mark.usefixtures("window")
    @pytest.mark.parametrize("trouble", ["answer_lost", "answer_garbled", "timed_out"])
    async def test_what_may_have_been_sent_is_unknown_until_a_status_tells(
        self, rig: Rig, ear: Ear, trouble: Trouble
    ) -> None:
        await self.befall(rig, trouble)
        assert isinstance(await rig.send_text("hello", reference="m-1"), Unknown)
        assert await rig.sent("m-1") == ["hello"]
        if self.features.echoes_reference:
            await ear.until(lambda e: any(told.reference == "m-1" for told in e.told))

    @pytest.mark.usefixtures("window")
    async def test_a_message_may_fail_after_its_acceptance(self, rig: Rig, ear: Ear) -> None:
        await self.befall(rig, "fails_later")
        assert isinstance(await rig.send_text("hello", reference="m-1"), Accepted)
        await ear.until(lambda e: e.reached == "failed")

    @pytest.mark.usefixtures("window")
    async def test_statuses_in_any_order_and_number_tell_the_same(self, rig: Rig, ear: Ear) -> None:
        await self.befall(rig, "statuses_scrambled")
        await rig.send_text("hello", reference="m-1")
        expected = set(self.features.states)
        await ear.until(lambda e: {told.state for told in e.told} == expected and len(e.told) >= 2 * len(expected))
        assert ear.reached == self.features.states[-1]

    @pytest.mark.usefixtures("window")
    async def test_statuses_that_come_late_are_those_of_their_own_message(self, rig: Rig, ear: Ear) -> None:
        await self.befall(rig, "statuses_late")
        refs: dict[str, str] = {}
        for reference in ("m-1", "m-2"):
            accepted = await rig.send_text("hello", reference=reference)
            assert isinstance(accepted, Accepted)
            refs[reference] = accepted.provider_ref
        last = self.features.states[-1]
        await ear.until(lambda e: all(e.reached_by(ref) == last for ref in refs.values()))
        assert ear.told[-1].provider_ref == refs["m-1"]
        if self.features.echoes_reference:
            assert {(told.reference, told.provider_ref) for told in ear.told} == set(refs.items())

    @pytest.mark.usefixtures("window")
    async def test_ids_may_be_numbers(self, rig: Rig, ear: Ear) -> None:
        await self.befall(rig, "numeric_ids")
        accepted = await rig.send_text("hello", reference="m-1")
        assert isinstance(accepted, Accepted)
        last = self.features.states[-1]
        await ear.until(lambda e: e.reached == last)
        assert {told.provider_ref for told in ear.told} == {accepted.provider_ref}
        await rig.contact_says("yes")
        await ear.until(lambda e: bool(e.heard))
        assert [heard.words for heard in ear.heard] == ["yes"]

    async def test_outside_the_window_only_a_template_arrives(self, rig: Rig, ear: Ear) -> None:
        if not self.features.service_window:
            pytest.skip("the channel takes free text at any time")
        outcome = await rig.send_text("hello", reference="free")
        if isinstance(outcome, Accepted):
            await ear.until(lambda e: e.reached == "failed")
            ear.deliveries.clear()
        else:
            assert isinstance(outcome, Refused)
        assert isinstance(await rig.send_template(reference="template"), Accepted)
        last = self.features.states[-1]
        await ear.until(lambda e: e.reached == last)

    @pytest.mark.parametrize("raw", [b"", b"null", b"{}", b"[]", b'"hello"', b"{", b"\xff\xfe", b"[" * 5000])
    async def test_a_body_of_the_wrong_shape_is_refused_as_such(self, rig: Rig, raw: bytes) -> None:
        with pytest.raises(rig.malformed):
            rig.read(raw)
