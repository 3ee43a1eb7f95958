"""The HTTP of a small OAuth 2.1 authorization server: who we are, registering, asking a person, tokens.

Registering gives nothing; only a person's consent in the console does. Clients have no secrets: PKCE and
rotation stand for them. Foreign pages reach none of this (boundary.py), so there is no CORS.
"""

from __future__ import annotations

import html
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from aetherd.core.errors import Exhausted
from aetherd.operations.grants import OFFERED, Issued, Refused, parameters, reached_at
from aetherd.operations.house import House
from aetherd.web.answers import NO_STORE, TooLarge, TooSlow, UnsupportedMedia, json_answer
from aetherd.web.auth import Login, only, page
from aetherd.web.reading import BODY_S, json_body

BODY = 16 * 1024


class OAuth:
    """The routes of the authorization server, and the metadata of what it guards."""

    def __init__(self, house: House, login: Login) -> None:
        self._house, self._login = house, login

    async def resource(self, request: Request) -> Response:
        """GET /.well-known/oauth-protected-resource, also with /mcp: what it is and who grants it (RFC 9728)."""
        only(request, "GET", "HEAD")
        here = reached_at(request.scope)
        return json_answer(
            {
                "resource": f"{here}/mcp",
                "authorization_servers": [here],
                "scopes_supported": list(OFFERED),
                "bearer_methods_supported": ["header"],
                "resource_name": "aetherd",
            }
        )

    async def server(self, request: Request) -> Response:
        """GET /.well-known/oauth-authorization-server: how to ask for access (RFC 8414).

        A person is signed in under one name of this machine, so there is one address where they are asked.
        """
        only(request, "GET", "HEAD")
        here = reached_at(request.scope)
        return json_answer(
            {
                "issuer": here,
                "authorization_endpoint": f"{self._login.where}/authorize",
                "token_endpoint": f"{here}/token",
                "registration_endpoint": f"{here}/register",
                "revocation_endpoint": f"{here}/revoke",
                "scopes_supported": list(OFFERED),
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["none"],
                "revocation_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def register(self, request: Request) -> Response:
        """POST /register: take a client in (RFC 7591); what it asks for besides name and redirects is replaced."""
        only(request, "POST")
        bounded(request)
        asked = await json_body(request)
        name, redirects = asked.get("client_name") or "", asked.get("redirect_uris")
        try:
            if not isinstance(redirects, list) or not all(isinstance(each, str) for each in redirects):
                raise Refused("invalid_redirect_uri", "redirect_uris is a list of addresses")
            if not isinstance(name, str):
                raise Refused("invalid_client_metadata", "client_name is a text")
            client = await self._house.grants.register(name, redirects)
        except Refused as exc:
            return refusal(exc)
        except Exhausted as exc:
            return json_answer({"error": "temporarily_unavailable", "error_description": exc.message}, 429)
        return json_answer(
            {
                "client_id": client.id,
                "client_name": client.name,
                "redirect_uris": list(client.redirects),
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            },
            201,
        )

    async def authorize(self, request: Request) -> Response:
        """GET /authorize: send the browser to the page that asks the person, or say what is wrong."""
        only(request, "GET")
        try:
            await self._house.grants.check(request.url.query)
        except Refused as exc:
            if exc.back is not None:
                return RedirectResponse(exc.back, 303, NO_STORE)
            why = f"A program asked for access in a way that cannot be granted: {html.escape(exc.message)}."
            return HTMLResponse(page("Not granted", why), exc.status, NO_STORE)
        return RedirectResponse(f"/consent?{request.url.query}", 303, NO_STORE)

    async def token(self, request: Request) -> Response:
        """POST /token: a code or a refresh token becomes tokens."""
        only(request, "POST")
        try:
            form = await form_of(request)
            return json_answer(told(await self._issue(form)), headers={"pragma": "no-cache"})
        except Refused as exc:
            return refusal(exc)

    async def _issue(self, form: dict[str, str]) -> Issued:
        client, resource = needed(form, "client_id"), form.get("resource")
        if form.get("grant_type") == "authorization_code":
            code, redirect = needed(form, "code"), needed(form, "redirect_uri")
            verifier = needed(form, "code_verifier")
            return await self._house.grants.redeem(
                client=client, code=code, redirect=redirect, verifier=verifier, resource=resource
            )
        if form.get("grant_type") == "refresh_token":
            secret = needed(form, "refresh_token")
            return await self._house.grants.refresh(
                client=client, secret=secret, scope=form.get("scope"), resource=resource
            )
        raise Refused("unsupported_grant_type", "grant_type is authorization_code or refresh_token")

    async def revoke(self, request: Request) -> Response:
        """POST /revoke: end what was granted (RFC 7009); an unknown token is ended already."""
        only(request, "POST")
        try:
            form = await form_of(request)
            await self._house.grants.forget(client=needed(form, "client_id"), secret=needed(form, "token"))
        except Refused as exc:
            return refusal(exc)
        return json_answer({})


async def form_of(request: Request) -> dict[str, str]:
    """Read a form; JSON or a query would be another program's request."""
    bounded(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("the body must be a form: application/x-www-form-urlencoded")
    try:
        with anyio.fail_after(BODY_S):
            body = await request.body()
    except TimeoutError:
        raise TooSlow("the body did not arrive in time") from None
    return parameters(body.decode("latin-1"))


def bounded(request: Request) -> None:
    """Refuse more than such a request ever needs, and a body that does not say its length."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > BODY:
        raise TooLarge(f"the body is larger than {BODY} bytes, or does not say its length", limit=BODY)


def needed(form: dict[str, str], name: str) -> str:
    """Return a parameter that must be there."""
    if not form.get(name):
        raise Refused("invalid_request", f"{name} is missing")
    return form[name]


def told(issued: Issued) -> dict[str, Any]:
    """Return tokens as OAuth writes them."""
    return {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.expires_in_s,
        "refresh_token": issued.refresh,
        "scope": " ".join(issued.scopes),
    }


def refusal(exc: Refused) -> Response:
    """Answer as OAuth clients expect it (RFC 6749, 5.2)."""
    return json_answer({"error": exc.error, "error_description": exc.message}, exc.status, {"pragma": "no-cache"})
