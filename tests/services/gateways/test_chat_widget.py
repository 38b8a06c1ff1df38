"""The widget in a real browser: send, streamed reply, network cut, reconnection with nothing missing; on a phone, by keyboard."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from events.values import Body, Choice
from libs.channels import chat, chat_token
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import PRIYA, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import until
from tests.services.gateways.chat_world import ChatWorld, chat_world

CHROMIUM = Path("/usr/bin/chromium")
ARTEFACTS = Path(__file__).resolve().parents[3] / ".artefacts" / "chat"
PHONE: dict[str, Any] = {"viewport": {"width": 375, "height": 720}, "device_scale_factor": 2, "has_touch": True}

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: apt-get install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def world(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str
) -> AsyncIterator[ChatWorld]:
    async with chat_world(database, store, store_of, clock, nats_url, replicas=1) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=60_000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        await chromium.close()


class Shop:
    """A page with the widget, as a contact sees it."""

    def __init__(self, page: Page, world: ChatWorld) -> None:
        self.page = page
        self.world = world
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    @property
    def text(self) -> Any:
        return self.page.get_by_role("textbox")

    @property
    def lines(self) -> Any:
        return self.page.locator("#converse-chat .log .line .words")

    async def write(self, text: str) -> None:
        await self.text.fill(text)
        await self.text.press("Enter")

    async def connected(self) -> None:
        await expect(self.page.locator("#converse-chat .panel")).to_have_attribute("data-state", "connected")

    async def sent(self) -> None:
        """Nothing waits to be sent."""
        await expect(self.page.locator("#converse-chat [data-pending]")).to_have_count(0)

    async def draft(self, words: str, draft: str = "turn-1") -> None:
        """The orchestrator streams; a signal is sent until it is seen."""
        frame = chat.write(chat.Drafted(id=draft, content=words))

        async def seen() -> bool:
            await self.world.bus.signal(chat.to_contact(TENANT, PRIYA), frame)
            return await self.page.locator("#converse-chat .draft .words").all_text_contents() == [words]

        await until(seen)

    async def picture(self, name: str) -> None:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@asynccontextmanager
async def shop(browser: Browser, world: ChatWorld, *, lang: str = "en", **context: Any) -> AsyncIterator[Shop]:
    """The demo page in a browser of its own."""
    opened = await browser.new_context(locale="en-IN", timezone_id="Asia/Kolkata", **context)
    try:
        page = await opened.new_page()
        visited = Shop(page, world)
        await page.goto(f"{world.origins[0]}/widget?contact={PRIYA}&lang={lang}")
        await visited.connected()
        yield visited
        assert visited.problems == []
    finally:
        await opened.close()


async def test_a_message_is_sent_and_the_reply_is_streamed_and_committed(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.write("Namaste, which invoice is it?")
        await expect(here.lines).to_have_text(["Namaste, which invoice is it?"])
        await here.sent()
        assert [fact.event.text for fact in await world.heard()] == ["Namaste, which invoice is it?"]
        await here.draft("It is INV-2026-0042")
        await here.picture("streaming")
        await here.draft("It is INV-2026-0042 over ₹52,400, due on 30 January.")
        await world.say("It is INV-2026-0042 over ₹52,400, due on 30 January 2026.", draft="turn-1")
        await expect(here.lines).to_have_text([re.compile("Namaste"), re.compile("due on 30 January 2026")])
        await expect(here.page.locator("#converse-chat .draft")).to_have_count(0)
        times = await here.page.locator("#converse-chat .log time").all_text_contents()
        assert all(re.match(r"\d\d:\d\d", time) for time in times)


async def test_a_retracted_draft_disappears_and_what_is_committed_comes_instead(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.draft("I think that")
        frame = chat.write(chat.Retracted(id="turn-1"))
        await world.bus.signal(chat.to_contact(TENANT, PRIYA), frame)
        await expect(here.page.locator("#converse-chat .draft")).to_have_count(0)
        await world.say("Thank you, noted.")
        await expect(here.lines).to_have_text(["Thank you, noted."])


async def test_after_a_cut_nothing_is_missing_and_nothing_is_doubled(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.write("before the cut")
        await here.sent()
        await here.page.context.set_offline(True)
        await expect(here.page.get_by_text("No connection. Trying again…")).to_be_visible()
        await here.write("written in the tunnel")
        await here.write("and one more")
        await world.say("meanwhile, from us")
        await world.shown(2)
        await here.picture("offline")
        assert len(await world.heard()) == 1
        await here.page.context.set_offline(False)
        await here.connected()
        await expect(here.lines).to_have_text(
            ["before the cut", "meanwhile, from us", "written in the tunnel", "and one more"]
        )
        await here.sent()
        assert [fact.event.text for fact in await world.heard()] == [
            "before the cut",
            "written in the tunnel",
            "and one more",
        ]


async def test_a_rollout_is_survived_without_a_trace(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.write("one")
        await expect(here.lines).to_have_count(1)
        drain = world.apps[0].drain
        assert drain is not None
        drain()
        await here.write("two")
        await world.say("three")
        await expect(here.lines).to_have_count(3)
        assert sorted(await here.lines.all_text_contents()) == ["one", "three", "two"]


async def test_unsent_messages_survive_a_reload(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.page.context.set_offline(True)
        await here.write("do not lose me")
        await here.page.context.set_offline(False)
        await here.page.reload()
        await here.connected()
        await here.sent()
        await expect(here.lines).to_have_text(["do not lose me"])
    assert [fact.event.text for fact in await world.heard()] == ["do not lose me"]


async def test_an_expired_token_is_replaced_and_the_chat_goes_on(
    world: ChatWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    lasts = timedelta(seconds=1.5) - chat_token.LEEWAY
    monkeypatch.setattr("services.gateways.chat.page.TOKEN_LASTS", lasts)
    async with shop(browser, world) as here:
        async with here.page.expect_response("**/widget/token?**"):
            monkeypatch.undo()  # the next one lasts
        await here.write("still with you")
        await here.sent()
        await expect(here.lines).to_have_text(["still with you"])


async def test_choices_are_buttons_that_answer(world: ChatWorld, browser: Browser):
    async with shop(browser, world, lang="hi", **PHONE) as here:
        body = Body(
            text="नमस्ते Priya जी, इनवॉइस INV-2026-0042 (₹52,400) का भुगतान कब तक हो पाएगा?",
            choices=[
                Choice(id="today", title="आज"),
                Choice(id="date", title="20 फ़रवरी तक"),
                Choice(id="talk", title="किसी से बात करनी है"),
            ],
        )
        await world.say("", body=body)
        await expect(here.page.locator(".choices button")).to_have_count(3)
        await here.picture("phone-hindi-choices")
        await here.page.get_by_role("button", name="20 फ़रवरी तक").click()
        await expect(here.lines).to_have_text([re.compile("नमस्ते"), "20 फ़रवरी तक"])
        await expect(here.page.locator(".choices button")).to_have_count(0)

        async def pressed() -> list[str | None]:
            return [fact.event.choice for fact in await world.heard()]

        assert await until(pressed) == ["date"]
        await here.draft("धन्यवाद, मैंने 20 फ़रवरी दर्ज कर")
        await here.picture("phone-hindi-streaming")
        await world.say("धन्यवाद, मैंने 20 फ़रवरी दर्ज कर ली है।", draft="turn-1")
        await world.say("मैं अनिल हूँ, अकाउंट्स से। कोई सवाल हो तो बताइए।", purpose="operator")
        await expect(here.lines).to_have_count(4)
        await here.picture("phone-hindi")


async def test_it_works_by_keyboard_and_tells_a_screen_reader_what_is_new(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        page = here.page
        await page.keyboard.press("Tab")
        await here.text.focus()
        await page.keyboard.press("Escape")
        launcher = page.get_by_role("button", name="Open the chat")
        await expect(launcher).to_be_focused()
        await expect(here.text).to_be_hidden()
        await world.say("Are you there?")
        await expect(page.get_by_role("button", name="Open the chat (1 unread)")).to_be_visible()
        await here.picture("closed-unread")
        await page.keyboard.press("Enter")
        await expect(here.text).to_be_focused()
        await page.keyboard.type("Yes")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("I am")
        await page.keyboard.press("Enter")
        await expect(here.lines).to_have_text(["Are you there?", "Yes\nI am"], use_inner_text=True)
        log = page.get_by_role("log", name="Conversation")
        await expect(log).to_have_attribute("aria-live", "polite")
        await expect(log.get_by_role("listitem").nth(1)).to_contain_text("Assistant")
        await page.keyboard.press("Shift+Tab")
        await expect(log).to_be_focused()


async def test_what_is_looked_at_is_read_and_what_is_not_is_only_delivered(world: ChatWorld, browser: Browser):
    async with shop(browser, world) as here:
        await here.text.press("Escape")
        intent = await world.say("When will you pay?")
        assert await world.told(intent, "delivered") == ["accepted", "delivered"]
        await here.page.get_by_role("button", name="Open the chat").click()
        assert await world.told(intent, "read") == ["accepted", "delivered", "read"]


async def test_words_are_never_markup(world: ChatWorld, browser: Browser):
    nasty = '<img src=x onerror="document.title=1"><b>bold</b>'
    async with shop(browser, world) as here:
        await here.write(nasty)
        await world.say(nasty)
        await expect(here.lines).to_have_text([nasty, nasty])
        assert await here.page.title() == "Chat widget"


async def test_colours_have_the_contrast_that_wcag_asks_for(world: ChatWorld, browser: Browser):
    for scheme in ("light", "dark"):
        async with shop(browser, world, color_scheme=scheme) as here:
            await here.write("a line of mine")
            await world.say("a line of yours")
            await world.say("a line of an operator", purpose="operator")
            await expect(here.lines).to_have_count(3 if scheme == "light" else 6)
            for selector in (
                ".mine .words",
                ".agent .words",
                ".operator .words",
                ".operator .who",
                ".foot time",
                "header h2",
                ".day",
            ):
                ratio = await here.page.locator(f"#converse-chat {selector}").first.evaluate(CONTRAST)
                assert ratio >= 4.5, (scheme, selector, ratio)
            await here.picture(f"desktop-{scheme}")


CONTRAST = """(element) => {
  const canvas = document.createElement("canvas").getContext("2d");
  const bytes = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, nth) => sum + each * [0.2126, 0.7152, 0.0722][nth], 0);
  let behind = element;
  while (bytes(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(bytes).map(light);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""
