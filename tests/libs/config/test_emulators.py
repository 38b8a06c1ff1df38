"""Whoever starts a service says where the emulators are as the service reads it, and as the sandbox names them."""

from libs.config import emulators
from services.backend_sync import settings as backend_sync
from services.gateways import settings as gateways
from services.orchestrator import settings as orchestrator
from services.sandbox.app import base_urls

URLS = base_urls("http://127.0.0.1:8000")
ENVIRONMENT = {emulators.variable(name): url for name, url in URLS.items()}


def test_each_service_finds_its_emulators_by_the_names_that_the_sandbox_gives_them():
    assert orchestrator.from_environment(ENVIRONMENT).sandbox_url == URLS["llm"]
    assert backend_sync.from_environment(ENVIRONMENT).sandbox_url == URLS["backend"]
    texts = {name: URLS[name] for name in ("whatsapp", "sms", "email", "stt")}
    assert gateways.from_environment(ENVIRONMENT).sandbox_urls == texts


def test_what_is_empty_is_not_there():
    assert emulators.urls_in({"CONVERSE_SANDBOX_TTS_ELEVENLABS_URL": "", "CONVERSE_SANDBOX_TTS_URL": "a"}, URLS) == {
        "tts": "a"
    }
