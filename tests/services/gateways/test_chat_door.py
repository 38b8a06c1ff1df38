"""Who may open the chat: the right token from the right page; and the widget that opens it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from libs.channels import chat
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import PRIYA
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import until
from tests.services.gateways.chat_world import ChatWorld, bundle_of, chat_world


@pytest.fixture
async def world(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str
) -> AsyncIterator[ChatWorld]:
    async with chat_world(database, store, store_of, clock, nats_url) as running:
        yield running


async def test_a_token_that_opens_nothing_closes_with_4401(world: ChatWorld):
    for token in (
        "",
        "nonsense",
        world.token(secret="somebody-elses-secret-that-is-long-enough"),
        world.token(hours=-1),
        world.token("c_124"),
        world.token(tenant="other"),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjXzEyMyIsImV4cCI6OTk5OTk5OTk5OX0.",
    ):
        async with world.client(token=token) as tab:
            assert await tab.closed() == chat.UNAUTHORIZED
            assert tab.frames == []


async def test_the_chat_ends_with_its_token(world: ChatWorld):
    seconds = 5 - 10  # ten of leeway for clocks that differ
    async with world.client(token=world.token(hours=seconds / 3600)) as tab:
        await tab.next("status")
        assert await tab.closed() == chat.UNAUTHORIZED


async def test_only_the_allowed_origins_may_open_it(world: ChatWorld):
    await world.publish(
        bundle_of("channels: {chat: {provider: websocket, allowed_origins: ['https://shop.example']}}\n")
    )

    async def refused() -> bool:  # the replicas hear of the publication
        async with world.client(origin="https://evil.example") as tab:
            try:
                async with asyncio.timeout(0.5):
                    return await tab.closed() == chat.FORBIDDEN
            except TimeoutError:
                return False

    await until(refused)
    async with world.client(origin="https://shop.example") as tab:
        assert (await tab.next("status"))["status"] == "caught_up"


async def test_where_there_is_no_chat_it_closes_with_4404(world: ChatWorld):
    async with world.client(tenant="nobody") as tab:
        assert await tab.closed() == chat.NOT_FOUND


async def test_a_channel_that_is_switched_off_takes_nothing_more(world: ChatWorld):
    async with world.client() as tab:
        await tab.next("status")
        await world.publish(bundle_of("channels: {chat: {enabled: false, provider: websocket}}\n"))
        intent = await world.say("nobody may hear this")
        await world.told(intent, "withheld")
        assert await tab.closed() == chat.NOT_FOUND
        assert tab.said == []


async def test_whom_a_published_bundle_would_not_let_in_has_to_go(world: ChatWorld):
    async with world.client(origin="https://old.example") as old, world.client(origin="https://shop.example") as shop:
        await old.next("status")
        await shop.next("status")
        await world.publish(
            bundle_of("channels: {chat: {provider: websocket, allowed_origins: ['https://shop.example']}}\n")
        )
        assert await old.closed() == chat.FORBIDDEN
        await shop.send(type="ping")
        await shop.next("pong")


async def test_a_contact_has_at_most_twenty_connections_on_a_replica(world: ChatWorld):
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(world.client()) for _ in range(20)]
        for tab in tabs:
            await tab.next("status")
        async with world.client() as one_more:
            assert await one_more.closed() == chat.TOO_MANY


async def test_the_widget_and_its_page_are_served_and_load_nothing_from_elsewhere(world: ChatWorld):
    async with httpx.AsyncClient(base_url=world.origins[0]) as client:
        script = await client.get("/widget.js")
        page = await client.get("/widget", params={"contact": 'c"><script>', "lang": "hi"})
        token = (await client.get("/widget/token", params={"contact": PRIYA})).json()["token"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for text in (script.text, page.text):
        assert "https://" not in text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert 'c"><script>' not in page.text
    assert 'data-contact="c&quot;&gt;&lt;script&gt;"' in page.text
    async with world.client(token=token) as tab:
        assert (await tab.next("status"))["status"] == "caught_up"


async def test_a_live_chat_needs_its_secret_and_makes_no_tokens(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str
):
    secret = "the-companys-own-secret-of-32-bytes-or-more"
    live = "channels: {chat: {provider: websocket, credentials: {token_secret: '${CHAT_SECRET}'}, test_recipients: [c_12*]}}\n"
    async with chat_world(database, store, store_of, clock, nats_url, replicas=1, env={"CHAT_SECRET": secret}) as world:
        await world.publish(bundle_of(live))

        async def refused() -> bool:
            async with world.client() as tab:  # with a token of the sandbox
                try:
                    async with asyncio.timeout(0.5):
                        return await tab.closed() == chat.UNAUTHORIZED
                except TimeoutError:
                    return False

        await until(refused)
        async with world.client(token=world.token(secret=secret)) as tab:
            await tab.next("status")
        async with world.client("c_999", token=world.token("c_999", secret=secret)) as tab:
            assert await tab.closed() == chat.FORBIDDEN
        async with httpx.AsyncClient(base_url=world.origins[0]) as client:
            assert (await client.get("/widget/token")).status_code == 404
            assert "converse chat token" in (await client.get("/widget")).text
