"""`converse chat token`: what the company's web server would sign for a contact who is signed in there."""

from datetime import timedelta
from urllib.parse import quote

from rich.console import Console

from libs.channels import chat_token
from libs.config.secrets import resolve
from libs.kit.clock import Clock
from services.cli.settings import Settings, UserError
from services.cli.system import checked_bundle
from services.cli.up import running_port


async def token(settings: Settings, console: Console, contact: str, lasts: timedelta, tenant: str) -> int:
    """Print a token and where it leads. Raises UserError where the bundle has no chat."""
    bundle = checked_bundle(settings)
    mode = bundle.channel_mode("chat", settings.environment)
    if mode == "off":
        raise UserError("the bundle has no chat: add `chat: {enabled: true, provider: websocket}` to its channels")
    secret = chat_token.SANDBOX_SECRET
    if mode == "live":
        secret = resolve(bundle.settings.channels["chat"].credentials["token_secret"], settings.environment) or secret
    minted = chat_token.mint(contact, secret, tenant=tenant, expires_at=Clock().machine() + lasts)
    console.print(minted, soft_wrap=True)
    page = f"/widget?contact={quote(contact, safe='')}&tenant={quote(tenant, safe='')}&token={minted}"
    console.print(f"http://127.0.0.1:{running_port(settings)}{page}", style="dim", soft_wrap=True)
    return 0
