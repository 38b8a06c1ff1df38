"""The WhatsApp codec keeps what every channel promises, against the emulated Graph API."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from libs.channels import whatsapp
from libs.channels.outcome import Outcome
from libs.channels.whatsapp import Inbound, Malformed, Request, Status
from libs.testkit.conformance.channel import ChannelConformance, Delivery, Features, Heard, Rig, Told, Trouble
from tests.services.sandbox.conftest import PHONE_ID, SECRET, Sandbox

PHONE = "+919812345678"
TROUBLES: dict[Trouble, dict[str, Any]] = {
    "throttled": {"refuse": 130429},
    "refused": {"refuse": 131026},
    "answer_lost": {"answer": "dropped"},
    "answer_garbled": {"answer": "garbled"},
    "fails_later": {"fails": 131049},
    "statuses_scrambled": {"copies": 2, "order": "backwards"},
}


@dataclass
class WhatsAppRig:
    """Writes, sends with httpx, classifies, and reads what the emulator's webhooks bring."""

    sandbox: Sandbox
    malformed: type[Exception] = Malformed
    unplugged: bool = False
    delivered: int = 0

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        return await self._send(whatsapp.TextMessage(text), reference)

    async def send_template(self, *, reference: str) -> Outcome:
        return await self._send(whatsapp.TemplateMessage("reminder", "en", ("Rahul",)), reference)

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        await self.sandbox.says(text, sender=PHONE[1:], quoted=quoting, copies=copies)

    async def trouble(self, trouble: Trouble) -> None:
        if trouble == "no_connection":
            self.unplugged = True
        else:
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
        request = whatsapp.write(message, to=PHONE, account=PHONE_ID, reference=reference)
        assert isinstance(request, Request)
        origin = "http://127.0.0.1:9" if self.unplugged else f"{self.sandbox.origin}/sandbox/meta"
        headers = {"authorization": "Bearer token"}
        try:
            answer = await self.sandbox.client.post(origin + request.path, json=dict(request.body), headers=headers)
        except httpx.ConnectError:
            return whatsapp.classify("not_connected")
        except httpx.HTTPError:
            return whatsapp.classify("no_answer")
        return whatsapp.classify(answer.status_code, answer.content)


class TestWhatsApp(ChannelConformance):
    features = Features(states=("sent", "delivered", "read"), service_window=True)

    @pytest.fixture
    def rig(self, sandbox: Sandbox) -> Rig:
        return WhatsAppRig(sandbox)
