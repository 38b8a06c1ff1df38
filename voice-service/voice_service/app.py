"""The service's table of contents: a reactor, the dialling, the calls that go on, and the poll for those that say nothing."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from libs.config.bundle import Bundle
from libs.kit import http
from libs.kit.auth import Auth
from libs.kit.bundles import Bundles
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from voice_service import pipecat_log, reads
from voice_service.account import Account
from voice_service.brain import Brain
from voice_service.calls import Calls
from voice_service.carriers import carriers
from voice_service.desk import Desk
from voice_service.dial import EVIDENCE, Dialler
from voice_service.elsewhere import Elsewhere
from voice_service.facts import Facts
from voice_service.flow import Flow
from voice_service.guides import Guides
from voice_service.handle import CONSUMER, DIAL, LEDGER, Handlers, target
from voice_service.http import routes
from voice_service.leases import BEAT, LEASE, Worker
from voice_service.measures import Siblings
from voice_service.orphans import Orphans
from voice_service.poll import EVERY_S, Poll
from voice_service.providers.shared import Shared
from voice_service.reads import shown
from voice_service.recording import Recordings
from voice_service.settings import Settings
from voice_service.summary import SUMMARISE, Summariser
from voice_service.telephony import RING_S
from voice_service.transfers import Transfers

NAME = "voice"
TIMEOUT = timedelta(seconds=10)
SUMMARIES = 4
"""How many are written at once: calls come first."""


async def build(
    settings: Settings,
    *,
    store: Store,
    bus: Bus,
    clock: Clock,
    timeout: timedelta = TIMEOUT,
    evidence: timedelta = EVIDENCE,
    poll_every_s: float = EVERY_S,
    beat: timedelta = BEAT,
    lease: timedelta = LEASE,
    ring_seconds: int = RING_S,
) -> App:
    """The service. `timeout` bounds a request to a carrier; `evidence` how long a lost one may be explained.

    `beat` is how often the process proves that it lives, `lease` the silence after which its calls are ended by a sibling.
    """
    pipecat_log.into_ours()
    bundles: Bundles[Bundle] = Bundles(store, Bundle.from_json)
    client = http.client(timeout=timeout)
    auth = Auth(store.tenants, profile=settings.profile)
    calls = Calls()
    facts = Facts(store, clock)
    shared = Shared(settings.folder)
    worker = Worker(
        store,
        name=settings.worker,
        origin=settings.origin,
        lines=settings.calls,
        given_up=shared.quiet,
        beat=beat,
        lease=lease,
    )
    guides = Guides(store, settings.shard)
    recordings = Recordings(store, clock, facts, calls.live, settings.objects_url, every_s=poll_every_s)
    transfers = Transfers(settings, store, bundles, facts, client, every_s=poll_every_s)
    siblings = Siblings(
        store, lambda: worker.id, lambda: calls.measures.tenants | calls.tenants, partial(shown, calls, worker.name)
    )
    desk = Desk(settings, store, bundles, clock, calls, facts, worker, shared, guides, recordings, transfers)
    flow = Flow(settings, store, bundles, clock, worker, shared, transfers)
    elsewhere = Elsewhere(store, bundles, clock, facts, Brain(settings, clock, shared))
    lines = carriers(settings, client, clock, worker.name, desk.told, desk.talks)
    dialler = Dialler(settings, bundles, clock, lines, worker, shared, ring_seconds)
    reactor = Reactor(
        CONSUMER,
        settings.shard,
        Handlers(recordings.wake).table(),
        store=store,
        bus=bus,
        clock=clock,
        own_families=frozenset(),  # calls and workers write `call` too: versions come from the log
        source=NAME,
        target=target,
    )
    ledger = EffectLedger(
        LEDGER,
        {DIAL: dialler.kind(timeout=timeout, wait=evidence)},
        store=store,
        clock=clock,
        source=NAME,
        room=worker.room,
    )
    summariser = Summariser(settings, store, bundles, clock)
    afterwards = EffectLedger(
        LEDGER, {SUMMARISE: summariser.kind()}, store=store, clock=clock, source=NAME, slots=SUMMARIES
    )
    poll = Poll(settings, store, bundles, lines, desk.told, worker, every_s=poll_every_s)
    orphans = Orphans(store, facts, worker)
    account = Account(settings, store, bundles)

    async def ready() -> Mapping[str, str]:
        await store.pool.fetchval("SELECT 1")
        return {"nats": "ok" if bus.connected else "not connected", **reactor.health()}

    def drain() -> None:
        worker.draining = True

    async def close() -> None:
        for carrier in lines.values():
            await carrier.close()
        await worker.end()
        await shared.close()
        await summariser.close()
        await client.aclose()

    return App(
        name=NAME,
        routes=[
            *routes(desk.door, desk.told, desk.talks, elsewhere, flow, transfers, auth, clock),
            *reads.routes(siblings, recordings, bundles, auth),
        ],
        loops=[
            Loop("reactor", reactor.run),
            Loop("effects", ledger.run),
            Loop("summaries", afterwards.run),
            Loop("heartbeat", worker.run),
            Loop("orphans", orphans.run),
            Loop("guides", guides.run),
            Loop("poll", poll.run),
            Loop("transfers", transfers.run),
            Loop("account", account.run),
            Loop("recordings", recordings.run),
            Loop("siblings", siblings.run),
        ],
        ready=ready,
        drain=drain,
        busy=worker.busy,
        expects=worker.expects,
        close=close,
    )
