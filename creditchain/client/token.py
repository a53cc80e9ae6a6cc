"""Signing in: a signed assertion for a short access token, renewed before it ends.

tokens = Tokens(http, "https://hub.example/token", signer)
headers = {"authorization": f"Bearer {await tokens.token()}"}
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx2

from creditchain.client.signer import Signer

ASSERTION_GRANT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

RENEW_BEFORE_S: Final = 60.0
"""A token is renewed this long before its end, so that none ends on its way."""

TOKEN_CHARS_MAX: Final = 8_192
"""As the hub's own bound; what is longer is not a token of its making."""


class SignInRefused(Exception):
    """The hub gives no token: the key is unknown or ended, or the clocks differ too much."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description or error)
        self.error = error


class Tokens:
    """The access token of one actor at one hub, or at another door that `audience` names."""

    def __init__(
        self, http: httpx2.AsyncClient, url: str, signer: Signer, audience: str | None = None
    ) -> None:
        self._http = http
        self._url = url
        self._signer = signer
        self._audience = audience
        self._token = ""
        self._until_s = 0.0
        # One sign-in at a time: a hundred waiting requests need one token, not a hundred.
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A token good for a minute more; raises `SignInRefused` or what httpx2 raises."""
        async with self._lock:
            if time.monotonic() >= self._until_s:
                await self._sign_in()
            return self._token

    def forget(self, token: str) -> None:
        """This token was not accepted: the next one is a new one."""
        if token == self._token:
            self._until_s = 0.0

    async def _sign_in(self) -> None:
        began = time.monotonic()
        response = await self._http.post(
            self._url,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_GRANT,
                "client_assertion": self._signer.assertion(self._audience),
            },
        )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if response.status_code in {400, 401, 403} and isinstance(answer, dict):
            raise SignInRefused(
                str(answer.get("error", "invalid_client")), str(answer.get("error_description", ""))
            )
        response.raise_for_status()
        match answer:
            case {"access_token": str(token), "expires_in": int(seconds)} if (
                0 < len(token) <= TOKEN_CHARS_MAX
            ):
                self._token = token
                self._until_s = began + max(1.0, seconds - RENEW_BEFORE_S)
            case _:
                raise SignInRefused("invalid_response", "the hub's answer holds no access token")
