"""Speaking without Claude: the bundle's own words where it cannot write, may not be sent as it wrote, or costs too much."""

from events.conversation import Escalated
from events.values import Body
from libs.domain.flow import AnyStep, Generate
from libs.domain.lines import Turn
from libs.domain.matter import Matter
from services.orchestrator import asking, person, speech
from services.orchestrator.approach import NoWay, Way, find_way, purpose_of
from services.orchestrator.story import Story

WORDS = {
    "en": "Thank you for your message. A colleague will get back to you.",
    "hi-Latn": "Aapke message ke liye dhanyavaad. Hamare ek sahyogi aapse sampark karenge.",
    "hi": "आपके संदेश के लिए धन्यवाद। हमारे एक सहयोगी आपसे संपर्क करेंगे।",
}
"""What is answered where the bundle has no words of its own; by BCP 47 tag."""


def answer(
    story: Story, matter: Matter | None, at: AnyStep | None, written: Generate | None, asked: Turn | None = None
) -> None:
    """Say the bundle's question for the step `at`, else a registered text; whoever wrote hears at least that it has come.

    At a forbidden hour it is said later.
    """
    purpose = purpose_of(story, matter)
    way, skipped = find_way(story, matter, purpose=purpose, templates=dict(written.templates) if written else {})
    if isinstance(way, NoWay):
        if matter is not None and matter.settled is None and way.until is not None:
            speech.defer(story, matter, way)
        return
    if way.identifies:
        person.ask(story, matter, way, purpose=purpose, skipped=skipped)
        return
    body = _plain_question(story, matter, way, at) or speech.safe_body(story, matter, way)
    if body is None and way.free_text and purpose == "answer":
        body = Body(text=WORDS.get(story.conversation.language or "en", WORDS["en"]))
    if body is not None:
        step = asked.step if asked is not None else written.id if written else None
        speech.say(story, matter, way, body, purpose=purpose, step=step, skipped=skipped)


def within_budget(story: Story, matter: Matter | None, written: Generate | None, at: AnyStep | None) -> bool:
    """Whether Claude may be asked again; else the bundle's words are said, and a person goes on."""
    spent = used_up(story)
    if spent is None:
        return True
    answer(story, matter, at, written)
    reason = f"the conversation has used up what Claude may cost it ({spent})"
    story.tell(Escalated(reason=reason, matter=matter.id if matter else None, silences=True))
    return False


def used_up(story: Story) -> str | None:
    """Which limit of `llm.budget` this conversation has reached, and how far it got."""
    budget, now = story.known.current.settings.llm.budget, story.conversation
    if budget.tokens is not None and now.tokens >= budget.tokens:
        return f"{now.tokens} of {budget.tokens} tokens"
    for currency, most in budget.money.items():
        if now.micros.get(currency, 0) >= most:
            return f"{now.micros[currency] / 1_000_000:.4f} of {most / 1_000_000:.4f} {currency}"
    return None


def _plain_question(story: Story, matter: Matter | None, way: Way, at: AnyStep | None) -> Body | None:
    """The bundle's own words for what a step asks, where the channel takes them."""
    question = asking.plain_question(story, matter, at) if matter else None
    return Body(text=question, choices=asking.choices(story, matter)) if question and way.free_text else None
