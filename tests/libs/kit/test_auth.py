"""Who calls: API keys with scopes on the real table; loopback needs none in development."""

from typing import Any

import pytest
from litestar import Request
from litestar.testing import RequestFactory

from libs.kit.auth import SCOPES, Auth, Caller, Scope
from libs.kit.problems import Problem
from libs.kit.store import Store
from libs.testkit.nouns import TENANT

AnyRequest = Request[Any, Any, Any]


def request(token: str | None = None, *, host: str = "127.0.0.1", **headers: str) -> AnyRequest:
    """A request from an address."""
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    made: AnyRequest = RequestFactory().get("/", headers=headers)
    made.scope["client"] = (host, 4711)
    return made


async def refused(auth: Auth, asking: AnyRequest, scope: Scope = "read") -> Problem:
    with pytest.raises(Problem) as caught:
        await auth.caller(asking, scope)
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1"])
async def test_in_development_loopback_needs_no_key(store: Store, host: str):
    auth = Auth(store.tenants, profile="development")
    assert await auth.caller(request(host=host), "admin") == Caller("default", "development")


@pytest.mark.parametrize(
    ("profile", "asking"),
    [
        ("development", request(host="192.0.2.7")),
        ("development", request(host="testclient")),
        ("development", request(**{"x-forwarded-for": "127.0.0.1"})),
        ("production", request()),
        ("", request()),
    ],
    ids=["another address", "a name", "behind a proxy", "production", "no profile"],
)
async def test_everybody_else_needs_one(store: Store, profile: str, asking: AnyRequest):
    problem = await refused(Auth(store.tenants, profile=profile), asking)
    assert problem.status == 401


@pytest.mark.parametrize("token", ["cvk_nothing", "nothing", " "])
async def test_a_wrong_key_is_wrong_on_loopback_too(store: Store, token: str):
    assert (await refused(Auth(store.tenants, profile="development"), request(token))).status == 401


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_opens_its_scopes_and_no_other(store: Store, scope: Scope):
    auth = Auth(store.tenants, profile="production")
    _, token = await store.tenants.create_key(TENANT, "erp", [scope])
    assert await auth.caller(request(token, host="192.0.2.7"), scope) == Caller(TENANT, "erp")
    for other in SCOPES:
        if other != scope and scope != "admin":
            assert (await refused(auth, request(token), other)).status == 403


async def test_an_admins_key_opens_every_scope(store: Store):
    auth = Auth(store.tenants, profile="production")
    _, token = await store.tenants.create_key(TENANT, "boss", ["admin"])
    assert {(await auth.caller(request(token), scope)).name for scope in SCOPES} == {"boss"}


async def test_a_key_belongs_to_its_tenant(store: Store):
    await store.tenants.create("acme")
    _, token = await store.tenants.create_key("acme", "erp", ["read"])
    auth = Auth(store.tenants, profile="production")
    assert (await auth.caller(request(token), "read")).tenant == "acme"


async def test_a_revoked_key_opens_nothing(store: Store):
    auth = Auth(store.tenants, profile="production")
    key, token = await store.tenants.create_key(TENANT, "erp", ["read"])
    await auth.caller(request(token), "read")
    assert await store.tenants.revoke_key(key.id)
    assert (await refused(auth, request(token))).status == 401
