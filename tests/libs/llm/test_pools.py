"""Pools: few calls share one, and those that are done make room."""

from contextlib import ExitStack

import anthropic

from libs.llm.pools import AT_ONCE, Pools


async def test_calls_at_the_same_time_spread_over_pools_and_come_back_to_them():
    pools = Pools(anthropic.AsyncAnthropic(api_key="k", base_url="http://127.0.0.1:9", max_retries=0, timeout=3.0))
    with ExitStack() as calls:
        clients = [calls.enter_context(pools.take()) for _ in range(2 * AT_ONCE + 1)]
        assert [clients.count(each) for each in dict.fromkeys(clients)] == [AT_ONCE, AT_ONCE, 1]
        with pools.take() as last:
            assert last is clients[-1]
    assert {(each.max_retries, each.timeout, str(each.base_url)) for each in clients} == {
        (0, 3.0, "http://127.0.0.1:9")
    }
    with pools.take() as first:
        assert first is clients[0]
    await pools.close()
    assert all(each.is_closed() for each in clients)
