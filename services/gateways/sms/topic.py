"""SNS's side door: the certificates that sign its envelopes, and subscriptions that we confirm."""

from collections import OrderedDict
from datetime import datetime

import httpx
import structlog

from libs.channels import sms_envelope
from libs.channels.sms_envelope import Envelope
from libs.channels.sms_items import Malformed
from libs.kit.problems import Problem
from services.gateways.desk import Desk
from services.gateways.settings import SMS
from services.gateways.sms.door import AwsDoor

log = structlog.get_logger(__name__)

KEPT = 32
LONGEST_CERTIFICATE = 64 * 1024
RAW_DELIVERY = "x-amz-sns-rawdelivery"


class Topics:
    """Opens what SNS posts."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._certificates: OrderedDict[str, bytes] = OrderedDict()

    async def open(self, raw: bytes, raw_delivery: str | None, door: AwsDoor, now: datetime) -> Envelope:
        """The envelope, verified. Raises Malformed, and Problem: 401 unsigned or wrongly, 403 a topic or time that is not ours."""
        if (raw_delivery or "").lower() == "true":
            raise refused(401, "unsigned", "raw message delivery has no signature: turn it off for this subscription")
        envelope = sms_envelope.read(raw)
        if envelope.TopicArn not in door.options.topic_arns:
            raise refused(403, "topic", "this topic is none of channels.sms.topic_arns")
        if not sms_envelope.is_fresh(envelope, now):
            raise refused(403, "stale", "the envelope is too old to be SNS's own repetition, or from the future")
        if not sms_envelope.is_trusted_certificate(envelope.SigningCertURL, door.stand_in):
            raise refused(401, "certificate", "SigningCertURL is no address of SNS's certificates")
        if not sms_envelope.verify(envelope, await self._certificate(envelope.SigningCertURL)):
            raise refused(401, "signature", "the envelope is not signed by the certificate that it names")
        return envelope

    async def confirm(self, envelope: Envelope, door: AwsDoor) -> None:
        """Say yes to a subscription. Raises Problem: 403 for an address that is none of SNS's, 502 where SNS says no."""
        url = envelope.SubscribeURL
        if url is None or not sms_envelope.is_trusted_confirmation(url, envelope.TopicArn, door.stand_in):
            raise refused(403, "subscription", "SubscribeURL does not confirm this topic at SNS")
        try:
            answer = await self._client.get(url)
        except httpx.HTTPError as error:
            raise Problem(502, "The subscription could not be confirmed", type(error).__name__) from error
        if not answer.is_success:
            raise Problem(502, "The subscription could not be confirmed", f"SNS answered {answer.status_code}")
        log.info("a subscription of SNS is confirmed", topic=envelope.TopicArn)

    async def _certificate(self, url: str) -> bytes:
        """The certificate (PEM) at a trusted address; it never changes there."""
        known = self._certificates.get(url)
        if known is not None:
            self._certificates.move_to_end(url)
            return known
        try:
            answer = await self._client.get(url)
        except httpx.HTTPError as error:
            raise _away(type(error).__name__) from error
        if answer.status_code >= 500:
            raise _away(f"SNS answered {answer.status_code}")
        if not answer.is_success or len(answer.content) > LONGEST_CERTIFICATE:
            raise refused(401, "certificate", f"there is no certificate at SigningCertURL ({answer.status_code})")
        self._certificates[url] = answer.content
        while len(self._certificates) > KEPT:
            self._certificates.popitem(last=False)
        return answer.content


def refused(status: int, reason: str, detail: str) -> Problem:
    """A webhook that is not taken, counted."""
    Desk.refuse(SMS, reason)
    titles = {401: "The webhook is not authenticated", 403: "The webhook is not for us"}
    return Problem(status, titles.get(status), detail)


def malformed(error: Malformed) -> Problem:
    """400 for what cannot be read, 422 for another shape."""
    Desk.refuse(SMS, "shape")
    finding = {"in": "body", "path": error.path, "message": error.problem}
    return Problem(400 if error.syntax else 422, "The webhook has the wrong shape", str(error), errors=[finding])


def _away(reason: str) -> Problem:
    return Problem(503, "The certificate cannot be had now", reason, headers={"retry-after": "5"})
