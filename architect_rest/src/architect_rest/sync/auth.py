"""The authentication of a REST client's requests."""

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


def keep_authorization(request: PreparedRequest) -> PreparedRequest:
    """Keeps a call's own `Authorization` header, which requests would replace by the credentials of a netrc file."""
    return request
