"""The carriers that this process has, by the name that the bundle's channel gives them."""

from collections.abc import Mapping

import httpx

from libs.kit.clock import Clock
from voice_service.exotel import Exotel
from voice_service.settings import EXOTEL, SIP, Settings
from voice_service.telephony import Carrier, Talks, Told

try:
    from voice_service.sip import SipTrunk
    from voice_service.sip_stack import SipStack
except ModuleNotFoundError:  # baresip-python has wheels for Linux only
    SIP_IS_HERE = False
else:
    SIP_IS_HERE = True


def carriers(
    settings: Settings, client: httpx.AsyncClient, clock: Clock, worker: str, told: Told, talks: Talks
) -> Mapping[str, Carrier]:
    """`worker` is this process's name; `told` and `talks` take what the carriers tell."""
    found: dict[str, Carrier] = {EXOTEL: Exotel(client, clock, worker)}
    if SIP_IS_HERE:
        found[SIP] = SipTrunk(SipStack(settings.sip), clock, told, talks)
    return found
