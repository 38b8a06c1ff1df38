"""The ERP's REST API, and the controls under `/_sandbox/erp`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from libs.kit.problems import Problem
from services.sandbox.erp import JSON, Call, Erp, ErpFault, parse
from services.sandbox.erp_seed import Contact, Followup, Invoice, Order, Shipment, Stock
from services.sandbox.state import deliver

API = "/sandbox/erp"
"""The path to append to the origin for `backend.base_url`."""

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money for an invoice; without an amount, all that is outstanding."""

    invoice_id: str
    amount: Decimal | None = None


def api(erp: Erp) -> Router:
    """The endpoints that the shipped bundle names."""

    async def read(request: AnyRequest, find: Callable[[], Any]) -> Response[bytes]:
        fault = erp.admit(request.method, _path(request), None, request.headers.get("authorization", ""))
        return await deliver(_json(find()), fault.answer, request, fault.seconds)

    async def write(
        request: AnyRequest, apply: Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]
    ) -> Response[bytes]:
        key, path, raw = _key(request), _path(request), await request.body()
        fault = erp.admit(request.method, path, key, request.headers.get("authorization", ""))
        if fault.answer != "whole" and not fault.commits:
            return await deliver(_json({}), fault.answer, request, fault.seconds)
        taken, again = erp.write(request.method, path, key, raw, apply)
        response = _json(taken.answer, taken.status)
        if again:
            response.headers["idempotency-replayed"] = "true"
        return await deliver(response, fault.answer, request, fault.seconds)

    @get("/followups/pending")
    async def pending(request: AnyRequest) -> Response[bytes]:
        return await read(request, erp.pending)

    @get("/followups/{followup_id:str}/context")
    async def context(followup_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: erp.context(_found(erp.followups, followup_id, "follow-up")))

    @put("/followups/{followup_id:str}/status")
    async def settle(followup_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await write(request, lambda body: erp.settle(_found(erp.followups, followup_id, "follow-up"), body))

    @get("/contacts/search")
    async def search(
        request: AnyRequest, channel: FromQuery[str] = "", address: FromQuery[str] = ""
    ) -> Response[bytes]:
        def find() -> list[Contact]:
            return [
                contact
                for contact in erp.contacts.values()
                if any(channel in ("", known.channel) and _same(address, known.address) for known in contact.channels)
            ]

        return await read(request, find)

    @get("/contacts/{contact_id:str}")
    async def contact(contact_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: _found(erp.contacts, contact_id, "contact"))

    @get("/payments/{invoice_id:str}/status")
    async def payment(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: erp.payment(_found(erp.invoices, invoice_id, "invoice")))

    @get("/inventory/check")
    async def stock(request: AnyRequest, sku: FromQuery[str] = "", quantity: FromQuery[int] = 1) -> Response[bytes]:
        return await read(request, lambda: erp.availability(_found(erp.stock, sku, "article"), quantity))

    @get("/shipments/{shipment_id:str}/track")
    async def track(shipment_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: erp.tracking(_found(erp.shipments, shipment_id, "shipment")))

    @get("/invoices/{invoice_id:str}")
    async def invoice(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: _found(erp.invoices, invoice_id, "invoice"))

    @get("/orders/{order_id:str}")
    async def order(order_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: _found(erp.orders, order_id, "order"))

    @get("/orders/{order_id:str}/issues")
    async def issues(order_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await read(request, lambda: erp.issues(_found(erp.orders, order_id, "order")))

    @post("/invoices/{invoice_id:str}/promises")
    async def promise(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await write(request, lambda body: erp.promise(_found(erp.invoices, invoice_id, "invoice"), body))

    @post("/invoices/{invoice_id:str}/payment-claims")
    async def payment_claim(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await write(request, lambda body: erp.claim(_found(erp.invoices, invoice_id, "invoice"), body))

    @post("/invoices/{invoice_id:str}/copies")
    async def copy(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        def take(_: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
            return 202, {"invoice_id": _found(erp.invoices, invoice_id, "invoice").id, "sent": True}

        return await write(request, take)

    @post("/invoices/{invoice_id:str}/outcome")
    async def invoice_outcome(invoice_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        def take(_: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
            return 200, {"invoice_id": _found(erp.invoices, invoice_id, "invoice").id, "recorded": True}

        return await write(request, take)

    @post("/orders/{order_id:str}/outcome")
    async def order_outcome(order_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        def take(_: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
            return 200, {"order_id": _found(erp.orders, order_id, "order").id, "recorded": True}

        return await write(request, take)

    @post("/contacts/{contact_id:str}/erased")
    async def contact_erased(contact_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        return await write(request, lambda _: (200, {"contact_id": contact_id, "recorded": True}))

    reads = [pending, context, search, contact, payment, stock, track, invoice, order, issues]
    writes = [settle, promise, payment_claim, copy, invoice_outcome, order_outcome, contact_erased]
    return Router(API, route_handlers=[*reads, *writes], include_in_schema=False)


def controls(erp: Erp) -> Router:
    """What a test or a demo asks of the emulator itself; what is added replaces what has the same id."""

    @get("/writes", sync_to_thread=False)
    def writes(key: FromQuery[str | None] = None) -> Response[bytes]:
        return _json([write for write in erp.writes if key in (None, write.key)])

    @get("/calls", sync_to_thread=False)
    def calls() -> list[Call]:
        return list(erp.calls)

    @post("/pay", status_code=200)
    async def pay(request: AnyRequest) -> Response[bytes]:
        data = await _exactly(request, Payment)
        return _json(erp.payment(erp.pay(_found(erp.invoices, data.invoice_id, "invoice"), data.amount)))

    @post("/faults", sync_to_thread=False)
    def faults(data: JSONBody[ErpFault | list[ErpFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            erp.faults.add(fault)
        return {"waiting": len(erp.faults)}

    @post("/contacts", sync_to_thread=False)
    def contact(data: JSONBody[Contact]) -> Response[bytes]:
        return _added(erp.contacts, data.id, data)

    @post("/invoices")
    async def invoice(request: AnyRequest) -> Response[bytes]:
        data = await _exactly(request, Invoice)
        return _added(erp.invoices, data.id, data)

    @post("/followups", sync_to_thread=False)
    def followup(data: JSONBody[Followup]) -> Response[bytes]:
        return _added(erp.followups, data.id, data)

    @post("/orders")
    async def order(request: AnyRequest) -> Response[bytes]:
        data = await _exactly(request, Order)
        return _added(erp.orders, data.id, data)

    @post("/shipments", sync_to_thread=False)
    def shipment(data: JSONBody[Shipment]) -> Response[bytes]:
        return _added(erp.shipments, data.id, data)

    @post("/stock", sync_to_thread=False)
    def stock(data: JSONBody[Stock]) -> Response[bytes]:
        return _added(erp.stock, data.sku, data)

    @post("/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        erp.reset()
        return {"status": "as at the start"}

    handlers = [writes, calls, pay, faults, contact, invoice, followup, order, shipment, stock, reset]
    return Router("/_sandbox/erp", route_handlers=handlers, include_in_schema=False)


def _added(books: dict[str, T], key: str, item: T) -> Response[bytes]:
    books[key] = item
    return _json(item, 201)


async def _exactly(request: AnyRequest, shape: type[T]) -> T:
    """The body with its amounts as they were written: 118750.50 keeps its last digit."""
    try:
        return msgspec.convert(parse(await request.body()), shape)
    except msgspec.ValidationError as error:
        raise Problem(422, "The request has the wrong shape", str(error)) from error


def _found(books: Mapping[str, T], key: str, noun: str) -> T:
    if key not in books:
        raise Problem(404, f"Unknown {noun}", f"there is no {noun} {key!r}")
    return books[key]


def _same(asked: str, known: str) -> bool:
    """Whether two addresses are one: without regard to case, spaces and the `+` of a phone."""

    def plain(address: str) -> str:
        return address.replace(" ", "").removeprefix("+").casefold()

    return plain(asked) == plain(known)


def _path(request: AnyRequest) -> str:
    return request.url.path.removeprefix(API)


def _key(request: AnyRequest) -> str | None:
    """The Idempotency-Key: a structured-field string; the quotes may be left out."""
    key = request.headers.get("idempotency-key", "").strip()
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key or None


def _json(body: Any, status: int = 200) -> Response[bytes]:
    return Response(JSON.encode(body), status_code=status, media_type="application/json")
