"""The WhatsApp codec keeps what every channel promises, against the emulated Graph API."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from libs.channels import whatsapp
from libs.channels.outcome import Outcome
from libs.channels.whatsapp import Inbound, Malformed, Request, Status
from libs.kit import http
from libs.testkit.conformance.channel import (
    RETRY_AFTER_S,
    ChannelConformance,
    Delivery,
    Features,
    Heard,
    Rig,
    Told,
    Trouble,
)
from libs.testkit.conformance.mutants import MUTANTS, Mutant, MutationConformance, changed
from services.gateways.whatsapp.call import Graph
from services.gateways.whatsapp.door import WhatsAppDoor, sandbox_door
from services.sandbox.app import base_urls
from tests.services.sandbox.conftest import SECRET, Sandbox

PHONE = "+919812345678"
TROUBLES: dict[Trouble, dict[str, Any]] = {
    "throttled": {"refuse": 130429},
    "throttled_for": {"refuse": 130429, "retry_after": RETRY_AFTER_S},
    "refused": {"refuse": 131026},
    "server_error": {"refuse": 131016},
    "answer_lost": {"answer": "dropped"},
    "answer_garbled": {"answer": "garbled"},
    "timed_out": {"answer": "hung"},
    "fails_later": {"fails": 131049},
    "statuses_scrambled": {"copies": 2, "order": "backwards"},
    "statuses_late": {"late": 2},
    "numeric_ids": {"numeric_ids": True},
}
TIMEOUT, HASTY = timedelta(minutes=1), timedelta(seconds=2)
"""How long an answer is waited for, and how long one that does not come."""


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta",)


@dataclass
class WhatsAppRig:
    """The gateways' own adapter at one end of the wire, and at the other what the emulator's webhooks bring."""

    sandbox: Sandbox
    graph: Graph
    hasty: Graph
    door: WhatsAppDoor
    malformed: type[Exception] = Malformed
    delivered: int = 0
    numeric: bool = False

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        return await self._send(whatsapp.TextMessage(text), reference)

    async def send_template(self, *, reference: str) -> Outcome:
        return await self._send(whatsapp.TemplateMessage("reminder", "en", ("Rahul",)), reference)

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        await self.sandbox.says(text, sender=PHONE[1:], quoted=quoting, copies=copies, numeric_ids=self.numeric)

    async def trouble(self, trouble: Trouble) -> None:
        if trouble == "no_connection":
            self.door = replace(self.door, base_url="http://127.0.0.1:9")
            return
        if trouble == "timed_out":
            self.graph = self.hasty
        self.numeric = trouble == "numeric_ids"
        await self.sandbox.fault(**TROUBLES[trouble])

    async def sent(self, reference: str) -> list[str]:
        return [message["text"] for message in await self.sandbox.sent(reference)]

    async def delivery(self) -> Delivery:
        business, number = self.sandbox.business, self.delivered
        self.delivered += 1
        await business.until(lambda b: len(b.bodies) > number)
        return Delivery(business.bodies[number], business.signatures[number])

    def verify(self, raw: bytes, signature: str | None) -> bool:
        return whatsapp.verify(raw, signature, SECRET)

    def read(self, raw: bytes) -> list[Told | Heard]:
        items: list[Told | Heard] = []
        for item in whatsapp.read(raw):
            match item:
                case Status():
                    items.append(Told(item.id, item.reference, item.state))
                case Inbound():
                    items.append(Heard(item.id, item.words, item.quoted))
                case _:
                    pass
        return items

    async def _send(self, message: whatsapp.TextMessage | whatsapp.TemplateMessage, reference: str) -> Outcome:
        request = whatsapp.write(message, to=PHONE, account=self.door.phone_id, reference=reference)
        assert isinstance(request, Request)
        return await self.graph.say(request, self.door, 0)


@pytest.fixture
async def rig(sandbox: Sandbox) -> AsyncIterator[Rig]:
    async with http.client(timeout=TIMEOUT) as client, http.client(timeout=HASTY) as hasty:
        door = sandbox_door(base_urls(sandbox.origin)["whatsapp"])
        yield WhatsAppRig(sandbox, Graph(client), Graph(hasty), door)


class TestWhatsApp(ChannelConformance):
    features = Features(states=("sent", "delivered", "read"), service_window=True)


def _verifies_what_it_parsed(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    def verify(raw: bytes, signature: str | None) -> bool:
        return rig.verify(json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")).encode(), signature)

    return changed(rig, verify=verify)


def _without(path: str, instead: Any) -> Callable[[Rig, pytest.MonkeyPatch], Rig]:
    """The adapter's own code with something of it replaced."""

    def breaks(rig: Rig, patch: pytest.MonkeyPatch) -> Rig:
        patch.setattr(path, instead)
        return rig

    return breaks


class TestWhatsAppMutants(MutationConformance):
    suite = TestWhatsApp
    mutants = (
        *MUTANTS,
        Mutant("raw bytes", _verifies_what_it_parsed, ("only_the_providers_own_bytes_are_trusted",)),
        Mutant(
            "the table of errors to retry",
            _without("libs.channels.whatsapp_outcome._RETRY", {}),
            ("what_was_not_sent_is_said_so[throttled]",),
        ),
        Mutant(
            "Retry-After",
            _without("services.gateways.whatsapp.call.retry_after", lambda headers: None),
            ("who_is_asked_to_wait_waits_as_long",),
        ),
    )
