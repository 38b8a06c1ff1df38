"""The mail of everybody in the sandbox: what was handed over reaches its contact, is told as events, and is answered."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime, formataddr, getaddresses
from typing import Literal

import httpx
import msgspec

from services.sandbox import mail_report, mailgun, sendgrid
from services.sandbox.contact import Contacts
from services.sandbox.contact_script import File
from services.sandbox.mail_quote import Quoted, Style, answer, style_for
from services.sandbox.mail_webhook import MailWebhooks, Post
from services.sandbox.settings import MailSettings
from services.sandbox.smtp import MailFault, SmtpServer, Taken
from services.sandbox.state import Background, Faults

Provider = Literal["sendgrid_raw", "sendgrid", "mailgun", "mailgun_mime"]


class Letter(msgspec.Struct, kw_only=True):
    """A mail that was handed over: one that two transactions carried is here twice. `reference`: our message id in its name."""

    id: str
    reference: str
    sender: str
    to: str
    name: str
    subject: str
    text: str
    html: str
    reply_to: str
    headers: dict[str, list[str]]
    files: list[str]
    at: datetime
    raw: str
    """Base64."""
    states: list[str] = msgspec.field(default_factory=list)


class Saying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A mail from a contact: an answer to the mail `answers` (its id; the last one to this contact without it), or a new one."""

    sender: str
    text: str = ""
    to: str | None = None
    answers: str | None = None
    new: bool = False
    """Whether it answers nothing."""
    name: str | None = None
    subject: str | None = None
    style: Style | None = None
    charset: str = "utf-8"
    provider: Provider | None = None
    headers: dict[str, str] = {}
    files: tuple[File, ...] = ()
    automatic: bool = False
    id: str | None = None
    without_thread: bool = False
    """The client names no message that it answers."""
    copies: int = 1


class PostOffice:
    """One mail provider with all that went through it. Times are business time, waits are machine time."""

    def __init__(
        self,
        settings: MailSettings,
        *,
        now: Callable[[], datetime],
        client: httpx.AsyncClient,
        contacts: Contacts,
        background: Background,
    ) -> None:
        self.settings = settings
        self.faults: Faults[MailFault] = Faults()
        self.webhooks = MailWebhooks(settings, client, background)
        self.server = SmtpServer(settings, now=now, faults=self.faults, take=self._take)
        self.letters: list[Letter] = []
        self.unreachable: set[str] = set()
        self._contacts = contacts
        self._background = background
        self._client = client
        self._now = now

    def reset(self) -> None:
        """As at the start; the server goes on and the callback URL stays."""
        self.faults.clear()
        self.letters.clear()
        self.unreachable.clear()
        self.webhooks.deliveries.clear()

    async def say(self, saying: Saying) -> str:
        """A contact writes to us; the mail's Message-ID."""
        answered = None if saying.new else self._answered(saying)
        to = saying.to or (answered.reply_to if answered else self.settings.address)
        id = saying.id or f"CAF{secrets.token_urlsafe(24)}@mail.gmail.example"
        raw = self._written(saying, answered, to=to, id=id)
        await self.bring(
            raw, sender="" if saying.automatic else saying.sender, to=to, by=saying.provider, copies=saying.copies
        )
        return id

    async def bring(self, raw: bytes, *, sender: str, to: str, by: Provider | None = None, copies: int = 1) -> None:
        """Post a whole mail to the business, as a provider does."""
        at, secret, key = self._now(), self.settings.webhook_secret, self.settings.mailgun_key
        post: Post
        match by or self.settings.provider:
            case "sendgrid_raw":
                post = sendgrid.raw(raw, sender=sender, to=[to], secret=secret, signed_at=at)
            case "sendgrid":
                post = sendgrid.parsed(raw, sender=sender, to=[to], secret=secret, signed_at=at)
            case "mailgun":
                post = mailgun.route(raw, sender=sender, to=[to], key=key, at=at)
            case "mailgun_mime":
                post = mailgun.route_mime(raw, sender=sender, to=[to], key=key, at=at)
        await self.webhooks.post(post, at, copies=copies)

    async def unsubscribe(self, letter: Letter) -> int:
        """The receiver's client follows the one-click header (RFC 8058); the answer's status, 0 without any."""
        offered = letter.headers.get("list-unsubscribe", [""])[0]
        link = next((part.strip(" <>") for part in offered.split(",") if part.strip(" <").startswith("http")), None)
        if link is None or "list-unsubscribe-post" not in letter.headers:
            return 0
        try:
            answered = await self._client.post(link, data={"List-Unsubscribe": "One-Click"})
        except httpx.HTTPError:
            return 0
        return answered.status_code

    def last_to(self, address: str) -> Letter | None:
        """The last mail that somebody got."""
        return next((each for each in reversed(self.letters) if each.to.lower() == address.lower()), None)

    def _answered(self, saying: Saying) -> Letter | None:
        if saying.answers is None:
            return self.last_to(saying.sender)
        return next((each for each in reversed(self.letters) if saying.answers in (each.id, each.reference)), None)

    def _take(self, taken: Taken, fault: MailFault) -> None:
        letter = _read(taken)
        if fault.rewrites_id:
            letter.id = f"{secrets.token_hex(20)}@relay.example"
        self.letters.append(letter)
        self._background.start(self._carry(letter, fault))

    async def _carry(self, letter: Letter, fault: MailFault) -> None:
        """The way of a mail to its contact, told by events and reports; then the contact reads it, and may answer."""
        await asyncio.sleep(fault.late)
        bounces = fault.bounces or ("5.1.1" if letter.to.lower() in self.unreachable else None)
        if fault.delayed:
            await self._report(letter, mail_report.delayed(letter.sender, letter.to, letter.id, letter.headers))
        if bounces is not None and fault.told_by != "event":
            letter.states.append("bounced")
            write = mail_report.bounced if fault.told_by == "report" else mail_report.unformed
            await self._report(letter, write(letter.sender, letter.to, letter.id, bounces, letter.headers))
            return
        await self._tell(letter, ["processed", "bounce" if bounces else "delivered"], fault, bounces)
        if bounces is None:
            if fault.complains == "event":
                await self._tell(letter, ["spamreport"], fault, None)
            elif fault.complains == "report":
                await self._report(letter, mail_report.complaint(letter.sender, letter.to, letter.id, letter.headers))
            self._contacts.hear(
                "email", letter.to, letter.text, subject=letter.subject, id=letter.id, account=letter.reply_to
            )

    async def _tell(self, letter: Letter, names: list[str], fault: MailFault, bounces: str | None) -> None:
        letter.states += names
        if fault.silent:
            return
        at = self._now()
        more = _bounce(bounces) if bounces else {}
        items = [
            sendgrid.event(name, to=letter.to, message_id=letter.id, at=at, **(more if name == "bounce" else {}))
            for name in (reversed(names) if fault.order == "backwards" else names)
        ]
        for batch in [items] if fault.batched else [[item] for item in items]:
            await asyncio.sleep(self.settings.delivered_after)
            await self.webhooks.post(sendgrid.events(batch, at), at, copies=fault.copies)

    async def _report(self, letter: Letter, raw: bytes) -> None:
        await asyncio.sleep(self.settings.delivered_after)
        await self.bring(raw, sender="", to=letter.sender)

    def _written(self, saying: Saying, answered: Letter | None, *, to: str, id: str) -> bytes:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = formataddr((saying.name or self._contacts.name(saying.sender), saying.sender))
        mail["To"] = to
        subject = saying.subject or (answered.subject if answered else "Question")
        away = "Automatic reply: " if saying.automatic else "" if answered is None else "Re: "
        mail["Subject"] = subject if subject.startswith("Re: ") and not saying.automatic else away + subject
        mail["Date"] = format_datetime(self._now())
        mail["Message-ID"] = f"<{id}>"
        if answered is not None and not saying.without_thread:
            before = answered.headers.get("references", [""])[0]
            mail["In-Reply-To"] = f"<{answered.id}>"
            mail["References"] = f"{before} <{answered.id}>".strip()
        if saying.automatic:
            mail["Auto-Submitted"] = "auto-replied"
            mail["X-Auto-Response-Suppress"] = "All"
        for name, value in saying.headers.items():
            mail[name] = value
        quoted = (
            Quoted(answered.name, _address(answered), answered.at, answered.subject, answered.text, answered.html)
            if answered
            else None
        )
        style: Style = "none" if saying.automatic else saying.style or style_for(saying.text)
        text, html = answer(style, saying.text, quoted)
        mail.set_content(text, charset=saying.charset)
        if html is not None:
            mail.add_alternative(html, subtype="html")
        for file in saying.files:
            main, _, sub = file.media_type.partition("/")
            mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
        return mail.as_bytes()


def _read(taken: Taken) -> Letter:
    mail = message_from_bytes(taken.raw, policy=default)
    assert isinstance(mail, EmailMessage)
    headers: dict[str, list[str]] = {}
    for name, value in mail.items():
        headers.setdefault(name.lower(), []).append(str(value))
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    id = str(mail["Message-ID"] or "").strip("<> ")
    name, address = getaddresses([str(mail["From"])])[0]
    return Letter(
        id=id,
        reference=id.partition("@")[0],
        sender=taken.sender,
        to=taken.to,
        name=name or address,
        subject=str(mail["Subject"] or ""),
        text=plain.get_content().replace("\r\n", "\n") if plain else "",
        html=html.get_content().replace("\r\n", "\n") if html else "",
        reply_to=getaddresses([str(mail["Reply-To"] or mail["From"])])[0][1],
        headers=headers,
        files=[part.get_filename() or "" for part in mail.iter_attachments()],
        at=taken.at,
        raw=base64.b64encode(taken.raw).decode(),
    )


def _address(letter: Letter) -> str:
    return getaddresses(letter.headers.get("from", [""]))[0][1]


def _bounce(status: str) -> dict[str, str]:
    if status == "blocked":
        return {"type": "blocked", "reason": "550 5.7.1 blocked by policy", "status": "5.7.1"}
    return {"type": "bounce", "reason": f"550 {status} user unknown", "status": status}
