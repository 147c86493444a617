"""Whether a REST service takes calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from architect_core import contract

if TYPE_CHECKING:
    from architect_core.contract import Listener


class RestReadiness(contract.Options):
    """`api.readiness` of a REST service's manifest.

    Attributes:
        path: what is requested, such as "/health"; without one, the service is ready when it listens.
    """

    path: Annotated[str | None, Field(pattern=r"^/[!-~]*$")] = None


class RestReadinessProbe(contract.ReadinessProbe):
    """Ready is a service that answers a GET of the stated path with a status from 200 to 399."""

    Options = RestReadiness

    def is_ready(self, listener: Listener, timeout: float) -> bool:
        """Ask once."""
        if listener.options.path is None:
            return True
        import requests

        url = f"http://{listener.host}:{listener.port}{listener.options.path}"
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between
            try:
                with session.get(url, timeout=timeout, allow_redirects=False, stream=True) as answer:
                    return answer.status_code < 400
            except requests.RequestException:
                return False
