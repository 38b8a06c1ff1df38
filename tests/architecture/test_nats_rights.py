"""The users of NATS may what their services do, and nothing else: a right that is no longer used is taken away here first."""

import re
from pathlib import Path

import pytest

from libs.channels import chat
from libs.kit import nats_config
from libs.kit.nats_config import User
from projections import live
from services.backend_sync import app as backend_sync
from services.gateways import handle as gateways
from services.orchestrator import handle as orchestrator
from services.rules import handle as rules

ROOT = Path(__file__).parents[2]
VOICE = re.findall(r'^CONSUMER = "(.+)"$', (ROOT / "voice-service/voice_service/handle.py").read_text(), re.MULTILINE)

HEARS = {
    "relay": (),
    "rules": (rules.CONSUMER,),
    "orchestrator": (orchestrator.CONSUMER,),
    "gateways": (gateways.CONSUMER,),
    "backend-sync": (backend_sync.CONSUMER,),
    "voice": tuple(VOICE),
    "console": (live.CONSUMER,),
}
OUT, IN = (of("default", "c_1") for of in (chat.to_contact, chat.from_contact))
SIGNALS = {"orchestrator": ({OUT}, set()), "gateways": ({IN}, {OUT})}


def test_every_user_is_a_service_with_the_consumers_that_it_has():
    assert {user.name: user.consumers for user in nats_config.users()} == HEARS


@pytest.mark.parametrize("user", nats_config.users(), ids=lambda user: user.name)
def test_a_service_sends_and_hears_the_signals_of_its_side_of_a_chat_only(user: User):
    sends, hears = SIGNALS.get(user.name, (set(), set()))
    assert {subject for subject in (OUT, IN) if allowed(subject, user.may_publish)} == sends
    assert {subject for subject in (OUT, IN) if allowed(subject, user.may_subscribe)} == hears
    signals = [right for right in (*user.publish, *user.subscribe) if right.startswith("sig.chat")]
    assert len(signals) == len(sends) + len(hears)


def allowed(subject: str, rights: list[str]) -> bool:
    return any(subject.startswith(right.removesuffix(">")) for right in rights if right.endswith(">"))
