"""Independent SIP peers on this machine: sipp with its scenarios, and the C baresip as a phone."""

import asyncio
import importlib.util
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.kit.embedded_process import free_port

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE / "sipp"
HEARD = "dump-*-dec.wav"
"""What a phone heard of its calls, in its folder."""
needs_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed (Debian: sip-tester)")
needs_baresip = pytest.mark.skipif(
    shutil.which("baresip") is None, reason="baresip is not installed (Debian: baresip-core)"
)
needs_stack = pytest.mark.skipif(
    importlib.util.find_spec("baresip") is None, reason="baresip-python is not installed (Linux only)"
)
"""For the gateway, and for ourselves."""
_PREFIXES = ("/usr/lib", "/usr/local/lib")
MODULES = next((path for each in _PREFIXES if (path := Path(each) / "baresip/modules").is_dir()), None)


@asynccontextmanager
async def sipp(name: str, transport: str = "udp", *options: str) -> AsyncIterator[str]:
    """sipp with one of its scenarios; yields the trunk's address. It must have seen exactly what its scenario says."""
    port = free_port()
    how = {"udp": "u1", "tcp": "t1"}[transport]
    running = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIOS / f"{name}.xml"), "-m", "1", "-i", "127.0.0.1", "-p", str(port), "-t", how),
        *("-timeout", "40", "-timeout_error", "-nostdin", "-mi", "127.0.0.1", "-mp", str(port + 2), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await _taken(port, transport)
        yield f"sip:127.0.0.1:{port};transport={transport}"
        shown, _ = await asyncio.wait_for(running.communicate(), 45)
        assert running.returncode == 0, shown.decode()[-4000:]
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


class Phone:
    """The C baresip, which answers by itself and says what its sound file holds."""

    def __init__(self, port: int, control: asyncio.StreamReader, commands: asyncio.StreamWriter) -> None:
        self.port = port
        self.keys = ""
        """Those that were pressed at the other end."""
        self._control = control
        self._commands = commands
        self._answered = asyncio.Event()

    async def follow(self) -> None:
        """Take in what happens, for as long as it lives."""
        while True:
            size = await self._control.readuntil(b":")
            told = json.loads(await self._control.readexactly(int(size[:-1])))
            await self._control.readexactly(1)
            if told.get("type") == "CALL_DTMF_START":
                self.keys += told["param"]
            if told.get("response"):
                self._answered.set()

    @property
    def address(self) -> str:
        """The trunk's, as its calls see it."""
        return f"sip:127.0.0.1:{self.port};transport=udp"

    @property
    def sealed_address(self) -> str:
        """The same over TLS, where it has a certificate."""
        return f"sips:127.0.0.1:{self.port + 1}"

    async def press(self, digits: str) -> None:
        """Key by key, as RFC 4733 events; the next when one is over."""
        for digit in digits:
            await self._do("sndcode", digit)

    async def call(self, number: str, port: int) -> None:
        """Call a number at a port of this machine."""
        await self._do("dial", f"sip:{number}@127.0.0.1:{port}")

    async def hang_up(self) -> None:
        """End its call."""
        await self._do("hangup", "")

    async def _do(self, command: str, parameters: str) -> None:
        text = json.dumps({"command": command, "params": parameters}).encode()
        self._answered.clear()
        self._commands.write(b"%d:%s," % (len(text), text))
        await asyncio.wait_for(self._answered.wait(), 10)


@asynccontextmanager
async def phone(folder: Path, sound: Path, certificate: Path | None = None) -> AsyncIterator[Phone]:
    """A phone that says `sound` (a WAV of 8 kHz) to whoever it talks with; its files are in `folder`.

    With a `certificate` (and its key, PEM) it takes TLS, and talks over SRTP only.
    """
    port = free_port()
    while (control := free_port()) in (port, port + 1):  # the next one is its SIP over TLS
        pass
    (folder / "config").write_text(
        f"sip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\nmodule_path {MODULES}\naudio_source aufile,{sound}\n"
        f"module sndfile.so\nsnd_path {folder}\n"
        "module g711.so\nmodule aufile.so\nmodule_app account.so\nmodule_app menu.so\nmodule ctrl_tcp.so\n"
        f"ctrl_tcp_listen 127.0.0.1:{control}\nrtp_ports 17000-18998\n"
        + (f"module srtp.so\nsip_certificate {certificate}\n" if certificate else "")
    )
    (folder / "accounts").write_text(
        f"<sip:phone@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs=PCMA/8000/1,PCMU/8000/1"
        + (";mediaenc=srtp-mand\n" if certificate else "\n")
    )
    (folder / "contacts").write_text("")
    running = await asyncio.create_subprocess_exec(
        *("baresip", "-f", str(folder)), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _taken(control, "tcp")
        await _taken(port, "udp")
        found = Phone(port, *await asyncio.open_connection("127.0.0.1", control))
        following = asyncio.create_task(found.follow())
        yield found
        following.cancel()
    finally:
        running.terminate()
        await running.wait()


@asynccontextmanager
async def gateway(sandbox: str) -> AsyncIterator[str]:
    """A carrier's gateway to the sandbox's phones, as a process; yields the trunk's address."""
    port = free_port()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sip_gateway", str(port), sandbox),
        env={"PYTHONPATH": ":".join((str(HERE), str(HERE.parent), str(HERE.parents[1])))},
        cwd=HERE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        said = await asyncio.wait_for(running.stdout.readline(), 60)
        assert said.strip() == b"listening", said
        yield f"sip:127.0.0.1:{port};transport=udp"
    finally:
        running.terminate()
        await running.wait()


async def _taken(port: int, transport: str) -> None:
    """Until somebody listens there, as the kernel says: whoever asks on the wire disturbs the scenario."""
    async with asyncio.timeout(20):
        while f":{port:04X} " not in await asyncio.to_thread(Path(f"/proc/net/{transport}").read_text):  # noqa: ASYNC110 - another process listens
            await asyncio.sleep(0.05)
