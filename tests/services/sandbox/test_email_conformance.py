"""Mail keeps what every channel promises, by the gateways' own adapter against the emulated servers and providers."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from libs.channels.outcome import Retry
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.conformance.channel import ChannelConformance, Features, Rig
from libs.testkit.conformance.mutants import MUTANTS, Mutant, MutationConformance
from tests.services.sandbox.mail_rig import mail_rig


@pytest.fixture
async def clock(store: Store) -> AsyncIterator[Clock]:
    async with Clock.open(store.pool, store.listener) as business:
        yield business


@pytest.fixture
async def rig(store: Store, clock: Clock) -> AsyncIterator[Rig]:
    async with mail_rig(store, clock) as running:
        yield running


class TestEmail(ChannelConformance):
    features = Features(
        states=("accepted", "delivered"),
        lacks={"throttled_for": "SMTP names no time to wait", "numeric_ids": "a mail's ids are no numbers"},
    )


def without(path: str, instead: Any) -> Callable[[Rig, pytest.MonkeyPatch], Rig]:
    """The adapter's own code with something of it replaced."""

    def breaks(rig: Rig, patch: pytest.MonkeyPatch) -> Rig:
        patch.setattr(path, instead)
        return rig

    return breaks


class TestEmailMutants(MutationConformance):
    suite = TestEmail
    mutants = (
        *MUTANTS,
        Mutant(
            "what a broken connection means",
            without("services.gateways.email.smtp.broken", lambda how, reason, attempt: Retry(reason)),
            ("what_may_have_been_sent_is_unknown_until_a_status_tells",),
        ),
        Mutant(
            "our message in a Message-ID",
            without("libs.channels.email_events.message_of", lambda id: None),
            ("a_message_is_accepted_and_its_way_is_told",),
        ),
        Mutant(
            "the charset of a text",
            without("libs.channels.email_mime.text_of", lambda content, charset: content.decode("latin-1")),
            ("what_the_contact_says_is_heard_unharmed",),
        ),
        Mutant(
            "the thread of an answer",
            without("libs.channels.email_mime.Headers.ids", lambda self, name: []),
            ("an_answer_names_the_message_that_it_answers",),
        ),
    )
