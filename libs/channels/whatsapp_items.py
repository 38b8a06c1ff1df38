"""What WhatsApp's webhook can tell us, as values: a message with what it says, a status, a preference, or something else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DeliveryState = Literal["sent", "delivered", "read", "played", "failed"]
MediaKind = Literal["image", "audio", "video", "document", "sticker"]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote. A person who hides the phone has a `user_id` only; `number` is E.164."""

    number: str | None
    wa_id: str | None
    user_id: str | None
    name: str | None
    parent_user_id: str | None = None
    """The id that several portfolios of one enterprise share."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Everything that names this person, what is best known first: the number, then the ids. Empty for nobody."""
        every = (self.number, self.user_id, self.parent_user_id)
        return tuple(address for address in every if address) or ((self.wa_id,) if self.wa_id else ())


@dataclass(frozen=True, slots=True)
class Text:
    """Words that were typed."""

    body: str


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """A quick reply of a template was pressed."""

    text: str
    payload: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A button or a list row of an interactive message was chosen."""

    id: str
    title: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji was put on a message; None takes it away."""

    message: str
    emoji: str | None


@dataclass(frozen=True, slots=True)
class Media:
    """A file, to be fetched by `id` within days; `voice` marks a voice note."""

    kind: MediaKind
    id: str
    mime_type: str | None
    sha256: str | None
    caption: str | None
    filename: str | None
    voice: bool


@dataclass(frozen=True, slots=True)
class Location:
    """A place, in degrees."""

    latitude: float
    longitude: float
    name: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Cards:
    """People out of the contact's address book: name and phones of each."""

    people: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class System:
    """Something about the contact changed, such as `user_changed_number`; the ids are the new ones.

    `previous_user_id` is told for a user id that changed alone (`user_changed_user_id`).
    """

    kind: str
    body: str | None
    wa_id: str | None
    user_id: str | None = None
    previous_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A message of a type that we do not interpret, whole as JSON (`order`, `unsupported`, ...)."""

    kind: str
    raw: bytes


Content = Text | ButtonPress | Choice | Reaction | Media | Location | Cards | System | Unread


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that Meta reports; `meaning()` says what it asks of us."""

    code: int
    title: str
    details: str | None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A contact wrote to the business number `account` (its phone number id). `id` is unique: deduplicate on it."""

    account: str
    id: str
    sender: Sender
    at: datetime
    content: Content
    quoted: str | None
    """The provider's id of the message that this one answers, where the contact quoted it."""
    problems: tuple[Problem, ...] = ()
    """Why Meta could not give us the message, such as 131051 for a type that it does not pass on."""

    @property
    def words(self) -> str | None:
        """What the contact said or showed, as text; None where nothing of it is words."""
        match self.content:
            case Text(body):
                return body
            case ButtonPress(text, _):
                return text
            case Choice(title=title):
                return title
            case Media(caption=caption):
                return caption
            case Reaction(emoji=emoji):
                return emoji
            case Location(latitude, longitude, name, address):
                return ", ".join(part for part in (name, address) if part) or f"{latitude:.5f}, {longitude:.5f}"
            case Cards(people):
                return "\n".join(" ".join((name, *phones)) for name, phones in people) or None
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Status:
    """How far a message got. Arrives in any order and more than once: deduplicate on (`id`, `state`)."""

    account: str
    id: str
    state: DeliveryState
    at: datetime
    recipient: str | None
    reference: str | None
    """Our message id, as it was given to `write`."""
    problems: tuple[Problem, ...]
    billable: bool | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Preference:
    """A contact stopped or resumed a kind of message in WhatsApp's own settings: bind to it at once."""

    account: str | None
    sender: Sender
    category: str
    value: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AddressChange:
    """Whoever had the address `previous` (a number in E.164 or a user id) has `current` now."""

    id: str
    previous: str
    current: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TemplateUpdate:
    """Meta changed the state of a registered template: `event` is APPROVED, REJECTED, PAUSED, DISABLED, ..."""

    business: str
    name: str
    language: str
    event: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Other:
    """A change that concerns no message of ours (quality, account alerts, errors), whole as JSON."""

    business: str
    field: str
    raw: bytes


Item = Inbound | Status | Preference | AddressChange | TemplateUpdate | Other
