"""The whole journey over a SIP trunk: rule, follow-up, call, and what came of it in the read API."""

import asyncio
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sip_peers import gateway, needs_stack
from voice_world import ROOT

from libs.kit.embedded_process import free_port

SECONDS = 240
LINE = """  voice:
    enabled: true
    provider: sip
    trunk_host: trunk.example
"""


def over_sip(folder: Path) -> Path:
    """The shipped bundle, but for the line of its calls and what that costs."""
    config = shutil.copytree(ROOT / "infra" / "config", folder / "config")
    settings, prices = config / "settings.yaml", config / "prices.yaml"
    before, voice, _ = settings.read_text().partition("  voice:\n")
    assert voice
    settings.write_text(before + LINE)
    price = "  - {provider: sip, unit: minute, currency: INR, amount: 0.50, effective: 2026-01-01}\n"
    prices.write_text(prices.read_text().rstrip("\n") + "\n" + price)
    return config


async def promised(origin: str) -> dict[str, Any]:
    """Priya's conversation, as soon as the read API shows her promise; asked while the demo runs."""
    async with httpx.AsyncClient(base_url=origin, timeout=5) as client:
        while True:
            try:
                listed = (await client.get("/api/v1/conversations")).raise_for_status().json()["items"]
                for conversation in listed:
                    if any(each["current_state"] == "promised" for each in conversation["bindings"]):
                        return dict(conversation)
            except httpx.HTTPError:
                pass  # it is starting
            await asyncio.sleep(0.2)


@needs_stack
@pytest.mark.timeout(SECONDS + 60)
async def test_an_overdue_invoice_becomes_a_call_over_the_trunk_and_a_promise(tmp_path: Path):
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    async with gateway(origin) as trunk:
        environment = {
            "PATH": "/usr/bin:/bin",
            "CONVERSE_DATA": str(tmp_path),
            "CONVERSE_PORT": str(port),
            "CONVERSE_CONFIG": str(over_sip(tmp_path)),
            "CONVERSE_SANDBOX_SIP_URL": trunk,
            "CONVERSE_SIP_INTERFACE": "127.0.0.1",
        }
        demo = await asyncio.create_subprocess_exec(
            *(str(ROOT / ".venv/bin/converse"), "demo", "--channel", "voice"),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        watching = asyncio.create_task(promised(origin))
        try:
            shown, _ = await asyncio.wait_for(demo.communicate(), SECONDS)
        finally:
            if demo.returncode is None:
                demo.send_signal(signal.SIGINT)
                await demo.wait()
            known = watching.result() if watching.done() else None
            watching.cancel()
    told = shown.decode()
    assert demo.returncode == 0, told[-4000:]
    for step in ("sip took it as", "it goes out while she speaks", "the ERP took the promise", "the ERP was told once"):
        assert step in told
    assert "pulses, sip" in told, "its minutes are priced as the trunk's"
    assert known is not None, "the read API never showed the promise"
    assert known["contact_id"] == "c_123"
    [matter] = known["bindings"]
    assert (matter["entity_id"], matter["current_state"]) == ("INV-2026-0042", "promised")
