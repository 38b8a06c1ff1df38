"""The dialogue in LangGraph, in an environment of its own: understand with a tool call, act, reply. Prints the seconds of each round."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

import anthropic
import uvloop
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

TOOL = {
    "name": "record_promise",
    "description": "Records the day on which the contact will pay.",
    "input_schema": {"type": "object", "properties": {"date": {"type": "string"}}, "required": ["date"]},
}


class State(TypedDict):
    """The conversation, as in LangGraph's own guides."""

    messages: Annotated[list[AnyMessage], add_messages]


def speaker(asked: dict[str, Any]) -> Callable[[State], Awaitable[AIMessage]]:
    """Claude's next message: made in this process, or asked for by the SDK where an address is given."""
    client = anthropic.AsyncAnthropic(api_key="bench", base_url=asked["api"], max_retries=0) if asked["api"] else None

    async def claude(state: State) -> AIMessage:
        last = state["messages"][-1]
        if client is None:
            if isinstance(last, HumanMessage):
                call = {
                    "name": "record_promise",
                    "args": {"date": "2026-02-20"},
                    "id": f"toolu_{len(state['messages'])}",
                }
                return AIMessage("", tool_calls=[call])
            return AIMessage(asked["reply"])
        async with client.messages.stream(
            model=asked["model"], max_tokens=600, tools=[TOOL], messages=[wired(each) for each in state["messages"]]
        ) as stream:
            said = await stream.get_final_message()
        text = ""
        for block in said.content:
            if block.type == "tool_use":
                return AIMessage("", tool_calls=[{"name": block.name, "args": block.input, "id": block.id}])
            if block.type == "text":
                text += block.text
        return AIMessage(text)

    return claude


def graph(asked: dict[str, Any]) -> StateGraph:
    """The three nodes."""
    claude = speaker(asked)

    async def understand(state: State) -> State:
        return {"messages": [await claude(state)]}

    async def act(state: State) -> State:
        call = state["messages"][-1].tool_calls[0]
        return {"messages": [ToolMessage('{"promise_id": "P-1"}', tool_call_id=call["id"])]}

    async def reply(state: State) -> State:
        return {"messages": [await claude(state)]}

    built = StateGraph(State)
    built.add_node("understand", understand)
    built.add_node("act", act)
    built.add_node("reply", reply)
    built.add_edge(START, "understand")
    built.add_edge("understand", "act")
    built.add_edge("act", "reply")
    built.add_edge("reply", END)
    return built


def wired(message: AnyMessage) -> dict[str, Any]:
    """A message as the Messages API takes it."""
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": message.content}
    if isinstance(message, ToolMessage):
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}
        return {"role": "user", "content": [result]}
    if message.tool_calls:
        call = message.tool_calls[0]
        use = {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["args"]}
        return {"role": "assistant", "content": [use]}
    return {"role": "assistant", "content": message.content}


async def measure(apps: list[Any], asked: dict[str, Any]) -> dict[str, Any]:
    """All conversations take each turn together; the next begins when all are answered."""
    began_at = time.time_ns()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1_000_000)  # as ours (libs/kit/garbage.py)

    async def turn(number: int) -> None:
        thread = {"configurable": {"thread_id": f"{began_at}-{number}"}}
        app = apps[number % len(apps)]
        await app.ainvoke({"messages": [HumanMessage(asked["words"])]}, thread, durability="sync")

    rounds, cpu = [], time.process_time()
    for _ in range(int(asked["turns"])):
        began = time.perf_counter()
        await asyncio.gather(*map(turn, range(asked["conversations"])))
        rounds.append(time.perf_counter() - began)
    return {"rounds": rounds, "cpu": time.process_time() - cpu}


async def main(asked: dict[str, Any]) -> None:
    """As LangGraph's guides tell: a pool of autocommitting connections with prepared statements.

    A saver does one thing at a time, whatever its pool; with `each` every conversation has one of its own.
    """
    if asked["saver"] == "memory":
        print(json.dumps(await measure([graph(asked).compile(checkpointer=InMemorySaver())], asked)), flush=True)
        return
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(asked["theirs"], max_size=asked["conversations"], kwargs=options) as pool:
        await AsyncPostgresSaver(pool).setup()
        savers = asked["conversations"] if asked["saver"] == "each" else 1
        apps = [graph(asked).compile(checkpointer=AsyncPostgresSaver(pool)) for _ in range(savers)]
        print(json.dumps(await measure(apps, asked)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
