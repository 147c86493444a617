"""Whether a REST service is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from architect_core import contract

if TYPE_CHECKING:
    from architect_core.contract import Listener


class RestReadiness(contract.Options):
    """`api.readiness` of a REST service's manifest.

    Attributes:
        path: the path to request, such as "/health"; without one, the service is ready when it listens.
    """

    path: Annotated[str | None, Field(pattern=r"^/[!-~]*$")] = None


class RestReadinessProbe(contract.ReadinessProbe):
    """A service is ready if it answers a GET of the configured path with a status from 200 to 399."""

    Options = RestReadiness

    def is_ready(self, listener: Listener, timeout: float) -> bool:
        """Send one request, within `timeout` seconds."""
        if listener.options.path is None:
            return True
        import requests

        url = f"http://{listener.host}:{listener.port}{listener.options.path}"
        with requests.Session() as session:
            session.trust_env = False  # no proxy
            try:
                with session.get(url, timeout=timeout, allow_redirects=False, stream=True) as answer:
                    return answer.status_code < 400
            except requests.RequestException:
                return False
