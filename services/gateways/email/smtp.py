"""One mail to one recipient over SMTP: encrypted, signed in, and every way in which it can break told apart."""

import asyncio
import ssl
from dataclasses import dataclass, field

import aiosmtplib
import structlog
from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPResponseException

from libs.channels.email import broken, classify, no_auth, no_starttls
from libs.channels.email_outcome import Phase
from libs.channels.outcome import Accepted, Outcome

log = structlog.get_logger(__name__)

TLS_PORT = 465
QUIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over. `certificate` (PEM), where given, is the only one that is trusted, whatever its name."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    certificate: str | None = None

    def context(self) -> ssl.SSLContext:
        if self.certificate is None:
            return ssl.create_default_context()
        context = ssl.create_default_context(cadata=self.certificate)
        context.check_hostname = False
        return context


async def hand_over(
    server: Server, mail: bytes, *, message_id: str, sender: str, to: str, seconds: float, attempt: int, hostname: str
) -> Outcome:
    """Send `mail` within `seconds`, which are fewer than the effect's time-out, so that we know how far it came.

    Until its content is on the way nothing was sent, and what breaks may be tried again; afterwards a lost answer is of
    unknown outcome. With one recipient a transaction, a refusal is about that one.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=hostname,
        timeout=seconds,
        use_tls=server.port == TLS_PORT,
        start_tls=False,
        tls_context=server.context(),
    )
    phase: Phase = "connection"
    begun = False
    try:
        async with asyncio.timeout(seconds):
            await client.connect()
            await client.ehlo()
            if server.port != TLS_PORT:
                if not client.supports_extension("starttls"):
                    return no_starttls()
                await client.starttls()
                await client.ehlo()
            phase = "login"
            if not client.supports_extension("auth"):
                return no_auth()
            await client.login(server.username, server.password)
            phase = "sender"
            await client.mail(sender)
            phase = "recipient"
            await client.rcpt(to)
            phase, begun = "content", True
            await client.data(mail)
        return Accepted(message_id)
    except SMTPAuthenticationError as error:
        return classify(error.code, error.message, "login", attempt=attempt)
    except SMTPResponseException as error:
        if 400 <= error.code < 600:
            return classify(error.code, error.message, phase, attempt=attempt)
        return broken("no_answer" if begun else "not_connected", f"{error.code} in the phase {phase}", attempt=attempt)
    except (SMTPException, OSError, TimeoutError) as error:
        if phase == "login" and type(error) is SMTPException:  # none of the server's ways to sign in is one of ours
            return no_auth()
        reason = f"{type(error).__name__} in the phase {phase}"
        return broken("no_answer" if begun else "not_connected", reason, attempt=attempt)
    finally:
        await _leave(client)


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye where somebody still listens; it changes nothing any more."""
    try:
        if client.is_connected:
            await client.quit(timeout=QUIT_S)
    except (SMTPException, OSError, TimeoutError):
        log.debug("the mail server left before we did")
    finally:
        client.close()
