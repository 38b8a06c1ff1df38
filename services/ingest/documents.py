"""What the OpenAPI document says of a body that is no shape of ours alone: events come in the plain form and as CloudEvents."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import OpenAPIMediaType

from libs.kit import requests
from services.ingest.cloudevents import BATCH, FORMAT, MAX_EVENTS, MAX_SOURCE, VERSION
from services.ingest.decide import EventIn

_ID = {"type": "string", "minLength": 1, "maxLength": 200}
_TEXT = {"type": "string", "minLength": 1}

CLOUD_EVENT: dict[str, Any] = {
    "type": "object",
    "title": "CloudEvent",
    "description": "CloudEvents 1.0 in its JSON format. In binary mode the attributes are headers (`ce-id`, …), percent-encoded.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": VERSION},
        "id": {**_ID, "description": "With `source` the identity of the event."},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": MAX_SOURCE},
        "type": {**_ID, "description": "The name of the event, as rules have it behind `on`."},
        "time": {"type": "string", "format": "date-time"},
        "subject": _TEXT,
        "dataschema": {**_TEXT, "format": "uri"},
        "datacontenttype": {**_TEXT, "description": "`*/json` or `*/*+json`; application/json where nothing is said."},
        "data": {"type": "object"},
    },
    "additionalProperties": {"type": ["string", "boolean", "integer"]},
}


@dataclass
class TakesEvents(requests.takes(EventIn)):  # type: ignore[misc]  # a class that is made for the shape
    """For `operation_class`: the plain form, a CloudEvent, or a batch of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        batch = {"type": "array", "maxItems": MAX_EVENTS, "items": CLOUD_EVENT}
        schemas: dict[str, Any] = {FORMAT: CLOUD_EVENT, BATCH: batch}
        self.request_body.content |= {name: OpenAPIMediaType(schema=schema) for name, schema in schemas.items()}
