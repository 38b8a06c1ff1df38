"""Somebody at a customer: owes for an invoice, waits for an order, writes on any channel, and is written to."""

from typing import TYPE_CHECKING, Any

from events import business, inbound, message, rules, timer
from events.base import Event, Recorded
from events.conversation import MessageRequested, Opened, TakenOver
from tests.journeys.log import PATIENCE_S, fits

if TYPE_CHECKING:
    from tests.journeys.town import Town

Kind = type[Event] | tuple[type[Event], ...]


class Person:
    """One contact, with what the log and the emulators tell of it."""

    def __init__(self, town: "Town", number: int) -> None:
        self.town = town
        self.number = number
        self.id = f"c_{9000 + number}"
        self.name = f"Asha Kulkarni-{number}"
        self.phone = f"+9198{80000000 + number}"
        self.invoice = f"INV-2026-{9000 + number}"
        self.order = f"ORD-2026-{9000 + number}"
        self.email = f"asha-{number}@kulkarni.example"

    @property
    def addresses(self) -> dict[str, str]:
        """Where they can be reached on each channel."""
        return {"whatsapp": self.phone, "sms": self.phone, "email": self.email, "chat": self.id}

    # what happens to them

    async def owes(self, **changes: Any) -> dict[str, Any]:
        """The ERP says that their invoice is overdue."""
        data = {
            "invoice_number": self.invoice,
            "contact_id": self.id,
            "amount": 52400,
            "currency": "INR",
            "due_date": "2026-01-30",
            "days_overdue": 17,
        }
        return await self.town.event("invoice_overdue", data | changes)

    async def pays(self, *, event: bool = False) -> None:
        """The money has come in; with `event` the ERP tells it by itself."""
        await self.town.told("erp/pay", {"invoice_id": self.invoice})
        if event:
            await self.town.event("payment_received", {"invoice_number": self.invoice, "contact_id": self.id})

    async def says(self, text: str, *, on: str = "whatsapp", **more: Any) -> None:
        """They write; on WhatsApp with whatever its emulator knows beside the text."""
        if on == "whatsapp":
            await self.town.told("meta/inbound", {"from": self.phone, "text": text, "name": self.name, **more})
        else:
            await self.town.told(f"contacts/{self.addresses[on]}/say", {"channel": on, "say": [text], **more})

    async def sits_in_the_chat(self) -> None:
        """They have the page with the chat open."""
        await self.town.told(f"chat/{self.id}/open", None)

    async def was_reminded(self) -> None:
        """They have had the first reminder about their invoice, and have read it."""
        await self.owes()
        await self.sees(message.Read)

    async def taken_over(self) -> None:
        """An operator takes their conversation."""
        await self._operated("takeover")
        await self.sees(TakenOver)

    async def replied(self, content: str) -> None:
        """The operator writes to them."""
        await self._operated("reply", {"content": content})

    async def released(self) -> None:
        """The operator hands their conversation back."""
        await self._operated("release")

    # what is known of them

    async def sees(self, kind: Kind, /, *, times: int = 1, patience: float = PATIENCE_S, **about: Any) -> Any:
        """The last of the first `times` facts of this kind about them; waits for it. Raises NotSeen."""
        found = await self.town.log.wait(
            lambda fact: fits(fact, kind, about) and self.is_about(fact), times=times, patience=patience
        )
        return found[-1]

    async def facts(self, kind: Kind = Event, /, **about: Any) -> list[Recorded[Any]]:
        """The facts of this kind about them so far."""
        return [fact for fact in await self.town.log.now() if fits(fact, kind, about) and self.is_about(fact)]

    async def received(self) -> list[dict[str, Any]]:
        """What Meta has taken for them."""
        answer = await self.town.outside.get("/_sandbox/meta/messages", params={"to": self.phone})
        taken: list[dict[str, Any]] = answer.json()
        return taken

    async def conversation(self) -> str:
        """The id of their newest conversation."""
        await self.sees(Opened)
        return str((await self.facts(Opened))[-1].subject_id)

    def is_about(self, fact: Recorded[Any]) -> bool:
        """Whether a fact of any family is about them."""
        event = fact.event
        match event:
            case business.EventReceived():
                return event.data.get("contact_id") == self.id
            case rules.Evaluated():
                return any(each.contact_id == self.id for each in event.matched)
            case inbound.Received():
                return event.sender in self.addresses.values()
            case inbound.StatusReceived():
                return event.reference in self._known(MessageRequested)
            case timer.Fired():
                return event.stream.partition("-")[2] in self._known(Opened)
            case _:
                conversation = getattr(event, "conversation", None)
                return fact.envelope.subject == self.id or conversation in self._known(Opened)

    async def _operated(self, verb: str, body: Any = None) -> None:
        path = f"/api/v1/conversations/{await self.conversation()}/{verb}"
        answer = await self.town.client.post(path, json=body)
        assert answer.status_code == 202, answer.text

    def _known(self, kind: type[Event]) -> set[str]:
        """The conversations, or the messages, that are theirs."""
        mine = [fact for fact in self.town.log.facts if fits(fact, kind, {}) and fact.envelope.subject == self.id]
        return {fact.event.message if isinstance(fact.event, MessageRequested) else fact.subject_id for fact in mine}
