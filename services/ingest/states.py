"""What ingest looks at before it takes something: folds of what is known, the bundle, and the mark of its content."""

import msgspec

from events.contact import CONTACT
from events.conversation import CONVERSATION
from events.followup import FOLLOWUP
from libs.config.bundle import Bundle
from libs.domain import contact as people
from libs.domain import conversation as talk
from libs.domain import followup as matters
from libs.domain.contact import Contact
from libs.domain.conversation import Conversation
from libs.domain.followup import Followup
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.folds import Fold
from libs.kit.problems import Problem
from libs.kit.store import Store
from services.ingest.decide import canonical

CONTACTS: Fold[Contact] = Fold(CONTACT, Contact, people.evolve)
CONVERSATIONS: Fold[Conversation] = Fold(CONVERSATION, Conversation, talk.evolve)
FOLLOWUPS: Fold[Followup] = Fold(FOLLOWUP, Followup, matters.evolve)


async def current(bundles: Bundles[Bundle], tenant: str) -> Bundle:
    """The bundle that decides now. Raises Problem 503 where none is published."""
    try:
        return await bundles.current(tenant)
    except NothingPublished as nothing:
        raise Problem(503, "No configuration is published", str(nothing), headers={"retry-after": "5"}) from nothing


async def fingerprint(store: Store, tenant: str, content: object) -> str:
    """An HMAC of content, the same for what is equal as decoded JSON: tells a retry from a change, and nothing else."""
    text = canonical(msgspec.to_builtins(content)).decode()
    return (await store.keyring.lookup(tenant, "fingerprint", text)).hex()
