"""Calls of Exotel's SMS API: one form a message."""

import httpx

from libs.channels import sms_exotel
from libs.channels.outcome import Outcome
from libs.kit.http import retry_after
from services.gateways.sms.door import ExotelDoor


async def send(client: httpx.AsyncClient, request: sms_exotel.Request, door: ExotelDoor) -> Outcome:
    """Post the form once and classify the answer."""
    url = door.base_url.rstrip("/") + request.path
    try:
        answer = await client.post(url, data=dict(request.form), auth=(door.api_key, door.api_token))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        return sms_exotel.classify("not_connected")
    except httpx.RequestError:
        return sms_exotel.classify("no_answer")
    return sms_exotel.classify(answer.status_code, answer.content, retry_after=retry_after(answer.headers))
