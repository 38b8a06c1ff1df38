"""The templates that Meta has registered: listed, kept as rows, compared with the bundle, and asked before a template goes out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import structlog

from libs.channels import whatsapp
from libs.channels.outcome import Refused
from libs.channels.whatsapp_templates import (
    FIELDS,
    PAGE,
    Difference,
    Registered,
    Sent,
    differences,
    list_path,
    read_page,
    refusal,
    status_after,
)
from libs.config.bundle import Bundle
from libs.config.model import MessageTemplate
from libs.kit import telemetry
from libs.kit.appends import asking_postgres
from libs.kit.bundles import NothingPublished
from services.gateways.port import Tools
from services.gateways.settings import WHATSAPP, ChannelOff, Settings
from services.gateways.whatsapp.call import Graph
from services.gateways.whatsapp.door import WhatsAppDoor, door_of

log = structlog.get_logger(__name__)

HOURLY_S = 3600.0
RETRY_S = 1.0  # after a list that could not be had; doubled each time
RETRY_AT_MOST_S = 600.0
AGAIN_S = 60.0  # at the earliest for a template that is not on the list
MOST_PAGES = 100  # of 100 templates; Meta registers 6,000 for an account at most
CHANGED = "whatsapp_templates"
"""What Postgres notifies when a tenant's rows have changed."""

_TROUBLE = telemetry.gauge("whatsapp_templates_differ", "Templates of the bundle that Meta would not take.", "tenant")
_LISTED = telemetry.counter("whatsapp_templates_listed", "Times that Meta's list was asked for.", "outcome")

_ROWS = """SELECT name, language, status, category, parameters, header, header_parameters
FROM gateways.whatsapp_template WHERE tenant = $1 ORDER BY name, language"""
_LISTING = "SELECT business FROM gateways.whatsapp_listing WHERE tenant = $1"
_FORGET = "DELETE FROM gateways.whatsapp_template WHERE tenant = $1"
_KEEP = """INSERT INTO gateways.whatsapp_template
    (tenant, name, language, status, category, parameters, header, header_parameters)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"""
_TOLD = """UPDATE gateways.whatsapp_template SET status = $4 WHERE tenant = $1 AND name = $2 AND language = $3"""
_NOTED = """INSERT INTO gateways.whatsapp_listing (tenant, business) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE SET business = excluded.business, listed_at = now()"""
_NOTIFY = "SELECT pg_notify('whatsapp_templates', $1)"
_DEGRADED = """UPDATE gateways.account SET degraded = $3
WHERE tenant = $1 AND account = $2 AND degraded IS DISTINCT FROM $3"""


class NotListed(Exception):
    """Meta did not give its list of templates; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the WhatsApp channel that its owner should know; `trouble` is one word for it."""

    trouble: str
    says: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A tenant's rows: what its business account had registered."""

    business: str
    statuses: Mapping[tuple[str, str], str]
    registered: Sequence[Registered] = field(repr=False, default=())


async def findings(bundle: Bundle, settings: Settings, client: httpx.AsyncClient) -> list[Finding]:
    """What `converse doctor` says of a bundle's templates: asks Meta for its list and sends nothing. Empty: all is well."""
    try:
        door = door_of(settings, bundle)
    except ChannelOff:
        return []
    if door.business_id is None:
        return [Finding("not_compared", "business_account_id is not set: the templates are not compared with Meta's")]
    try:
        registered = await listed(door, Graph(client))
    except NotListed as error:
        return [Finding("not_listed", str(error))]
    return [Finding(each.trouble, each.says) for each in _compared(door, bundle, registered)]


async def listed(door: WhatsAppDoor, graph: Graph) -> list[Registered]:
    """Every template of the business account, page by page. Raises NotListed."""
    registered: list[Registered] = []
    query: dict[str, str | int] = {"fields": FIELDS, "limit": PAGE}
    for _ in range(MOST_PAGES):
        answer = await graph.get(list_path(door.business_id or ""), door, query)
        page = read_page(answer.body) if answer.well else None
        if page is None:
            error = whatsapp.error_of(answer.body)
            why = f"error {error[0]}" if error else f"{answer.status}"
            raise NotListed(f"Meta does not list the templates of the business account: {why}")
        registered += page.templates
        if page.after is None:
            return registered
        query["after"] = page.after
    raise NotListed(f"Meta's list of templates does not end after {MOST_PAGES} pages")


class Templates:
    """Keeps every tenant's rows in step with Meta, and knows from them what can be sent."""

    def __init__(self, settings: Settings, tools: Tools, graph: Graph) -> None:
        self._settings = settings
        self._tools = tools
        self._graph = graph
        self._known: dict[str, _Known] = {}
        self._troubles: dict[str, str] = {}
        self._stale: set[str] = set()  # whose rows have changed
        self._due: dict[str, float] = {}  # when a list is to be asked for, by time.monotonic(); without: now
        self._listed: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._wake = asyncio.Event()
        tools.store.listener.on("bundle", self._ask)
        tools.store.listener.on(CHANGED, self._changed)

    def refusal(self, tenant: str, door: WhatsAppDoor, name: str, language: str) -> Refused | None:
        """Why Meta would not take a template, as far as its list tells; None where it would, or where nobody knows.

        One that is not on the list may have been registered since: the list is asked for again.
        """
        known = self._known.get(tenant)
        if known is None or known.business != door.business_id:
            return None
        status = known.statuses.get((name, language))
        if status is None and time.monotonic() - self._listed.get(tenant, 0.0) > AGAIN_S:
            self._ask(tenant)
        return refusal(name, language, status)

    def health(self) -> Mapping[str, str]:
        """What Meta would not take, by tenant."""
        return {
            f"whatsapp templates of {tenant}": f"ok: {trouble}" for tenant, trouble in sorted(self._troubles.items())
        }

    async def told(self, tenant: str, update: whatsapp.TemplateUpdate) -> None:
        """Meta's webhook says that a template has another status; the list is asked for again, for the rest of it."""
        pool = self._tools.store.pool
        with asking_postgres():
            await pool.execute(_TOLD, tenant, update.name, update.language, status_after(update.event))
            await pool.execute(_NOTIFY, tenant)
        log.warning(
            "Meta changed a template", tenant=tenant, template=update.name, told=update.event, reason=update.reason
        )
        self._ask(tenant)

    async def run(self) -> None:
        """List at once, at every publication, when a webhook tells of a change, and every hour; sooner after a failure."""
        while True:
            self._wake.clear()
            stale, self._stale = self._stale, set()
            for tenant in [each.name for each in await self._tools.store.tenants.all()]:
                if time.monotonic() >= self._due.get(tenant, 0.0):
                    await self._keep(tenant)
                elif tenant in stale:
                    await self._load(tenant)
            pause = min(self._due.values(), default=time.monotonic() + HOURLY_S) - time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, pause)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _changed(self, tenant: str | None) -> None:
        """The rows of a tenant, or of nobody knows whom."""
        if tenant is None:
            self._due.clear()
        else:
            self._stale.add(tenant)
        self._wake.set()

    def _ask(self, tenant: str | None) -> None:
        """Ask for a tenant's list again, or for everybody's."""
        if tenant is None:
            self._due.clear()
        else:
            self._due.pop(tenant, None)
        self._wake.set()

    async def _keep(self, tenant: str) -> None:
        """Bring the rows in step; where Meta does not answer, they stay as they are."""
        self._due[tenant] = time.monotonic() + HOURLY_S
        try:
            bundle = await self._tools.bundles.current(tenant)
            door = door_of(self._settings, bundle)
        except (ChannelOff, NothingPublished):
            self._known.pop(tenant, None)
            await self._note(tenant, None)
            return
        if door.business_id is not None:
            try:
                registered = await listed(door, self._graph)
            except NotListed as error:
                await self._failed(tenant, error)
                return
            _LISTED.labels("listed").inc()
            self._failures.pop(tenant, None)
            self._listed[tenant] = time.monotonic()
            if registered or door.mode == "live":
                await self._write(tenant, door.business_id, registered)
        await self._load(tenant)

    async def _failed(self, tenant: str, error: NotListed) -> None:
        """Go on with what is known, and say so from the second time on: at the start the other side may not be up yet."""
        _LISTED.labels("failed").inc()
        failures = self._failures[tenant] = self._failures.get(tenant, 0) + 1
        after = min(RETRY_S * 2 ** (failures - 1), RETRY_AT_MOST_S)
        self._due[tenant] = time.monotonic() + after
        log.warning("the templates could not be listed", tenant=tenant, error=str(error), after_s=after)
        await self._load(tenant)
        if failures > 1:
            await self._note(tenant, str(error))

    async def _write(self, tenant: str, business: str, registered: Sequence[Registered]) -> None:
        rows = [
            (
                tenant,
                each.name,
                each.language,
                each.status,
                each.category,
                list(each.parameters),
                each.header,
                each.header_parameters,
            )
            for each in registered
        ]
        async with self._tools.store.pool.acquire() as connection, connection.transaction():
            await connection.execute(_FORGET, tenant)
            await connection.executemany(_KEEP, rows)
            await connection.execute(_NOTED, tenant, business)
            await connection.execute(_NOTIFY, tenant)

    async def _load(self, tenant: str) -> None:
        """Know what the rows say, and say how they differ from the bundle."""
        pool = self._tools.store.pool
        business = await pool.fetchval(_LISTING, tenant)
        try:
            bundle = await self._tools.bundles.current(tenant)
            door = door_of(self._settings, bundle)
        except (ChannelOff, NothingPublished):
            return
        if business is None or business != door.business_id:
            self._known.pop(tenant, None)
            await self._note(tenant, None)
            return
        registered = [
            Registered(**{**dict(row), "parameters": tuple(row["parameters"])})
            for row in await pool.fetch(_ROWS, tenant)
        ]
        statuses = {(each.name, each.language): each.status for each in registered}
        self._known[tenant] = _Known(business, statuses, registered)
        found = _compared(door, bundle, registered)
        _TROUBLE.labels(tenant).set(len(found))
        for each in found:
            log.warning("a template differs from Meta's", tenant=tenant, trouble=each.trouble, says=each.says)
        await self._note(tenant, "; ".join(each.says for each in found) or None)

    async def _note(self, tenant: str, trouble: str | None) -> None:
        """Show it in the channel's health."""
        if trouble is None:
            self._troubles.pop(tenant, None)
        else:
            self._troubles[tenant] = trouble
        await self._tools.store.pool.execute(_DEGRADED, tenant, WHATSAPP, trouble)


def _compared(door: WhatsAppDoor, bundle: Bundle, registered: Sequence[Registered]) -> list[Difference]:
    """The emulator without a list takes any template, and differs in nothing."""
    if door.mode == "sandbox" and not registered:
        return []
    return differences((_sent(each) for each in bundle.templates.get(WHATSAPP, {}).values()), registered)


def _sent(template: MessageTemplate) -> Sent:
    headers = [each for each in template.components or () if each["type"] == "header"]
    kind = headers[0]["parameters"][0]["type"].upper() if headers else None
    return Sent(template.name, template.language, template.body_variables, kind)
