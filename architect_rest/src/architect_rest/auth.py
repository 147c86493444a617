"""How a REST client says who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest


class BearerAuth(AuthBase):
    """Sends a token as `Authorization: Bearer ...`, unless a call has an `Authorization` header of its own."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Called by requests for every request."""
        request.headers.setdefault("Authorization", f"Bearer {self._token}")
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class StatedAuth(AuthBase):
    """Leaves a call's own `Authorization` header alone, which requests would replace by what a netrc file says."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Called by requests for every request."""
        return request
