"""What a test or a demo asks of an emulated synthesiser."""

from typing import Protocol

from litestar import Router, get, post, put
from litestar.params import JSONBody

from services.sandbox.voice.settings import SynthesisPace
from services.sandbox.voice.synthesis import Spoken, Synthesis
from services.sandbox.voice.wire import VoiceFault, Wires


class Synthesiser(Protocol):
    """Either provider."""

    synthesis: Synthesis
    wires: Wires
    spoken: list[Spoken]


def controls(name: str, provider: Synthesiser) -> Router:
    """`/_sandbox/<name>`: what was spoken, how fast it is, and what goes wrong."""

    @get("/spoken", sync_to_thread=False)
    def spoken() -> list[Spoken]:
        """Every context and every request for bytes, oldest first."""
        return provider.spoken

    @put("/pace", sync_to_thread=False)
    def pace(data: JSONBody[SynthesisPace]) -> SynthesisPace:
        provider.synthesis.pace = data
        return data

    @post("/faults", sync_to_thread=False)
    def faults(data: JSONBody[VoiceFault | list[VoiceFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            provider.wires.add(fault)
        return provider.wires.shown()

    return Router(f"/_sandbox/{name}", route_handlers=[spoken, pace, faults], include_in_schema=False)
