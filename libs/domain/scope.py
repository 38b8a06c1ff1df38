"""What templates and conditions may name, gathered for one matter of one contact."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from libs.domain.contact import PHONES, Contact
from libs.domain.matter import Matter
from libs.domain.names import Names
from libs.domain.zones import is_zone, phone_zone


def zone_of(contact: Contact, default: str) -> str:
    """The contact's time zone (IANA), else `default`."""
    return own_zone(contact) or default


def own_zone(contact: Contact) -> str | None:
    """The contact's time zone (IANA): as the ERP tells it (`timezone`), else by the phone number; None where neither does."""
    told = contact.profile.metadata.get("timezone") if contact.profile else None
    if isinstance(told, str) and is_zone(told):
        return told
    phone = next((address for channel in PHONES if (address := contact.address(channel))), None)
    return phone_zone(phone)


def names_of(contact: Contact, matter: Matter | None, *, now: datetime, zone: str) -> Names:
    """The names that templates and conditions know; without a matter only the contact's."""
    profile = contact.profile
    who: dict[str, Any] = {
        "now": now.astimezone(ZoneInfo(zone)),
        "contact_name": profile.name if profile else None,
        "contact": fields_of(contact),
    }
    if matter is None:
        return Names(**who)
    return Names(
        **who,
        entity_id=matter.entity_id,
        entity_type=matter.entity_type,
        process_type=matter.process_type,
        state=matter.state,
        intent=matter.intent,
        business_context=matter.context,
        extracted_info=matter.extracted_info,
        said=matter.said,
        slots=matter.course.values,
        tool_results=matter.results,
    )


def fields_of(contact: Contact) -> dict[str, Any]:
    """What `contact.*` names: the ERP's own fields too, where it sent more than we ask for."""
    profile = contact.profile
    if profile is None:
        return {"id": contact.id}
    known = {
        "id": contact.id,
        "name": profile.name,
        "role": profile.role,
        "organization": profile.organization,
    }
    return profile.metadata | {name: value for name, value in known.items() if value is not None}
