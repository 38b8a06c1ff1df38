"""Meta's own ids of what contacts wrote, which only Meta is told: they hold the contact's number, and lie sealed in the log."""

from events.inbound import Received
from libs.kit.store import Store
from services.gateways.desk import Desk
from services.gateways.settings import WHATSAPP


async def id_of(store: Store, tenant: str, ref: str) -> str | None:
    """The id that `ref` stands for; None where the contact was erased, or the message is older than the sealing of ids."""
    facts = await store.read_stream(tenant, Desk.stream_of_ref(WHATSAPP, ref))
    return next((fact.event.provider_id for fact in facts if isinstance(fact.event, Received)), None)
