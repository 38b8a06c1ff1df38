"""One turn in LangGraph for bench/killed.py: begun with the message, or resumed where the checkpointer says that it stands."""

import asyncio
import json
import sys
from typing import Any

import httpx
from dialogue import State, speaker
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool


def graph(asked: dict[str, Any], client: httpx.AsyncClient) -> StateGraph:
    """Understand, act, reply, and a node of its own for the sending, so that as little as possible is done again."""
    claude = speaker(asked)

    async def understand(state: State) -> State:
        return {"messages": [await claude(state)]}

    async def act(state: State) -> State:
        call = state["messages"][-1].tool_calls[0]
        headers = {"idempotency-key": call["id"] + asked["thread"]} if asked["keyed"] else {}
        answer = await client.post("/erp/promises", json=call["args"], headers=headers)
        return {"messages": [ToolMessage(answer.raise_for_status().text, tool_call_id=call["id"])]}

    async def reply(state: State) -> State:
        return {"messages": [await claude(state)]}

    async def send(state: State) -> State:
        text = {"body": state["messages"][-1].content}
        message = {"messaging_product": "whatsapp", "to": asked["phone"], "type": "text", "text": text}
        (await client.post("/v25.0/1/messages", json=message)).raise_for_status()
        return {"messages": []}

    built = StateGraph(State)
    nodes = {"understand": understand, "act": act, "reply": reply, "send": send}
    for name, node in nodes.items():
        built.add_node(name, node)
    for before, after in zip([START, *nodes], [*nodes, END], strict=True):
        built.add_edge(before, after)
    return built


async def main(asked: dict[str, Any]) -> None:
    """What a caller does who got no answer: resume the thread that has a next node, say it again to one that has none."""
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with (
        AsyncConnectionPool(asked["theirs"], min_size=1, max_size=2, kwargs=options) as pool,
        httpx.AsyncClient(base_url=asked["api"], timeout=30) as client,
    ):
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        app = graph(asked, client).compile(checkpointer=saver)
        thread = {"configurable": {"thread_id": asked["thread"]}}
        state = await app.aget_state(thread)
        given = None if state.next else {"messages": [HumanMessage(asked["words"])]}
        await app.ainvoke(given, thread, durability="sync")


asyncio.run(main(json.loads(sys.argv[1])))
