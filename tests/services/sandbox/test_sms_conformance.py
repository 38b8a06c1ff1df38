"""Each SMS provider keeps what every channel promises, by the gateways' own adapter against its emulator."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from libs.testkit.conformance.channel import ChannelConformance, Features, Rig, Trouble
from libs.testkit.conformance.mutants import MUTANTS, Mutant, MutationConformance
from tests.services.sandbox.sms_rig import sms_rig

AWS_LACKS: dict[Trouble, str] = {
    "throttled_for": "AWS names no time to wait",
    "numeric_ids": "AWS's ids are no numbers",
}
SNS_LACKS: dict[Trouble, str] = AWS_LACKS | dict.fromkeys(
    ("fails_later", "statuses_scrambled", "statuses_late"), "SNS tells nothing by webhook"
)


@pytest.fixture
async def exotel() -> AsyncIterator[Rig]:
    async with sms_rig("exotel") as rig:
        yield rig


@pytest.fixture
async def sns() -> AsyncIterator[Rig]:
    async with sms_rig("sns") as rig:
        yield rig


@pytest.fixture
async def pinpoint() -> AsyncIterator[Rig]:
    async with sms_rig("pinpoint") as rig:
        yield rig


class OnExotel:
    @pytest.fixture
    def rig(self, exotel: Rig) -> Rig:
        return exotel


class OnSns:
    @pytest.fixture
    def rig(self, sns: Rig) -> Rig:
        return sns


class OnPinpoint:
    @pytest.fixture
    def rig(self, pinpoint: Rig) -> Rig:
        return pinpoint


class TestExotel(OnExotel, ChannelConformance):
    features = Features(states=("sent", "delivered"), signed=False, quotes=False)


class TestSns(OnSns, ChannelConformance):
    features = Features(states=(), echoes_reference=False, signed=False, lacks=SNS_LACKS)


class TestPinpoint(OnPinpoint, ChannelConformance):
    features = Features(states=("sent", "delivered"), signed=False, lacks=AWS_LACKS)


def without(path: str, instead: Any) -> Callable[[Rig, pytest.MonkeyPatch], Rig]:
    """The adapter's own code with something of it replaced."""

    def breaks(rig: Rig, patch: pytest.MonkeyPatch) -> Rig:
        patch.setattr(path, instead)
        return rig

    return breaks


class TestExotelMutants(OnExotel, MutationConformance):
    suite = TestExotel
    mutants = (
        *MUTANTS,
        Mutant(
            "Retry-After",
            without("services.gateways.sms.exotel.retry_after", lambda headers: None),
            ("who_is_asked_to_wait_waits_as_long",),
        ),
        Mutant(
            "the states of a status",
            without("libs.channels.sms_exotel._STATES", {}),
            ("a_message_is_accepted_and_its_way_is_told",),
        ),
    )


class TestSnsMutants(OnSns, MutationConformance):
    suite = TestSns
    mutants = (
        *MUTANTS,
        Mutant(
            "the codes of throttling",
            without("libs.channels.sms_aws._THROTTLED", frozenset()),
            ("what_was_not_sent_is_said_so[throttled]",),
        ),
    )


class TestPinpointMutants(OnPinpoint, MutationConformance):
    suite = TestPinpoint
    mutants = (
        *MUTANTS,
        Mutant(
            "the failures that events tell",
            without("libs.channels.sms_pinpoint._FAILED", {}),
            ("a_message_may_fail_after_its_acceptance",),
        ),
    )
