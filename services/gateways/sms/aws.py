"""Calls of AWS by its own client, boto3, in threads: one attempt each, for an SMS has no idempotency key."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import lru_cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from libs.channels import sms_aws, sms_pinpoint, sms_sns
from libs.channels.outcome import Accepted, Outcome, Refused, Unknown
from libs.channels.sms_aws import Failure
from libs.channels.sms_items import scrubbed
from services.gateways.sms.door import AWS_LIMITS, AwsDoor

THREADS = AWS_LIMITS.concurrency
KEPT_CLIENTS = 64
_SERVICES = {"sns": "sns", "pinpoint": "pinpoint-sms-voice-v2"}
_NOBODY = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}
_MAKING = Lock()
_CLASSIFY = {"sns": sms_sns.classify, "pinpoint": sms_pinpoint.classify}


class AwsCalls:
    """Clients by account, and the threads that wait for them.

    `timeout` is that of the whole effect: connecting and reading take less together, so that a thread ends before it.
    """

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws-sms")
        self._clients: OrderedDict[AwsDoor, Any] = OrderedDict()

    async def send(self, arguments: Mapping[str, Any], door: AwsDoor) -> Outcome:
        """Call Publish or SendTextMessage once and classify the answer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._send, arguments, door)

    async def warm(self) -> None:
        """Read the models of both services, so that the first message does not spend its time on them."""
        await asyncio.get_running_loop().run_in_executor(self._threads, warm)

    def close(self) -> None:
        """Let the threads end; what has begun goes on to its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with _MAKING:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _send(self, arguments: Mapping[str, Any], door: AwsDoor) -> Outcome:
        client = self._client(door)
        try:
            call = client.publish if door.provider == "sns" else client.send_text_message
            answer = call(**arguments)
        except ClientError as error:
            return _CLASSIFY[door.provider](_failure(error))
        except ParamValidationError as error:
            return Refused("ParamValidation", f"a bug of ours: {scrubbed(str(error))}", "message")
        except (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError):
            return sms_aws.broken("not_connected")
        except (BotoCoreError, ResponseParserError):  # the second is none of the first: half an answer
            return sms_aws.broken("no_answer")
        message_id = answer.get("MessageId")
        if not isinstance(message_id, str) or not message_id:
            return Unknown("AWS answered success with a body that names no message")
        return Accepted(message_id)

    def _client(self, door: AwsDoor) -> Any:
        """The client of an account, kept while it is in use."""
        with _MAKING:
            client = self._clients.pop(door, None) or made(door, self._timeout.total_seconds())
            self._clients[door] = client
            while len(self._clients) > KEPT_CLIENTS:
                self._clients.popitem(last=False)
            return client


def warm() -> None:
    """Read the models of both services: 0.5 s the first time, after which a client is made in 3 ms."""
    with _MAKING:
        for service in _SERVICES.values():
            _session().client(service, region_name="us-east-1", **_NOBODY).close()  # type: ignore[call-overload]  # one of two names


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    """One for the process, for it keeps the models; not to be used by two threads at once."""
    return boto3.session.Session()


def made(door: AwsDoor, seconds: float) -> Any:
    """A client whose calls take `seconds` at most, in one attempt."""
    config = Config(
        connect_timeout=seconds * 0.3,
        read_timeout=seconds * 0.6,
        # `max_attempts` would count retries, and one retry of a lost answer is a second SMS
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=THREADS,
        proxies={},
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in the stubs
    )
    return _session().client(
        _SERVICES[door.provider],  # type: ignore[call-overload]  # one of two literal names
        region_name=door.region,
        endpoint_url=door.endpoint_url,
        aws_access_key_id=door.access_key_id,
        aws_secret_access_key=door.secret_access_key,
        aws_session_token=door.session_token,
        config=config,
    )


def _failure(error: ClientError) -> Failure:
    """What a client's error says, as far as it says it."""
    answer: Mapping[str, Any] = error.response
    document, about = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    named = answer.get("Fields") or ()
    return Failure(
        status=int(about.get("HTTPStatusCode") or 400),
        code=str(document.get("Code") or "Unknown"),
        message=str(document.get("Message") or ""),
        reason=str(answer["Reason"]) if answer.get("Reason") else None,
        fields=tuple(str(each.get("Name")) for each in named if isinstance(each, Mapping)),
    )
