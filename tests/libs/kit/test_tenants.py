"""Tenants stay in their shard; API keys open what they were made for until they are revoked."""

import pytest

from libs.kit import ids
from libs.kit.store import Store
from libs.kit.tenants import TenantExists, UnknownTenant
from libs.testkit.nouns import TENANT


async def test_the_default_tenant_is_there_from_the_start(store: Store):
    assert [(tenant.name, tenant.shard) for tenant in await store.tenants.all()] == [(TENANT, 0)]


async def test_making_a_tenant_twice_changes_nothing_and_it_cannot_move(store: Store):
    await store.tenants.create("acme", shard=2)
    await store.tenants.create("acme", shard=2)
    assert await store.tenants.shard_of("acme") == 2
    with pytest.raises(TenantExists, match="exists in shard 2 and cannot move"):
        await store.tenants.create("acme", shard=1)


async def test_a_key_opens_what_it_was_made_for(store: Store):
    key, token = await store.tenants.create_key(TENANT, "the ERP", ["events:write", "read"])
    assert token.startswith("cvk_")
    found = await store.tenants.verify(token)
    assert found == key
    assert (key.tenant, key.name, key.scopes) == (TENANT, "the ERP", frozenset({"events:write", "read"}))


async def test_a_token_is_not_stored(store: Store):
    _, token = await store.tenants.create_key(TENANT, "the ERP", [])
    rows = await store.pool.fetch("SELECT k::text FROM ops.api_key k")
    assert token not in str(rows)
    assert token.removeprefix("cvk_") not in str(rows)


async def test_a_revoked_key_opens_nothing(store: Store):
    key, token = await store.tenants.create_key(TENANT, "the ERP", [])
    assert await store.tenants.verify(token)
    assert await store.tenants.revoke_key(key.id)
    assert await store.tenants.verify(token) is None
    assert not await store.tenants.revoke_key(key.id)
    assert [bool(old.revoked_at) for old in await store.tenants.keys(TENANT)] == [True]


@pytest.mark.parametrize("token", ["", "cvk_", "cvk_guess", "Bearer x"])
async def test_what_is_no_token_opens_nothing(store: Store, token: str):
    assert await store.tenants.verify(token) is None


async def test_a_key_needs_a_tenant_and_an_unknown_one_cannot_be_revoked(store: Store):
    with pytest.raises(UnknownTenant):
        await store.tenants.create_key("nobody", "x", [])
    assert not await store.tenants.revoke_key(ids.fresh())
