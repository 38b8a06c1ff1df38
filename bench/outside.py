"""The world around the loop, answering at once: an ERP, Meta's Graph API with its statuses, and a caller that posts events."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from services.sandbox import meta_webhook

Answer = tuple[int, Any]

APP_SECRET = "bench-app-secret"  # noqa: S105 - signs what this process itself posts
PHONE_ID = "106540352242922"
DISPLAY_NUMBER = "918047491899"
STATUSES = (("sent", 0.0), ("delivered", 0.2), ("read", 0.5))
"""What Meta tells of a message, and how many seconds after its answer."""
WEBHOOK_AGAIN_S = 0.5


class Connection:
    """HTTP/1.1 over one kept connection, as little as works: one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Send a request and return the status and the body of its answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place)
        reader, writer = self._streams
        given = {"host": self._place[0], "content-type": "application/json", "content-length": str(len(body))}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in (given | headers).items()]
        writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        return int(head.split(" ", 2)[1]), await reader.readexactly(length) if length else b""

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


class Outside:
    """The ERP and Meta on one port. `arrived` has the moment (perf_counter) of each send request by the phone it was for.

    A webhook that gets no 200 is in `refused` and is posted again, as Meta does.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.contacts: dict[str, dict[str, Any]] = {}
        self.arrived: dict[str, float] = {}
        self.twice: list[str] = []
        self.webhook_port: int | None = None
        self.refused: list[int] = []
        self._now = now
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._free: list[Connection] = []

    async def start(self) -> int:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._free:
            connection.close()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                came = time.perf_counter()
                method, target, _ = head.split(" ", 2)
                length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(length)) if length else b""
                status, answer = self._answer(method, target, body, came)
                content = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(content)}\r\n\r\n".encode()
                    + content
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, method: str, target: str, body: bytes, came: float) -> Answer:
        address = urlsplit(target)
        match method, address.path.strip("/").split("/"):
            case "POST", [_, _, "messages"]:
                return self._send(json.loads(body), came)
            case "GET", ["erp", "contacts", "search"]:
                wanted = parse_qs(address.query).get("address", [""])[0]
                return 200, [each for each in self.contacts.values() if each["channels"][0]["address"] == wanted]
            case "GET", ["erp", "contacts", contact_id]:
                found = self.contacts.get(contact_id)
                return (404, {"title": "Unknown contact"}) if found is None else (200, found)
            case "GET", ["erp", "payments", invoice_id, "status"]:
                return 200, {"invoice_id": invoice_id, "paid": False, "status": "unpaid"}
            case "GET", ["erp", "followups", "pending"]:
                return 200, []
            case _:
                return 200, {"recorded": True}

    def _send(self, asked: dict[str, Any], came: float) -> Answer:
        to = str(asked["to"]).removeprefix("+")
        if to in self.arrived:
            self.twice.append(to)
        self.arrived.setdefault(to, came)
        wamid = f"wamid.{to}"
        if self.webhook_port is not None:
            task = asyncio.create_task(self._tell(wamid, to, asked.get("biz_opaque_callback_data")))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return 200, {
            "messaging_product": "whatsapp",
            "contacts": [{"input": to, "wa_id": to}],
            "messages": [{"id": wamid}],
        }

    async def _tell(self, wamid: str, to: str, reference: str | None) -> None:
        """The statuses of one message, signed as Meta signs."""
        before = 0.0
        for state, after in STATUSES:
            await asyncio.sleep(after - before)
            before = after
            part = meta_webhook.status(wamid, to, state, self._now(), reference=reference, category="utility")
            value = meta_webhook.statuses(to, [part])
            raw = json.dumps(meta_webhook.envelope(PHONE_ID, DISPLAY_NUMBER, value)).encode()
            signature = hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
            while (status := await self._webhook(raw, f"sha256={signature}")) != 200:
                self.refused.append(status)
                await asyncio.sleep(WEBHOOK_AGAIN_S)

    async def _webhook(self, raw: bytes, signature: str) -> int:
        assert self.webhook_port is not None
        connection = self._free.pop() if self._free else Connection("127.0.0.1", self.webhook_port)
        try:
            status, _ = await connection.request("POST", "/webhooks/whatsapp", raw, x_hub_signature_256=signature)
        except (OSError, asyncio.IncompleteReadError):
            connection.close()
            return 0
        self._free.append(connection)
        return status
