"""The right person: who is known to read or hear at an address, so that a matter is named to nobody else."""

from datetime import datetime, timedelta
from typing import Literal

from libs.domain.contact import Contact, Reach
from libs.domain.policy_terms import Policy

Standing = Literal["free", "registered", "confirmed", "unconfirmed", "denied"]
"""`free`: the policy does not ask. `denied`: somebody else answered there."""
MAY_HEAR: dict[Standing, str] = {
    "free": "the policy does not ask who it is",
    "registered": "the ERP registered this address for the contact",
    "confirmed": "the contact has confirmed at this address who they are",
}


def standing(
    policy: Policy, purpose: str | None, channel: str, address: str, *, contact: Contact, reach: Reach, now: datetime
) -> Standing:
    """Who is known to be at an address, as far as a process type asks for it."""
    place = (channel, address)
    if place in reach.denied:
        return "denied"
    asks = policy.confirms(purpose, channel)
    registered = contact.registers(channel, address)
    if asks == "off":
        return "free"
    if asks == "registered_address" and registered:
        return "registered"
    confirmed = reach.confirmed.get(place)
    if confirmed is None or now - confirmed.at > timedelta(days=policy.right_person.valid_days):
        return "unconfirmed"
    return "unconfirmed" if confirmed.registered and not registered else "confirmed"
