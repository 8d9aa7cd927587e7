"""Who calls, and what they may: API keys in ``authorization: Bearer``, bound to a tenant and roles."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping

from solvers.errors import PermissionDenied, Unauthenticated
from store.keys import Principal, Role
from store.store import Store

_CACHE_S = 5.0
"""A key that is revoked works this much longer at most."""
_CACHE_MOST = 10_000


class Doorkeeper:
    """Authenticates calls; remembers good keys for a few seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, Principal]] = {}

    async def admit(self, metadata: Mapping[str, str], *roles: Role) -> Principal:
        """The caller, when it has one of ``roles``.

        Raises
        ------
        Unauthenticated
            Without a key, or with one that nobody issued or that was revoked.
        PermissionDenied
            When the key has none of ``roles``.

        """
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("an API key is wanted in the metadata: authorization: Bearer KEY")
        principal = await self._principal(token.strip())
        if not set(roles) & set(principal.roles):
            raise PermissionDenied(
                f"this call needs role {' or '.join(role.value for role in roles)}; "
                f"the key has {', '.join(sorted(role.value for role in principal.roles)) or 'none'}"
            )
        return principal

    async def _principal(self, token: str) -> Principal:
        now_s = time.monotonic()
        known = self._known.get(token)
        if known is not None and now_s - known[0] < _CACHE_S:
            return known[1]
        principal = await asyncio.to_thread(self._store.keys.authenticate, token)
        if principal is None:
            self._known.pop(token, None)
            raise Unauthenticated("the API key is not known or was revoked")
        if len(self._known) >= _CACHE_MOST:
            self._known.clear()
        self._known[token] = (now_s, principal)
        return principal


def correlation_id(metadata: Mapping[str, str]) -> str:
    """``x-correlation-id`` of the call (at most 64 printable characters), or a new one."""
    given = metadata.get("x-correlation-id", "")
    if 0 < len(given) <= 64 and given.isprintable():
        return given
    return uuid.uuid4().hex
