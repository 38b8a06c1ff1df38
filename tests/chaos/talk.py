"""The load of the webhooks' run: contacts who are reminded and answer, write first, write in bursts, or are unknown to the ERP."""

import asyncio
import random

from tests.chaos.house import House
from tests.chaos.load import Load, Matter

BUSY_DELIVERIES = 300
"""So many deliveries on their way, and no new contact comes until there are fewer."""
PAUSE_S = 0.1
FIRST_WORDS = (
    "Namaste",
    "mera order kahan hai?",
    "Which invoice is open?",
    "please send me the invoice once more",
    "kal tak payment kar denge",
    "hello?",
    "koi hai?",
)
AFTERWARDS = ("thank you", "theek hai", "ek aur baat: GST number galat hai", "kal call karna", "Haan")


class Talk(Load):
    """New contacts come until so many webhooks were handed to the courier."""

    def __init__(self, house: House, chance: random.Random, *, per_second: float, webhooks: int) -> None:
        super().__init__(house, chance, per_second=per_second)
        self._webhooks = webhooks
        self.strangers = 0

    async def run(self) -> None:
        """Return when enough webhooks were handed over; what was begun goes on until `finished`."""
        while True:
            on_its_way = await self._house.ask_outside("/_chaos/courier/count")
            if on_its_way["webhooks"] >= self._webhooks:
                return
            if on_its_way["pending"] > BUSY_DELIVERIES:
                await asyncio.sleep(PAUSE_S)
                continue
            matter = Matter(len(self.matters) + 1)
            self.matters.append(matter)
            self._start(self._live(matter))
            await asyncio.sleep(self._chance.expovariate(self._per_second))

    async def finished(self) -> None:
        """Return when everybody has done what they came for."""
        while self._going:
            await asyncio.wait(set(self._going))

    async def _live(self, matter: Matter) -> None:
        if self._chance.random() < 0.1:
            self.strangers += 1
            await self._write(matter, FIRST_WORDS, self._chance.randint(1, 3))
            return
        await self._know(matter)
        if self._chance.random() < 0.25:
            await self._write(matter, FIRST_WORDS, self._chance.randint(1, 4))
            return
        await self._overdue(matter)
        if self._chance.random() < 0.5:
            await asyncio.sleep(self._chance.uniform(2, 8))
            await self._write(matter, AFTERWARDS, self._chance.randint(1, 2))

    async def _write(self, matter: Matter, words: tuple[str, ...], times: int) -> None:
        """Some messages, one right after the other or with a pause."""
        for _ in range(times):
            said = {"channel": "whatsapp", "say": [self._chance.choice(words)]}
            await self._house.tell_outside("POST", f"/_sandbox/contacts/{matter.phone}/say", said)
            await asyncio.sleep(self._chance.choice((0, 0, 0.5, 2)))
