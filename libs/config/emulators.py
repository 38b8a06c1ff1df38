"""Where the emulators are, as a service hears it that runs by itself: one environment name for each.

The names are those that `services.sandbox` says when it is ready: `whatsapp`, `sms`, `email`, `backend`, `llm`, `telephony`, `stt`,
`tts`, `tts_elevenlabs`; and `sip`, where somebody answers SIP.
"""

from collections.abc import Iterable, Mapping


def variable(name: str) -> str:
    """The environment name of an emulator's base URL: `CONVERSE_SANDBOX_LLM_URL`."""
    return f"CONVERSE_SANDBOX_{name.upper()}_URL"


def urls_in(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The base URLs that an environment has, of these emulators."""
    found = {name: environment.get(variable(name)) for name in names}
    return {name: url for name, url in found.items() if url}
