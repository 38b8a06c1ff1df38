"""Together: several due matters of one contact are spoken of in one message, where the policy and the words allow it."""

from collections.abc import Iterable

from msgspec.structs import replace

from events.conversation import MessageRequested
from events.values import Body
from libs.domain import policy
from libs.domain.conversation import LOST
from libs.domain.flow import Generate, Say, ToolCall
from libs.domain.lines import Line, Turn
from libs.domain.matter import Matter
from libs.domain.names import Names
from libs.domain.templates import render, render_strict
from services.orchestrator import threads
from services.orchestrator.approach import Purpose, Way, approach_of, template_category
from services.orchestrator.story import Story

GATHER = "gather"
"""The name of the timers by which a matter waits a moment for another one that is about to speak."""
ALSO = "In the same message, do this as well, for another open matter of the same contact:"
OF_ONE = "amount"
"""A fact that is about one matter only: nobody means the same amount for each."""


def to_gather(story: Story, matter: Matter) -> bool:
    """Whether another matter will speak at the same flow in a moment: the ERP is being asked for it."""
    if not story.known.current.policy.merge_matters or matter.id in story.gathered:
        return False
    for other in _alike(story, matter):
        _, step = story.at(other.id)
        if other.flow == matter.flow and isinstance(step, ToolCall) and other.asked:
            return True
    return False


def companions(story: Story, matter: Matter, step: Say | Generate, way: Way, purpose: Purpose) -> list[Matter]:
    """The matters that are said in the same message: those that wait at the same step, and may be said there now."""
    if not story.known.current.policy.merge_matters or not _has_words(step, way):
        return []
    waiting = [other for other in _alike(story, matter) if (other.flow, other.step) == (matter.flow, matter.step)]
    if purpose == "answer":
        return [other for other in waiting if other.id in story.held]
    return [other for other in waiting if not other.asked and _may_be_said(story, other, way)]


def prompts(story: Story, step: Generate, matters: Iterable[Matter]) -> str:
    """What Claude is told to write of these matters beside the first one."""
    told = [f"{ALSO}\n{render(step.system_prompt, story.names(each)).text}" for each in matters]
    return "\n\n".join(["", *told]) if told else ""


def body(story: Story, matters: list[Matter], way: Way, step: Say | Generate) -> Body | None:
    """The words of several matters without Claude: the step's text for several, else each text on a line of its own.

    None where Claude is to write. Raises TemplateFailed where a name is not defined.
    """
    if not way.free_text:
        registered = story.bundle(matters[0]).templates[way.channel][step.several[way.channel]]
        names = names_of(story, matters)
        return Body(
            text=render_strict(registered.body, names),
            template=registered.id,
            template_name=registered.name,
            language=registered.language,
            variables={each.name: render_strict(each.source, names) for each in registered.variables},
        )
    if isinstance(step, Say):
        return Body(text="\n".join(render_strict(step.text, story.names(each)) for each in matters))
    return None


def names_of(story: Story, matters: list[Matter]) -> Names:
    """The names of the first matter, and `all_…` for the list of each name of the business context in all of them."""
    first = story.names(matters[0])
    known = dict.fromkeys(key for each in matters for key in each.context)
    lists = {f"all_{key}": [each.context[key] for each in matters if key in each.context] for key in known}
    lists["all_entity_id"] = [each.entity_id for each in matters if each.entity_id]
    return replace(first, data={**lists, "matters_count": len(matters)})


def group(story: Story, matter: str | None) -> list[Matter]:
    """The other live matters of the newest message about a matter that reached the contact."""
    for sent in reversed(list(story.conversation.messages.values())):
        said = (sent.matter, *sent.merged)
        if matter in said and sent.heard not in LOST:
            return [each for each in story.conversation.live if each.id in said and each.id != matter]
    return []


def meant(story: Story, asked: Turn, about: str | None, facts: Iterable[str], named: bool) -> list[Matter]:
    """The other matters that an answer to a message about several is about, too: all, unless it is about one of them.

    It names one, it quotes a message about one, it answers a question of one (`named`), or it tells an amount.
    """
    mates = group(story, about) if about == asked.matter and not named else []
    first = story.conversation.matters.get(about or "")
    if not mates or first is None or OF_ONE in facts:
        return []
    read = [
        line for line in story.conversation.lines if story.conversation.was_read(line, asked) and not line.understood
    ]
    words = " ".join(f"{line.subject or ''} {line.text}" for line in read)
    if threads.named_in([first, *mates], words) is not None or any(_quotes_one(story, line) for line in read):
        return []
    return mates


def said_now(story: Story, matter: str) -> bool:
    """Whether this very decision has said something of a matter, be it together with another one."""
    asked = [draft.event for draft in story.drafts if isinstance(draft.event, MessageRequested)]
    return any(matter in (each.matter, *each.merged) for each in asked)


def _alike(story: Story, matter: Matter) -> list[Matter]:
    """The other matters of the same process in the same bundle."""
    return [
        other
        for other in story.conversation.live
        if other.id != matter.id and (other.process_type, other.bundle) == (matter.process_type, matter.bundle)
    ]


def _has_words(step: Say | Generate, way: Way) -> bool:
    return way.free_text or way.channel in step.several


def _may_be_said(story: Story, matter: Matter, way: Way) -> bool:
    followup = story.followups.get(matter.id)
    if way.channel not in matter.channels or (followup and (followup.settled or way.channel in followup.failed)):
        return False
    category = None if way.free_text else template_category(story.bundle(matter), way.channel, way.template)
    about = approach_of(story, matter, way.channel, "approach", way.address, category=category, identifies=False)
    return isinstance(policy.decide(story.known.current.policy, about), policy.Allowed)


def _quotes_one(story: Story, line: Line) -> bool:
    quoted = next((each for each in story.conversation.messages.values() if each.ref and each.ref == line.quotes), None)
    return quoted is not None and not quoted.merged
