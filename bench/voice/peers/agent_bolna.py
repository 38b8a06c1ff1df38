"""bolna 0.11.9: its assistant manager over its own Exotel handlers, Deepgram Flux, OpenAI's protocol (its own default), Cartesia.

What differs from its examples: addresses of the providers (Cartesia's scheme is fixed in the library and replaced here), a call
may last longer than 90 s, logs at ERROR.
"""

import asyncio
import json
import logging
import os
import sys

GIVEN = json.loads(sys.argv[1])
PROVIDERS = f"127.0.0.1:{GIVEN['providers']}"
os.environ |= {
    "DEEPGRAM_AUTH_TOKEN": "x",
    "DEEPGRAM_HOST": PROVIDERS,
    "DEEPGRAM_FLUX_HOST": PROVIDERS,
    "DEEPGRAM_HOST_PROTOCOL": "ws",
    "CARTESIA_API_KEY": "x",
    "CARTESIA_API_HOST": PROVIDERS,
    "OPENAI_API_KEY": "x",
    "OPENAI_BASE_URL": f"http://{PROVIDERS}/v1",
    "AZURE_OPENAI_API_KEY": "x",  # its detectors of voicemail and of the end are made, and not used
    "AZURE_OPENAI_ENDPOINT": f"http://{PROVIDERS}",
}

import uvicorn  # noqa: E402 - the addresses are read on import
from bolna.agent_manager.assistant_manager import AssistantManager  # noqa: E402
from bolna.models import AgentModel  # noqa: E402
from bolna.synthesizer.cartesia_synthesizer import CartesiaSynthesizer  # noqa: E402
from starlette.websockets import WebSocket  # noqa: E402

SYSTEM = "You are on the phone with a business contact in India. Ask when they will pay the invoice. Short sentences."
LLM = {
    "model": "gpt-4.1-mini", "provider": "openai", "family": "openai", "max_tokens": 200,
    "temperature": 0.1, "agent_flow_type": "streaming",
}  # fmt: skip
VOICE = {"voice": "asha", "voice_id": "a0e99841-438c-4a64-b679-ae501e7d6091", "model": "sonic-3", "language": "hi"}
TOOLS = {
    "input": {"provider": "exotel", "format": "wav"},
    "output": {"provider": "exotel", "format": "wav"},
    "llm_agent": {"agent_type": "simple_llm_agent", "agent_flow_type": "streaming", "llm_config": LLM},
    "transcriber": {"provider": "deepgram", "model": "flux-general-multi", "language": "multi-hi", "stream": True},
    "synthesizer": {"provider": "cartesia", "provider_config": VOICE, "stream": True, "audio_format": "wav"},
    "api_tools": None,
}
TASK = {
    "task_type": "conversation",
    "toolchain": {"execution": "parallel", "pipelines": [["transcriber", "llm", "synthesizer"]]},
    "tools_config": TOOLS,
    "task_config": {"call_terminate": 3600, "hangup_after_silence": 60},
}
AGENT = {
    "agent_name": "bench",
    "agent_type": "other",
    "agent_welcome_message": "Namaste ji, invoice ka payment baaki hai. Aapko yaad dilana tha.",
    "tasks": [TASK],
}


async def application(scope, receive, send):
    """Every WebSocket is a call."""
    if scope["type"] != "websocket":
        return
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    manager = AssistantManager(
        AgentModel.model_validate(AGENT).model_dump(),
        socket,
        "bench",
        context_data={"recipient_data": {}},
        prompt_responses={"task_1": {"system_prompt": SYSTEM}},
    )
    try:
        async for _ in manager.run(local=True):
            pass
    except Exception as error:
        print(f"a call of bolna broke: {error!r}", file=sys.stderr)


def plain(wanted):
    """Cartesia without TLS, as everything here."""

    def made(self, *args, **given):
        wanted(self, *args, **given)
        self.ws_url = self.ws_url.replace("wss:", "ws:", 1)
        self.api_url = self.api_url.replace("https:", "http:", 1)

    return made


async def main() -> None:
    config = uvicorn.Config(application, port=GIVEN["port"], log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    CartesiaSynthesizer.__init__ = plain(CartesiaSynthesizer.__init__)
    asyncio.run(main())
