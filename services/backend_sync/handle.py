"""What backend-sync hears: intents for the ERP become rows of its ledger, in the order of each conversation."""

from typing import Any

from events.address import AddressMoved, SenderUnknown
from events.base import Event, Recorded
from events.contact import Erased
from events.errand import ToolRequested, WritebackRequested
from events.followup import ContactRequested
from events.operator import ErasureRequested
from libs.kit import effect_rows
from libs.kit.effect_sql import Ledger
from libs.kit.world import Decision, World

LEDGER: Ledger = "backend_sync"
ACCOUNT = "erp"
OWN = "keys"
"""What needs no ERP does not wait where that is away."""


async def on_tool_requested(fact: Recorded[ToolRequested], world: World) -> Decision:
    """A flow asks the ERP something."""
    return _open(fact, "backend.tool", f"{fact.stream}/tool")


async def on_writeback_requested(fact: Recorded[WritebackRequested], world: World) -> Decision:
    """The ERP is to be told; what belongs to one conversation is told in order."""
    return _open(fact, "backend.write", f"{fact.stream}/write")


async def on_contact_requested(fact: Recorded[ContactRequested], world: World) -> Decision:
    """The ERP is asked who a contact is."""
    return _open(fact, "contact.fetch", f"contact-{fact.event.contact_id}")


async def on_sender_unknown(fact: Recorded[SenderUnknown], world: World) -> Decision:
    """The ERP is asked whose address this is."""
    return _open(fact, "contact.search", fact.stream)


async def on_address_moved(fact: Recorded[AddressMoved], world: World) -> Decision:
    """A contact has another address: their profile says so from now on."""
    return _open(fact, "contact.move", f"contact-{fact.event.contact_id}")


async def on_erasure_requested(fact: Recorded[ErasureRequested], world: World) -> Decision:
    """Somebody wants to be forgotten."""
    return _open(fact, "contact.erase", f"contact-{fact.event.contact_id}", OWN)


async def on_erased(fact: Recorded[Erased], world: World) -> Decision:
    """The ERP is told that a contact was erased here."""
    return _open(fact, "contact.erasure_told", f"contact-{fact.event.contact_id}/erased")


def _open(fact: Recorded[Any], kind: str, order_key: str, account: str = ACCOUNT) -> Decision:
    return Decision(rows=[effect_rows.open_row(LEDGER, fact, kind=kind, account=account, order_key=order_key)])


HANDLERS: dict[type[Event], Any] = {
    ToolRequested: on_tool_requested,
    WritebackRequested: on_writeback_requested,
    ContactRequested: on_contact_requested,
    SenderUnknown: on_sender_unknown,
    AddressMoved: on_address_moved,
    ErasureRequested: on_erasure_requested,
    Erased: on_erased,
}
