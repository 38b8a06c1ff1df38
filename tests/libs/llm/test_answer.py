"""A reply is read out of a tool's JSON while it still comes, cut anywhere."""

import json

from anthropic.types import InputJSONDelta, RawContentBlockDeltaEvent, RawContentBlockStartEvent, ToolUseBlock
from hypothesis import given
from hypothesis import strategies as st

from libs.llm.answer import Answer


def begun(tool: str = "write_reply") -> Answer:
    answer = Answer(model="haiku")
    block = ToolUseBlock(type="tool_use", id="toolu_1", name=tool, input={})
    answer.take(RawContentBlockStartEvent(type="content_block_start", index=0, content_block=block))
    return answer


def more(answer: Answer, text: str) -> None:
    delta = InputJSONDelta(type="input_json_delta", partial_json=text)
    answer.take(RawContentBlockDeltaEvent(type="content_block_delta", index=0, delta=delta))


@given(
    reply=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    before=st.booleans(),
    cut=st.integers(0, 400),
    ascii=st.booleans(),
)
def test_what_has_come_is_a_beginning_of_the_reply(reply: str, before: bool, cut: int, ascii: bool):
    language = {"language": 'hi "text": "no"'}
    whole = json.dumps(
        {**(language if before else {}), "text": reply, **({} if before else language)}, ensure_ascii=ascii
    )
    answer = begun()
    more(answer, whole[:cut])
    soon = answer.text_of("write_reply", "text")
    assert soon is None or reply.startswith(soon)
    more(answer, whole[cut:])
    assert answer.text_of("write_reply", "text") == reply


def test_another_tool_has_no_reply():
    answer = begun("report_understanding")
    more(answer, '{"text": "not this')
    assert answer.text_of("write_reply", "text") is None
    assert answer.text_of("report_understanding", "text") == "not this"


def test_what_is_no_json_is_no_reply():
    answer = begun()
    more(answer, "nonsense")
    assert answer.text_of("write_reply", "text") is None
