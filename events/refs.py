"""What stands in a fact for an id of a provider's that names a person."""

import hashlib
import json

import msgspec
from msgspec.structs import force_setattr

WAMID = "wamid."
"""How Meta's ids of WhatsApp messages begin; the rest is base64, in which the contact's number can be read."""


def joined(*parts: str) -> str:
    """One text of several; other parts, or the same cut otherwise, give another one."""
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def digest(*parts: str) -> str:
    """32 hexadecimal characters; other parts, or the same cut otherwise, give another digest."""
    return hashlib.sha256(joined(*parts).encode()).hexdigest()[:32]


def ref_of(provider_id: str) -> str:
    """What an id is joined by in its place. Whoever has the id finds it; the id, and whom it names, cannot be found from it.

    No key is needed for that, other than for an address: beside the number there are at least 64 random bits in a wamid.
    """
    return digest(provider_id)


def hide(fact: msgspec.Struct, *names: str) -> None:
    """Put what stands for it in the place of each of Meta's ids; facts that are older than this hold them in clear."""
    for name in names:
        ref = getattr(fact, name)
        if ref is not None and ref.startswith(WAMID):
            force_setattr(fact, name, ref_of(ref))
