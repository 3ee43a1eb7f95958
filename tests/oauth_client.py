"""An OAuth client by hand, so that a test can take each step wrongly; and the person it asks."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

REDIRECT = "http://127.0.0.1:49152/callback"


class Program:
    """A client that registers, asks, exchanges and renews; keywords change a step, None leaves a part out."""

    def __init__(self, http: httpx2.AsyncClient, person: httpx2.AsyncClient, port: int) -> None:
        self.http, self.person, self.origin = http, person, f"http://127.0.0.1:{port}"
        self.verifier, self.state, self.id = secrets.token_urlsafe(48), secrets.token_urlsafe(16), ""

    async def register(self, **changes: Any) -> httpx2.Response:
        """Register, and remember the id."""
        asked = {"client_name": "a program", "redirect_uris": [REDIRECT], **changes}
        answer = await self.http.post("/register", json=asked)
        self.id = answer.json().get("client_id", self.id)
        return answer

    def request(self, **changes: str | None) -> str:
        """Write an authorization request."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return form(
            {
                "client_id": self.id,
                "redirect_uri": REDIRECT,
                "response_type": "code",
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
                "resource": f"{self.origin}/mcp",
                "scope": "*:read *:write",
                "state": self.state,
            },
            changes,
        )

    async def authorize(self, **changes: str | None) -> httpx2.Response:
        """Send the browser there; redirects are looked at, not followed."""
        return await self.http.get(f"/authorize?{self.request(**changes)}")

    async def answered(self, request: str, decision: str = "allow", **more: Any) -> dict[str, str]:
        """Have the person decide; return what the client hears."""
        raw = {"request": request, "decision": decision, **more}
        answer = await self.person.post("/v1/token.decide", json=raw)
        assert answer.status_code == 200, answer.text
        return heard(answer.json()["redirect"])

    async def code(self, **changes: str | None) -> str:
        """Get a code."""
        return (await self.answered(self.request(**changes)))["code"]

    async def exchange(self, code: str, **changes: str | None) -> httpx2.Response:
        """Bring a code."""
        known = {
            "grant_type": "authorization_code",
            "client_id": self.id,
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
            "resource": f"{self.origin}/mcp",
        }
        return await self.post("/token", form(known, changes))

    async def renew(self, secret: str, **changes: str | None) -> httpx2.Response:
        """Bring a refresh token."""
        known = {"grant_type": "refresh_token", "client_id": self.id, "refresh_token": secret}
        return await self.post("/token", form(known, changes))

    async def revoke(self, secret: str, **changes: str | None) -> httpx2.Response:
        """Give a token back."""
        return await self.post("/revoke", form({"client_id": self.id, "token": secret}, changes))

    async def post(self, path: str, body: str) -> httpx2.Response:
        """Send a form."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.http.post(path, content=body, headers=kind)

    async def tokens(self, **changes: str | None) -> dict[str, Any]:
        """Go the whole way."""
        answer = await self.exchange(await self.code(**changes))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def form(known: dict[str, str], changes: dict[str, str | None]) -> str:
    """Write parameters."""
    return urlencode({name: value for name, value in (known | changes).items() if value is not None})


def heard(redirect: str) -> dict[str, str]:
    """Return what a redirect tells the client; nothing twice."""
    found = parse_qs(urlsplit(redirect).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
