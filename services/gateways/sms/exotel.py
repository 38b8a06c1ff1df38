"""Calls of Exotel's SMS API: one form a message."""

import httpx

from libs.channels import sms_exotel
from libs.channels.outcome import Outcome
from libs.kit.http import TooLarge, retry_after, whole
from services.gateways.sms.door import ExotelDoor

_MAX_ANSWER = 1024 * 1024


async def send(client: httpx.AsyncClient, request: sms_exotel.Request, door: ExotelDoor) -> Outcome:
    """Post the form once and classify the answer."""
    url = door.base_url.rstrip("/") + request.path
    call = client.stream("POST", url, data=dict(request.form), auth=(door.api_key, door.api_token))
    try:
        async with call as answer:
            body = await whole(answer, most=_MAX_ANSWER)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        return sms_exotel.classify("not_connected")
    except (httpx.RequestError, TooLarge):
        return sms_exotel.classify("no_answer")
    return sms_exotel.classify(answer.status_code, body, retry_after=retry_after(answer.headers))
