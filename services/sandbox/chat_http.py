"""The controls of those who have the chat open, under `/_sandbox/chat`."""

from litestar import Router, delete, get, put
from litestar.exceptions import ValidationException
from litestar.params import FromPath

from services.sandbox.chat import Frame, Visitors
from services.sandbox.contact import CannotSpeak


def controls(visitors: Visitors) -> Router:
    """What a test or a demo asks of the browsers; what people say is under `/_sandbox/contacts`."""

    @put("/{contact:str}", sync_to_thread=False)
    def open_chat(contact: FromPath[str]) -> dict[str, str]:
        """The contact opens the chat, and keeps it open."""
        try:
            visitors.open(contact)
        except CannotSpeak as error:
            raise ValidationException(str(error)) from error
        return {"status": "open"}

    @delete("/{contact:str}", status_code=200, sync_to_thread=False)
    def close_chat(contact: FromPath[str]) -> dict[str, str]:
        """The contact closes the page."""
        visitors.leave(contact)
        return {"status": "closed"}

    @get("/{contact:str}/frames", sync_to_thread=False)
    def frames(contact: FromPath[str]) -> list[Frame]:
        """All that the contact's browser got since it was opened, drafts and signs too."""
        return visitors.frames(contact)

    return Router("/_sandbox/chat", route_handlers=[open_chat, close_chat, frames], include_in_schema=False)
