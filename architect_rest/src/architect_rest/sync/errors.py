"""The errors of the synchronous client; each is one of requests' too."""

from __future__ import annotations

from requests import exceptions

from architect_core.exceptions import ArchitectError, OriginError


class AnswerTooLargeError(ArchitectError, exceptions.ContentDecodingError):
    """A response is larger than `max_answer_bytes`. Also a `requests.exceptions.ContentDecodingError`."""


class CircuitOpenError(ArchitectError, exceptions.ConnectionError):
    """The circuit is open, so that nothing was sent. Also a `requests.ConnectionError`."""


class DeadlineError(ArchitectError, exceptions.Timeout):
    """No time is left for a call. Also a `requests.exceptions.Timeout`."""


class ForeignOriginError(OriginError, exceptions.InvalidURL):
    """A URL leads to another origin than the client's service. Also a `requests.exceptions.InvalidURL`."""


class PathParameterError(ArchitectError, exceptions.InvalidURL):
    """`path_params` do not fit the URL's placeholders. Also a `requests.exceptions.InvalidURL`."""
