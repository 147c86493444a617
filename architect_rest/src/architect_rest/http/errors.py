"""What can go wrong on a connection; what the system raises while one is opened, such as `OSError`, stays as it is."""

from __future__ import annotations


class RequestError(ValueError):
    """A request cannot be sent as it is: a part is malformed, or its body is not as long as it says."""


class MalformedError(ConnectionError):
    """What came is not HTTP/1.1."""


class ClosedError(ConnectionError):
    """The connection ended before the answer did; the cause is the system's error, if there was one."""


class StaleError(ClosedError):
    """A connection ended before anything of an answer came."""


class ProxyError(ConnectionError):
    """A proxy opens no tunnel."""


class AnswerTimeoutError(TimeoutError):
    """No answer came in time, or no more of it."""


class SendTimeoutError(TimeoutError):
    """The peer takes no more of the request."""
