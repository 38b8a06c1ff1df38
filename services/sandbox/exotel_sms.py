"""An emulator of Exotel's SMS API: takes forms, answers in XML or JSON, calls back without a signature."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import msgspec

from services.sandbox.exotel import ExotelError, admit
from services.sandbox.sms_network import Fate, Message, Network, Saying, SmsFault
from services.sandbox.sms_webhook import Call

IST = timezone(timedelta(hours=5, minutes=30))
STATUSES: Mapping[str, tuple[str, str]] = {
    "21010": ("queued", "PENDING_TO_OPERATOR"),
    "21015": ("sending", "SENDING_TO_OPERATOR"),
    "21020": ("submitted", "SUBMITTED_TO_OPERATOR"),
    "20005": ("sent", "DELIVERED_TO_HANDSET"),
    "20006": ("sent", "DELIVERED_TO_OPERATOR"),
    "23005": ("failed-dnd", "FAILED_DND"),
    "23020": ("failed", "FAILED_OPTED_OUT"),
    "23035": ("failed", "FAILED_SUBSCRIBER_UNAVAILABLE"),
    "23080": ("failed", "FAILED_DLT_TEMPLATE_MISMATCH"),
}
FATES: Mapping[Fate, str] = {"dlt": "23080", "dnd": "23005", "opted_out": "23020", "unreachable": "23035"}
_INDIAN = re.compile(r"(?:\+?91|0)?([6-9]\d{9})")
NEEDED = ("From", "To", "Body", "DltEntityId")


class Exotel:
    """One account's SMS."""

    def __init__(self, network: Network) -> None:
        self._network = network
        network.voices["exotel"] = self

    def account(self, account: str, authorization: str) -> dict[str, Any]:
        """What Exotel tells of the account; raises `ExotelError`."""
        admit(self._network.settings, authorization)
        return {"Account": {"Sid": account, "FriendlyName": "Acme", "Status": "active"}}

    async def take(self, account: str, authorization: str, form: Mapping[str, str]) -> tuple[dict[str, Any], SmsFault]:
        """The answer to a send, and how it is to reach the caller; raises `ExotelError`."""
        network = self._network
        network.requests += 1
        admit(self._network.settings, authorization)
        for name in NEEDED:
            if not form.get(name):
                raise ExotelError(400, 40206, f"Mandatory parameter missing: {name}")
        if len(form["Body"]) > 2000:
            raise ExotelError(400, 40207, "Body is too long")
        to = _e164(form["To"])
        if to is None:
            raise ExotelError(400, 40208, "To is not a valid Indian number")
        fault = network.fault("exotel", to)
        if fault.refuse is not None:
            status, _, code = fault.refuse.partition(":")
            raise ExotelError(int(status), int(code or 40000), "said by the sandbox", fault.retry_after)
        if network.over_budget:
            raise ExotelError(403, 40001, "Insufficient balance")
        if fault.answer != "whole" and not fault.commits:
            return {}, fault
        message = network.commit(
            "exotel",
            id=str(10**14 + secrets.randbelow(10**14)) if fault.numeric_ids else secrets.token_hex(16),
            to=to,
            sender=form["From"],
            text=form["Body"],
            reference=form.get("CustomField"),
            entity_id=form["DltEntityId"],
            template_id=form.get("DltTemplateId"),
            promotional=form.get("SmsType") == "promotional",
            callback=form.get("StatusCallback"),
        )
        end = fault.ends or (FATES.get(message.fate, "23035") if message.fate else "20005")
        way = ["21020", end]
        if fault.before_answer:
            message.states.append(way[0])
            await self._tell(message, way[0], fault)
        network.background.start(network.carry(message, fault, way, self._tell))
        return _accepted(account, message), fault

    async def hear(self, saying: Saying, id: str, quoted: Message | None, at: datetime) -> None:
        """Tell the business what a contact said: by the classic GET, or by a POST."""
        if (url := self._url()) is None:
            return
        fields: dict[str, Any] = {
            "SmsSid": int(id) if saying.numeric_ids else id,
            "From": _national(saying.sender),
            "To": saying.to or self._network.settings.exophone,
            "Date": _time(at),
            "Body": saying.text,
        }
        form = "json" if saying.numeric_ids else saying.form
        if form == "get":
            call = Call(provider="exotel", method="GET", url=f"{url}?{urlencode(fields)}")
        else:
            call = _post(url, fields, json=form == "json")
        await self._network.webhooks.make(call, at, copies=saying.copies)

    async def _tell(self, message: Message, code: str, fault: SmsFault) -> None:
        base = self._url()
        url = message.callback or (f"{base}/status" if base else None)
        if url is None:
            return
        status, detail = STATUSES.get(code, ("failed", f"FAILED_{code}"))
        at = self._network.now()
        fields: dict[str, Any] = {
            "SmsSid": int(message.id) if fault.numeric_ids else message.id,
            "To": _national(message.to),
            "Status": status,
            "SmsUnits": message.segments if fault.numeric_ids else str(message.segments),
            "DetailedStatus": detail,
            "DetailedStatusCode": int(code) if fault.numeric_ids else code,
            "DateSent": _time(at),
        }
        if message.reference is not None:
            fields["CustomField"] = message.reference
        call = _post(url, fields, json=fault.numeric_ids or fault.form == "json")
        await self._network.webhooks.make(call, at, copies=fault.copies)

    def _url(self) -> str | None:
        network = self._network
        return f"{network.callback_url}/{network.settings.webhook_secret}" if network.callback_url else None


def xml(answer: dict[str, Any]) -> str:
    """The same answer as the API gives without `.json`."""
    (name, fields), *_ = answer.items()
    inner = "".join(f"<{key}>{'' if value is None else value}</{key}>" for key, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><TwilioResponse><{name}>{inner}</{name}></TwilioResponse>'


def _accepted(account: str, message: Message) -> dict[str, Any]:
    at = _time(message.at)
    return {
        "SMSMessage": {
            "Sid": int(message.id) if message.id.isdigit() else message.id,
            "AccountSid": account,
            "From": message.sender,
            "To": _national(message.to),
            "Body": message.text,
            "DateCreated": at,
            "DateUpdated": at,
            "DateSent": None,
            "Direction": "outbound-api",
            "Status": "queued",
            "Price": None,
            "Uri": f"/v1/Accounts/{account}/SMS/Messages/{message.id}",
            "SmsUnits": None,
            "DetailedStatus": "PENDING_TO_OPERATOR",
            "DetailedStatusCode": 21010,
        }
    }


def _post(url: str, fields: dict[str, Any], *, json: bool) -> Call:
    body = msgspec.json.encode(fields).decode() if json else urlencode(fields)
    media_type = "application/json" if json else "application/x-www-form-urlencoded"
    return Call(provider="exotel", method="POST", url=url, body=body, headers={"content-type": media_type})


def _e164(number: str) -> str | None:
    indian = _INDIAN.fullmatch(number)
    return f"+91{indian[1]}" if indian else None


def _national(number: str) -> str:
    return "0" + number.removeprefix("+91") if number.startswith("+91") else number


def _time(at: datetime) -> str:
    return at.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")
