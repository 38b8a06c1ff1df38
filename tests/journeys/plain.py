"""The forms in which somebody who gets hold of our disks could read a text: as it is, or behind base64."""

import base64


def forms(secret: str) -> list[bytes]:
    """The text, and what base64 makes of it wherever in a longer text it stands, as in Meta's ids of messages."""
    plain = secret.encode()
    return [plain, *(_inside(plain, before) for before in range(3))]


def _inside(plain: bytes, before: int) -> bytes:
    """The base64 of the text after so many other bytes, without the characters that depend on its neighbours."""
    whole = base64.b64encode(bytes(before) + plain + bytes(3))
    return whole[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
