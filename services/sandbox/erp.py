"""An ERP with contacts, invoices and orders: what it knows, what it was told, and each write taken once."""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from libs.kit.problems import Problem
from services.sandbox import erp_seed as seed
from services.sandbox.erp_seed import Contact, Followup, Invoice, Order, Shipment, Stock
from services.sandbox.settings import ErpSettings
from services.sandbox.state import Answer, Faults

_KEPT_CALLS = 20_000
JSON = msgspec.json.Encoder(decimal_format="number")
"""Amounts stay the numbers that they were sent as."""
_BODY = msgspec.json.Decoder(float_hook=Decimal)


class ErpFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` requests (of this method, whose path contains `path`)."""

    times: int = 1
    method: str | None = None
    path: str | None = None
    status: int | None = None
    """Answered with this HTTP status; nothing is written."""
    retry_after: int | None = None
    answer: Answer = "whole"
    commits: bool = True
    """Whether a write is taken although its answer is garbled, dropped or hung."""
    seconds: float = 30.0


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that arrived, whatever became of it."""

    at: datetime
    method: str
    path: str
    key: str | None


class Write(msgspec.Struct, kw_only=True):
    """A write that was taken; `replays` counts the repeats with the same key, which changed nothing."""

    at: datetime
    method: str
    path: str
    key: str | None
    body: dict[str, Any]
    status: int
    answer: dict[str, Any]
    fingerprint: str
    replays: int = 0


class Erp:
    """One ERP's books, in memory. Times are business time."""

    def __init__(self, settings: ErpSettings, *, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.faults: Faults[ErpFault] = Faults()
        self.calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self.now = now
        self.reset()

    def reset(self) -> None:
        """As at the start."""
        self.faults.clear()
        self.calls.clear()
        self.contacts: dict[str, Contact] = {item.id: item for item in seed.CONTACTS}
        self.invoices: dict[str, Invoice] = {item.id: item for item in seed.INVOICES}
        self.orders: dict[str, Order] = {item.id: item for item in seed.ORDERS}
        self.shipments: dict[str, Shipment] = {item.id: item for item in seed.SHIPMENTS}
        self.stock: dict[str, Stock] = {item.sku: item for item in seed.STOCK}
        self.followups: dict[str, Followup] = {}
        self.writes: list[Write] = []
        self._by_key: dict[str, Write] = {}

    def admit(self, method: str, path: str, key: str | None, authorization: str) -> ErpFault:
        """Note a request and let it in; gives what is to go wrong with it. Raises `Problem`."""
        self.calls.append(Call(at=self.now(), method=method, path=path, key=key))
        scheme, _, token = authorization.partition(" ")
        if self.settings.token is not None and (scheme.lower(), token) != ("bearer", self.settings.token):
            raise Problem(401, "Not authenticated", "Authorization: Bearer <the ERP's token> is wanted")
        fault = self.faults.take(lambda f: f.method in (None, method) and (f.path or "") in path) or ErpFault()
        if fault.status is not None:
            headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
            raise Problem(fault.status, detail="said by the sandbox", headers=headers)
        return fault

    def write(
        self,
        method: str,
        path: str,
        key: str | None,
        raw: bytes,
        apply: Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]],
    ) -> tuple[Write, bool]:
        """Take a write once per key, and say whether this was a repeat.

        The same key with the same content gets the first answer again; with other content it is refused with 422.
        """
        body = parse(raw)
        fingerprint = hashlib.sha256(b"\0".join((method.encode(), path.encode(), _canonical(body)))).hexdigest()
        if key is not None and (first := self._by_key.get(key)) is not None:
            if first.fingerprint != fingerprint:
                raise Problem(422, "Idempotency-Key used again", f"{key} was used for another request: take a new one")
            first.replays += 1
            return first, True
        status, answer = apply(body)
        taken = Write(
            at=self.now(),
            method=method,
            path=path,
            key=key,
            body=body,
            status=status,
            answer=answer,
            fingerprint=fingerprint,
        )
        self.writes.append(taken)
        if key is not None:
            self._by_key[key] = taken
        return taken, False

    def pending(self) -> list[Followup]:
        """The follow-ups that nobody has settled."""
        return [followup for followup in self.followups.values() if followup.status == "pending"]

    def context(self, followup: Followup) -> dict[str, Any]:
        """Everything that is known about a follow-up's matter."""
        entity = self.invoices.get(followup.entity_id or "") or self.orders.get(followup.entity_id or "")
        return {
            "followup_id": followup.id,
            "business_context": followup.business_context,
            "contact": self.contacts.get(followup.contact_id),
            "entity": entity,
        }

    def settle(self, followup: Followup, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a follow-up's new status and outcome."""
        status = body.get("status")
        if not isinstance(status, str):
            raise Problem(422, "The status is missing", 'the body must be {"status": "resolved", "outcome": "…"}')
        outcome = body.get("outcome")
        changed = msgspec.structs.replace(followup, status=status, outcome=None if outcome is None else str(outcome))
        self.followups[followup.id] = changed
        return 200, {"id": changed.id, "status": changed.status, "outcome": changed.outcome}

    def promise(self, invoice: Invoice, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a promise to pay by a date."""
        try:
            promised = date.fromisoformat(str(body.get("promised_date")))
        except ValueError as error:
            raise Problem(422, "The promised_date is wrong", "promised_date must be a date as 2026-02-20") from error
        number = 1 + sum(write.path.endswith("/promises") for write in self.writes)
        answer = {"promise_id": f"PRM-{number:04}", "invoice_id": invoice.id, "promised_date": promised.isoformat()}
        return 201, answer

    def claim(self, invoice: Invoice, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a contact's word that an invoice is paid, with the reference by which the money can be found."""
        reference = body.get("reference")
        if not isinstance(reference, str) or not reference.strip():
            raise Problem(
                422, "The reference is missing", "reference must be the payment's own, such as HDFCN226046111222"
            )
        number = 1 + sum(write.path.endswith("/payment-claims") for write in self.writes)
        return 201, {"claim_id": f"CLM-{number:04}", "invoice_id": invoice.id, "reference": reference}

    def pay(self, invoice: Invoice, amount: Decimal | None) -> Invoice:
        """Money has come in: `amount`, or all that was outstanding."""
        paid = invoice.amount_paid + (invoice.outstanding if amount is None else amount)
        settled = paid >= invoice.amount
        changed = msgspec.structs.replace(invoice, amount_paid=paid, paid_at=self.now() if settled else None)
        self.invoices[invoice.id] = changed
        return changed

    def payment(self, invoice: Invoice) -> dict[str, Any]:
        """How much of an invoice is paid."""
        paid = invoice.outstanding == 0
        return {
            "invoice_id": invoice.id,
            "paid": paid,
            "status": "paid" if paid else "partially_paid" if invoice.amount_paid else "unpaid",
            "amount": invoice.amount,
            "amount_paid": invoice.amount_paid,
            "outstanding": invoice.outstanding,
            "currency": invoice.currency,
            "due_date": invoice.due_date,
            "paid_at": invoice.paid_at,
        }

    def availability(self, stock: Stock, quantity: int) -> dict[str, Any]:
        """Whether so much of an article is there."""
        return {
            "sku": stock.sku,
            "name": stock.name,
            "requested": quantity,
            "available": stock.available,
            "in_stock": stock.available >= quantity,
            "restock_date": stock.restock_date,
        }

    def tracking(self, shipment: Shipment) -> dict[str, Any]:
        """Where a shipment is, and whether it comes later than was promised."""
        order = self.orders.get(shipment.order_id)
        return {
            "shipment_id": shipment.id,
            "order_id": shipment.order_id,
            "carrier": shipment.carrier,
            "status": shipment.status,
            "delivered": shipment.status == "delivered",
            "eta": shipment.eta,
            "delayed": order is not None and shipment.eta > order.promised_date,
            "movements": shipment.movements,
        }

    def issues(self, order: Order) -> dict[str, Any]:
        """What is wrong with an order."""
        still_open = sum(issue.status == "open" for issue in order.issues)
        return {"order_id": order.id, "status": order.status, "open_issues": still_open, "issues": order.issues}


def parse(raw: bytes) -> dict[str, Any]:
    """A JSON object, its numbers with all their digits. Raises `Problem`."""
    try:
        body = _BODY.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from error
    if not isinstance(body, dict):
        raise Problem(422, "The request has the wrong shape", "the body must be a JSON object")
    return body


def _canonical(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body, order="sorted")
