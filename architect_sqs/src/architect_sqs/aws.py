"""Calls of SNS and SQS: boto3 blocks, so each runs in a thread; and what their errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from architect_sqs.threads import Threads

LONG_POLL = 20
"""Seconds that SQS lets a call wait for messages at most."""

_CONNECT, _READ = 5, 10  # seconds
_CALLS = 16
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
_LOGIN = {
    "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSecurity", "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_MISSING = {"NotFound", "NotFoundException", "NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException"}
_MALFORMED = {"InvalidMessageContents", "InvalidParameter", "InvalidParameterException", "InvalidParameterValue"}
_HINTS = {
    **dict.fromkeys(_DENIED, "the login lacks this permission; the README of architect-sqs lists all that are needed"),
    **dict.fromkeys(_LOGIN, "the access key, its secret or its session token is wrong or has expired"),
    **dict.fromkeys(_MISSING, "it was deleted, and is created again"),
    **dict.fromkeys(("Throttled", "Throttling", "ThrottlingException", "RequestThrottled"), "too many requests; later"),
    "QueueDeletedRecently": "AWS creates no queue again within 60 seconds after it was deleted",
}


class AwsError(OSError):
    """A call that failed; its text has neither a login nor a payload.

    Attributes:
        code: AWS' own code, such as "AccessDenied", or the name of botocore's exception.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether the topic or queue does not exist."""
        return self.code in _MISSING

    @property
    def malformed(self) -> bool:
        """Whether AWS can never accept the same message."""
        return self.code in _MALFORMED


def refusal(service: str, operation: str, code: str) -> AwsError:
    """Returns the error for a call, or an entry of a batch, that AWS refused."""
    code = code.rpartition(".")[2] or "unknown"  # "AWS.SimpleQueueService.NonExistentQueue"
    hint = _HINTS.get(code)
    return AwsError(code, f"{service.upper()} refused {operation}: {code}{f' ({hint})' if hint else ''}")


class Aws:
    """The clients of this process, which are made by the first call."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """`arguments` are those of `boto3.client`."""
        self._arguments = arguments
        self._threads = Threads("architect-sqs")
        self._slots = asyncio.Semaphore(_CALLS)
        self._making: asyncio.Future[dict[str, Any]] | None = None
        self._closed = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Returns the answer of `operation`, such as "publish_batch" of "sns"; raises AwsError."""
        clients = await self._clients()
        await self._slots.acquire()
        if self._closed:
            self._slots.release()
            raise _closed()
        call = partial(_call, clients[service], service, operation, parameters)
        return await self._threads.call(call, ended=self._slots.release)  # when it has, also if nobody waits any more

    async def poll(
        self, orphaned: Callable[[dict[str, Any]], None], **parameters: Any
    ) -> asyncio.Future[dict[str, Any]]:
        """Returns the future answer of `receive_message`; a cancelled one goes to `orphaned` when it arrives."""
        clients = await self._clients()
        return self._threads.call(partial(_call, clients["polls"], "sqs", "receive_message", parameters), orphaned)

    async def _clients(self) -> dict[str, Any]:
        if self._closed:
            raise _closed()
        making = self._making
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._making = self._threads.call(partial(_make_clients, self._arguments))
        return await asyncio.shield(making)

    async def close(self) -> None:
        """Let go of the connections; calls that run are not waited for."""
        self._closed = True
        if self._making is not None and self._making.done() and self._making.exception() is None:
            for client in self._making.result().values():
                client.close()
        self._threads.close()


def _closed() -> AwsError:
    return AwsError("closed", "this channel is closed")


def _make_clients(arguments: Mapping[str, Any]) -> dict[str, Any]:
    from boto3.session import Session
    from botocore.config import Config

    def client(service: str, read: int, attempts: int) -> Any:
        retries = {"mode": "standard", "total_max_attempts": attempts}
        pool = _CALLS if attempts > 1 else 4
        config = Config(connect_timeout=_CONNECT, read_timeout=read, retries=retries, max_pool_connections=pool)
        return session.client(service, **arguments, config=config)

    session = Session()
    try:
        # a poll is repeated anyway, and waits longer for its answer
        return {"sns": client("sns", _READ, 2), "sqs": client("sqs", _READ, 2), "polls": client("sqs", 30, 1)}
    except Exception as problem:  # noqa: BLE001 - likewise
        raise _unreachable("sqs", "", problem) from None


def _call(client: Any, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = getattr(client, operation)(**parameters)
    except ClientError as problem:
        raise refusal(service, problem.operation_name, str(problem.response.get("Error", {}).get("Code", ""))) from None
    except Exception as problem:  # noqa: BLE001 - those of botocore have no common base, and may have an answer's text
        raise _unreachable(service, client.meta.endpoint_url, problem) from None
    return answer


def _unreachable(service: str, endpoint: str, problem: Exception) -> AwsError:
    kind = type(problem).__name__
    if kind in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}:
        text = "has no login: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write sqs://KEY:SECRET@REGION"
    elif kind in {"NoRegionError", "InvalidRegionError"}:
        text = "has no region, or one that is none: write sqs://REGION, such as sqs://eu-central-1"
    elif kind == "ResponseParserError":
        text = f"is not what answers at {endpoint}; check the option `endpoint`, and proxies"
    elif kind == "SSLError":
        text = f"at {endpoint} has a TLS certificate that is not trusted; the option `ca` names an authority"
    else:
        text = f"cannot be reached at {endpoint} ({kind}); check the region and the network"
    return AwsError(kind, f"{service.upper()} {text}")
