"""The controls of the people, under `/_sandbox/contacts`."""

from collections.abc import Sequence

import msgspec
from litestar import Router, delete, get, post, put
from litestar.exceptions import ValidationException
from litestar.params import FromPath, JSONBody

from services.sandbox.contact import CannotSpeak, Contacts
from services.sandbox.contact_script import Line, Person


class Doing(Line, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line that is done at once and unasked; `channel` is where."""

    after_seconds: float = 0


def controls(contacts: Contacts) -> Router:
    """What a test or a demo asks of the people themselves."""

    @get("/", sync_to_thread=False)
    def people() -> Sequence[Person]:
        """Everybody who is described, and at last the one who stands for everybody else."""
        return contacts.people

    @put("/{address:str}/script", sync_to_thread=False)
    def script(address: FromPath[str], data: JSONBody[Person]) -> dict[str, int]:
        """Whoever has the address is like this from now on; without `addresses` they keep those that they have."""
        known = contacts.person(address)
        try:
            contacts.give(data if data.addresses else msgspec.structs.replace(data, addresses=known.addresses))
        except ValueError as error:
            raise ValidationException(str(error)) from error
        return {"lines": len(data.lines)}

    @delete("/{address:str}/script", status_code=200, sync_to_thread=False)
    def silence(address: FromPath[str]) -> dict[str, int]:
        """Whoever has the address says nothing any more."""
        known = contacts.person(address)
        contacts.give(msgspec.structs.replace(known, lines=()))
        return {"lines": 0}

    @post("/{address:str}/say")
    async def say(address: FromPath[str], data: JSONBody[Doing]) -> dict[str, str]:
        """Whoever has the address does this unasked; 201 when the business has been told."""
        if data.channel is None:
            raise ValidationException("channel: name the one on which it is said")
        try:
            await contacts.say(data.channel, data, address=address)
        except CannotSpeak as error:
            raise ValidationException(str(error)) from error
        return {"status": "said"}

    return Router("/_sandbox/contacts", route_handlers=[people, script, silence, say], include_in_schema=False)
