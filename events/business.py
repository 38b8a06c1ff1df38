"""What the company's systems say happened. Written by ingest."""

from datetime import datetime

from events.base import Category, Event
from events.values import PersonalData


class EventReceived(Event, tag="business.event_received.v1"):
    """The ERP told us; `fingerprint` is an HMAC of the content as decoded JSON, so that a retry can be told from a change.

    `attributes`: what a CloudEvent says beside that (subject, dataschema, extensions), each as its canonical text.
    """

    event_name: str
    external_id: str
    origin: str
    fingerprint: str
    data: PersonalData
    happened_at: datetime | None = None
    attributes: PersonalData = {}


BUSINESS = Category("business", current=(EventReceived,))
