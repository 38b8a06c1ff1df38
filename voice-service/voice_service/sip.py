"""A SIP trunk as a carrier: calls from INVITE to BYE over the stack of this process, which has their media, too.

baresip does the protocol (digest or by address, retransmission, CANCEL, RTP); we say whom to call and tell what came of it.
Source of what trunks demand: Exotel's vSIP guides (TCP 5070 or TLS 443, no REGISTER, From domain of the account, telephone-event
96, 200 calls a minute) as of August 2026.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from baresip import (
    BaresipError,
    Call,
    CallBusy,
    CallDeclined,
    CallFailed,
    CallTimeout,
    CommandTimeout,
    NoLocalAddressError,
    StackEvent,
)

from libs.channels.call_status import OVER, State, Status
from libs.channels.outcome import Accepted, Outcome, Refused, Retry, Scope, Unknown
from libs.config.sip import Trunk
from libs.kit.clock import Clock
from voice_service import sip_stack
from voice_service.settings import Door
from voice_service.sip_media import SipMedia
from voice_service.sip_stack import OUR_CALL, SipStack
from voice_service.telephony import Asked, Talks, Told, Wanted

log = structlog.get_logger(__name__)

AGAIN_S = 0.5
"""After so long the end of a call is told again that nobody took."""

_REFUSED: Mapping[int, tuple[str, Scope]] = {
    401: ("the trunk does not take our credentials", "account"),
    402: ("the trunk wants to be paid", "account"),
    403: ("the trunk does not let this call through", "message"),
    404: ("nobody has this number", "contact"),
    407: ("the trunk does not take our credentials", "account"),
    410: ("the number is gone", "contact"),
    484: ("the number is incomplete", "contact"),
    604: ("nobody has this number", "contact"),
}
"""Answers that no phone rang for, and whom they are about (RFC 3261, 21.4 and 21.6)."""
_NO_ANSWER = frozenset({408, 480, 487})
_BUSY = frozenset({600})


class SipTrunk:
    """Adapter of telephony.Carrier. The stack starts with the first call."""

    def __init__(self, stack: SipStack, clock: Clock, told: Told, talks: Talks) -> None:
        self._stack = stack
        self._clock = clock
        self._told = told
        self._talks = talks
        self._live: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def place(self, door: Door, wanted: Wanted) -> Outcome:
        """Send an INVITE; what becomes of it is told from here, and its media are talked on here."""
        if door.trunk is None or wanted.elsewhere is not None:
            return Refused("sip", "a SIP call needs a trunk, and its media come here", "account")
        trunk, call = door.trunk, str(wanted.call)
        early: list[StackEvent] = []
        try:
            agent = await self._stack.agent(trunk, door.caller_id)
            with self._stack.hears(early.append):
                placed = await agent.dial(address(wanted.to, trunk), headers={OUR_CALL: call})
        except NoLocalAddressError:
            return Retry("no way leads to the trunk")
        except CommandTimeout:
            return Unknown("the SIP stack has not said whether the INVITE went out")
        except (BaresipError, ValueError) as error:
            return Refused("sip", f"no INVITE was sent: {error}", "account")
        rings = sip_stack.ringing(placed)
        for event in early:  # an answer may be quicker than the call's own listener: the library loses it
            placed._on_stack_event(event)
        self._live.add(call)
        self._spawn(self._follow(placed, rings, wanted))
        return Accepted(call)

    async def ask(self, door: Door, asked: Asked) -> Status | None:
        """Only the process that placed a call knows of it: where that is gone, or has lost it, the call is, too."""
        call = str(asked.call)
        if asked.dialler == "another" or call in self._live:
            return None
        return self._status(call, "failed")

    async def close(self) -> None:
        """Hang up what still goes on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._stack.close()

    async def listen(self, trunk: Trunk, number: str, arrives: Callable[[Call], Awaitable[None]]) -> None:
        """Whoever calls `number` over the trunk is handed to `arrives`, which answers or rejects."""
        agent = await self._stack.agent(trunk, number)
        agent.on_incoming(lambda incoming: self._spawn(arrives(incoming)))

    async def _follow(self, placed: Call, rings: asyncio.Event, wanted: Wanted) -> None:
        """Tell each thing that happens, in order, until the call is over."""
        call = str(wanted.call)
        try:
            await self._tell(wanted.tenant, await self._carried(placed, rings, wanted))
        finally:
            self._live.discard(call)
            await sip_stack.hang_up(placed)

    async def _carried(self, placed: Call, rings: asyncio.Event, wanted: Wanted) -> Status:
        """Until it is over; how it ended."""
        call = str(wanted.call)
        over = sip_stack.closing(placed)
        taken = asyncio.ensure_future(placed.wait_established(wanted.ring_seconds))
        ringing = asyncio.ensure_future(rings.wait())
        await asyncio.wait((taken, ringing), return_when=asyncio.FIRST_COMPLETED)
        ringing.cancel()
        if rings.is_set():
            await self._tell(wanted.tenant, self._status(call, "ringing"))
        try:
            await taken
        except CallFailed as failed:
            log.info("a SIP call was not answered", call=call, status=failed.status, **{"pii.reason": str(failed)})
            state, refused = unanswered(failed)
            return self._status(call, state, refused=refused)
        answered_at = self._clock.now()
        media = SipMedia(placed, call)
        await self._tell(wanted.tenant, self._status(call, "answered"))
        try:
            async with asyncio.timeout(wanted.max_seconds):
                await self._talks(wanted.tenant, media)
        except TimeoutError:
            log.warning("a SIP call is cut off: it has lasted as long as it may", call=call)
        except Exception:
            log.exception("a SIP call broke", call=call)
        await media.hang_up()
        await over.wait()
        return self._status(call, "completed", seconds=round((self._clock.now() - answered_at).total_seconds()))

    async def _tell(self, tenant: str, status: Status) -> None:
        """An end until it is taken: nobody else knows of it. The rest once."""
        while True:
            try:
                await self._told(tenant, status)
                return
            except Exception:
                log.exception("what became of a SIP call was not taken", call=status.call, state=status.state)
                if status.state not in OVER:
                    return
            await asyncio.sleep(AGAIN_S)

    def _status(self, call: str, state: State, *, seconds: int = 0, refused: Refused | None = None) -> Status:
        return Status(ref=call, state=state, at=self._clock.now(), call=call, seconds=seconds, refused=refused)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("following a SIP call broke", exc_info=error)


def address(number: str, trunk: Trunk) -> str:
    """Whom an INVITE is for: the number, at the trunk."""
    return f"sip:{number}@{trunk.host}:{trunk.port};transport={trunk.transport}"


def unanswered(failed: CallFailed) -> tuple[State, Refused | None]:
    """What a call is that nobody took, and the refusal where no phone rang."""
    code = failed.status or 0
    if isinstance(failed, CallTimeout) or code in _NO_ANSWER:
        return "no_answer", None
    if isinstance(failed, CallBusy | CallDeclined) or code in _BUSY:
        return "busy", None
    if code in _REFUSED:
        reason, scope = _REFUSED[code]
        return "failed", Refused(code, reason, scope)
    return "failed", None
