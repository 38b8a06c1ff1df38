"""The effect `contact.forget`: the files of a contact who was erased are removed from the object store."""

from datetime import timedelta

from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Retry
from libs.kit.objects import Objects, ObjectsAway
from libs.kit.store import Store

TIMEOUT = timedelta(seconds=60)
STREAMS = """WITH RECURSIVE known AS (
    SELECT $2::text COLLATE "C" AS contact
    UNION
    SELECT substr(k.name, 9) COLLATE "C" FROM known
    JOIN keys.data_key k ON k.tenant = $1 AND k.contact = known.contact AND k.name LIKE 'contact-%'
)
SELECT k.name FROM known JOIN keys.data_key k ON k.tenant = $1 AND k.contact = known.contact
WHERE k.name LIKE 'inbound-%' ORDER BY k.name"""
"""What they sent, by the keys that were bound to them, or to a stranger who turned out to be them."""


class Forgetting:
    """Removes files. Their keys are destroyed before: what a copy of the store still holds is unreadable."""

    def __init__(self, store: Store, objects: Objects) -> None:
        self._store = store
        self._objects = objects

    def kind(self) -> Kind:
        """Twice does no harm; a store that is away is asked again for days."""
        return Kind(
            perform=self.perform,
            withheld=lambda intent, reason: (),
            dead=lambda intent, reason: (),
            after_unknown="repeat",
            timeout=TIMEOUT,
            max_age=timedelta(days=7),
            attempts=200,
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Remove the files of every message of theirs."""
        rows = await self._store.pool.fetch(STREAMS, claim.tenant, claim.intent.event.contact_id)
        claim.begin_call()
        try:
            for row in rows:
                await self._objects.forget(claim.tenant, row["name"])
        except ObjectsAway as away:
            return Retry(str(away))
        return Done()
