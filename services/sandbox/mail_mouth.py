"""How people speak by mail: what they do becomes a mail in their client's way, or a click."""

from services.sandbox.contact_script import Utterance
from services.sandbox.mail import PostOffice, Saying


class MailMouth:
    """Speaks through the emulated mail provider."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office

    async def say(self, utterance: Utterance) -> None:
        answers = utterance.answers
        if utterance.unsubscribe:
            letter = self._office.last_to(utterance.address)
            if letter is not None:
                await self._office.unsubscribe(letter)
            return
        text = utterance.press.title if utterance.press else utterance.text or ""
        await self._office.say(
            Saying(
                sender=utterance.address,
                text=text or ("see the attached file" if utterance.file else ""),
                answers=answers.id if answers else None,
                new=answers is None,
                name=utterance.person.name or None,
                subject=utterance.subject,
                files=(utterance.file,) if utterance.file else (),
                automatic=utterance.automatic,
            )
        )
