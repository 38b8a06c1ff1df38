"""Whether and how calls are recorded, what is said before, and how a contact says that they do not want it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

STORAGES = ("local", "s3")
ANNOUNCEMENTS: Mapping[str, str] = {
    "en": "This call is being recorded for quality. Tell me if you do not want that.",
    "hi": "Yeh call quality ke liye record ki ja rahi hai. Agar aap nahi chahte to bata dijiye.",
}
RETENTION_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """`voice.recording` of the settings. `bucket` may have a prefix (`acme-calls/voice`)."""

    enabled: bool = False
    storage: str = "local"
    bucket: str | None = None
    retention: timedelta = timedelta(days=RETENTION_DAYS)
    announcements: Mapping[str, str] = field(default_factory=lambda: ANNOUNCEMENTS)

    def announcement(self, language: str | None) -> str:
        """What is said before anything else: in the call's language, else in Hindi and English mixed as the agent speaks."""
        named = (language or "hi").partition("-")[0].lower()
        return self.announcements.get(named) or self.announcements.get("hi") or ANNOUNCEMENTS["hi"]


def recording_of(told: Mapping[str, Any]) -> Recording:
    """What `voice` of the settings says of it."""
    part = told.get("recording") or {}
    plain = Recording()
    return Recording(
        enabled=bool(part.get("enabled", False)),
        storage=part.get("storage", plain.storage),
        bucket=part.get("bucket"),
        retention=timedelta(days=int(part.get("retention_days", RETENTION_DAYS))),
        announcements={**ANNOUNCEMENTS, **(part.get("announcement") or {})},
    )


_RECORD = r"(?:record(?:ing|ed|s)?|रिकॉर्ड(?:िंग)?|रिकार्ड(?:िंग)?|tape)"
_NOT = r"(?:don'?t|do not|dont|not|never|stop|no|without|mat|nahi|nahin|na|band|bandh|rok|roko|मत|नहीं|ना|बंद|रोक\w*)"
_REFUSES = re.compile(
    rf"(?<!\w){_NOT}\b(?:\W+\w+){{0,3}}?\W+{_RECORD}|{_RECORD}(?:\W+\w+){{0,3}}?\W+{_NOT}(?!\w)", re.IGNORECASE
)
_MEANS_OTHER = re.compile(
    r"(?:(?:my|our|your|the|mere|hamare|aapke|payment|bank)\s+records?|records?\s+(?:of|mein|me|ke|ki|ka)\b|on record)",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether a contact says that the call is not to be recorded ("don't record this", "recording band kijiye").

    "There is no such invoice in our records" does not.
    """
    return bool(_REFUSES.search(_MEANS_OTHER.sub(" ", text.replace("’", "'"))))
