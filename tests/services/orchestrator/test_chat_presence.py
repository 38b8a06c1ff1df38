"""The chat is a place where somebody is, or is not: what may be begun there."""

import pytest

from events.conversation import MessageRequested
from events.followup import Exhausted
from libs.domain.conversation import Conversation
from libs.testkit.nouns import PRIYA
from tests.services.orchestrator.channels import nobody
from tests.services.orchestrator.errand import about


def test_nothing_is_begun_in_a_chat_where_nobody_is():
    scene = nobody()
    scene.opens(about(channel_priority=["chat"]))
    assert scene.all(MessageRequested) == []
    assert scene.last(Exhausted).skipped[0].reason == "the contact is not in the chat"


@pytest.mark.parametrize(("minutes", "begun"), [(10, True), (20, False)])
def test_a_contact_who_has_just_written_in_the_chat_is_still_there(minutes: int, begun: bool):
    scene = nobody()
    scene.priya_says("hello", channel="chat")
    scene.claude_answers()
    scene.message_is("accepted")
    scene.before, scene.conversation = scene.conversation, Conversation()  # the first one is over
    scene.later(minutes=minutes)
    scene.opens(about(channel_priority=["chat"]))
    assert (scene.conversation.turn is not None) is begun


def test_in_the_chat_she_is_answered_however_long_it_takes():
    scene = nobody()
    scene.priya_says("hello", channel="chat")
    scene.later(hours=3)
    scene.claude_answers("Here I am.")
    assert (scene.last(MessageRequested).channel, scene.last(MessageRequested).to) == ("chat", PRIYA)
