"""The shipped bundle, compiled and as texts, and what changing a few words of it makes the check say."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from libs.config.bundle import Bundle
from libs.config.compile import Loaded, compile_bundle
from libs.config.findings import Finding
from libs.config.load import SCENARIOS

FOLDER = Path(__file__).parents[3] / "infra" / "config"
TEXTS: Mapping[str, str] = {
    path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(FOLDER.rglob("*.yaml"))
    if SCENARIOS not in path.parts
}
CREDENTIALS = {
    "WHATSAPP_PHONE_ID": "106540352242922",
    "WHATSAPP_ACCESS_TOKEN": "a-token",
    "WHATSAPP_VERIFY_TOKEN": "a-word",
    "WHATSAPP_APP_SECRET": "a-secret",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
    "EXOTEL_SID": "acme1",
    "EXOTEL_API_KEY": "an-api-key",
    "EXOTEL_TOKEN": "an-api-token",
    "EXOTEL_WEBHOOK_SECRET": "a-word-of-the-webhook",
    "EXOTEL_CALLER_ID": "+911600047189",
    "STT_API_KEY": "an-stt-key",
    "TTS_API_KEY": "a-tts-key",
    "EMAIL_SMTP_PASSWORD": "a-password",
    "EMAIL_SMTP_USERNAME": "asha",
    "EMAIL_WEBHOOK_SECRET": "a-word-of-the-mail-webhook",
    "SENDGRID_PUBLIC_KEY": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXMzYK6XaAGug4+Vr9wvd+smNMfNFcj38MYxN/hH6WH3n0IVqguGspAv/ALHLW759Glt/AebfEBjDSvO3zsyLpA==",
    "MAILGUN_SIGNING_KEY": "a-signing-key",
    "CHAT_TOKEN_SECRET": "a-secret-of-thirty-two-characters",
    "BACKEND_API_TOKEN": "another-token",
    "CONVERSE_LLM_API_KEY": "a-key",
}


@cache
def shipped() -> Bundle:
    """The shipped bundle, of which nothing is found wrong."""
    loaded = check()
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


def check(
    texts: Mapping[str, str] = TEXTS, env: Mapping[str, str] | None = None, profile: str = "development"
) -> Loaded:
    return compile_bundle(texts, env or {}, profile)


def changed(file: str, old: str, new: str) -> tuple[dict[str, str], int]:
    """The shipped texts with the first `old` of a file replaced, and the line where that stands."""
    text = TEXTS[file]
    place = text.index(old)
    return {**TEXTS, file: text[:place] + new + text[place + len(old) :]}, text.count("\n", 0, place) + 1


def added(texts: Mapping[str, str]) -> list[Finding]:
    """The findings that the shipped bundle does not have."""
    known = {(each.file, each.path, each.message) for each in check(env=CREDENTIALS).findings}
    return [each for each in check(texts, CREDENTIALS).findings if (each.file, each.path, each.message) not in known]
