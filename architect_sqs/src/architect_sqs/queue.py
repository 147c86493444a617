"""One queue of SQS."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from architect_core.clock import monotonic
from architect_sqs.aws import LONG_POLL, Aws, AwsError, refusal
from architect_sqs.batching import BATCH, Batcher
from architect_sqs.names import fifo_id
from architect_sqs.topology import LEASE
from architect_sqs.wire import Wire

MAX_DELAY = 12 * 3600
"""Seconds for which a message can be invisible, since it was received."""

_EXPIRED = {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
_LOGGER = logging.getLogger("architect.events.sqs")


@dataclass(eq=False)
class Token:
    """A received message as its queue knows it.

    Attributes:
        id: that SQS has given it.
        since: when it was received, by `architect_core.clock`.
        until: when its lease ends; likewise.
        attempt: how often it was received.
    """

    queue: Queue
    id: str
    handle: str = field(repr=False)
    wire: Wire = field(repr=False)
    attempt: int
    since: float
    until: float


class Queue:
    """A queue of a subscriber, or its dead-letter queue."""

    def __init__(self, aws: Aws, url: str, other: str, *, fifo: bool) -> None:
        """`other` is the URL of the dead-letter queue, or for that the one of the queue."""
        self.fifo = fifo
        self._aws = aws
        self._url = url
        self._other = other
        self._deletions: Batcher[str, AwsError | None] = Batcher(self._delete, lambda _: False)

    async def poll(
        self, limit: int, seconds: float, orphaned: Callable[[Sequence[Token]], None]
    ) -> asyncio.Future[dict[str, Any]]:
        """Returns the future answer to a long poll of `seconds`; see `tokens` and `Aws.poll`."""
        parameters = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": min(BATCH, limit),
            "WaitTimeSeconds": min(LONG_POLL, max(1, math.ceil(seconds))),
            "VisibilityTimeout": LEASE,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
        }
        return await self._aws.poll(lambda answer: orphaned(self.tokens(answer)), **parameters)

    def tokens(self, answer: Mapping[str, Any]) -> list[Token]:
        """Returns the messages of an answer."""
        now = monotonic()
        return [
            Token(
                self,
                each["MessageId"],
                each["ReceiptHandle"],
                Wire(each["Body"], each.get("MessageAttributes", {})),
                int(each.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
                now,
                now + LEASE,
            )
            for each in answer.get("Messages", [])
        ]

    async def move(self, token: Token, wire: Wire, *, group: str, delay: float = 0.0) -> None:
        """Send `wire` to the other queue, then delete `token`; raises AwsError if one of them fails."""
        parameters: dict[str, Any] = {"MessageBody": wire.body, "MessageAttributes": wire.attributes}
        if self.fifo:
            parameters |= {"MessageGroupId": fifo_id(group), "MessageDeduplicationId": fifo_id(token.id)}
        else:
            parameters["DelaySeconds"] = min(900, math.ceil(delay))
        await self._aws.call("sqs", "send_message", QueueUrl=self._other, **parameters)
        await self.delete([token])

    async def delete(self, tokens: Sequence[Token]) -> None:
        """Delete these; a lease that has ended is logged, because the message may come again. Raises AwsError."""
        for problem in await asyncio.gather(*(self._deletions.put(each.handle) for each in tokens)):
            if problem is not None:
                self._check(problem)

    async def change(self, tokens: Sequence[Token], seconds: float) -> None:
        """Have these be invisible for `seconds` from now; raises AwsError."""
        now = monotonic()
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": each.handle,
                "VisibilityTimeout": max(0, min(math.ceil(seconds), math.floor(MAX_DELAY - 5 - (now - each.since)))),
            }
            for number, each in enumerate(tokens)
        ]
        for each in tokens:
            each.until = now + seconds
        for start in range(0, len(entries), BATCH):
            for problem in await self._batch("change_message_visibility_batch", entries[start : start + BATCH]):
                if problem is not None:
                    self._check(problem)

    def _check(self, problem: AwsError) -> None:
        if problem.code not in _EXPIRED:
            raise problem
        _LOGGER.warning("the lease of a message has ended before its handler, so that it may be delivered again")

    async def _delete(self, handles: Sequence[str]) -> list[AwsError | None]:
        entries = [{"Id": str(number), "ReceiptHandle": each} for number, each in enumerate(handles)]
        try:
            return await self._batch("delete_message_batch", entries)
        except AwsError as problem:
            return [problem] * len(handles)

    async def _batch(self, operation: str, entries: Sequence[Mapping[str, Any]]) -> list[AwsError | None]:
        answer = await self._aws.call("sqs", operation, QueueUrl=self._url, Entries=entries)
        failed = {each["Id"]: refusal("sqs", operation, each["Code"]) for each in answer.get("Failed", [])}
        return [failed.get(each["Id"]) for each in entries]


async def on_each_queue(tokens: Sequence[Token], act: Callable[[Queue, list[Token]], Any]) -> None:
    """Await `act` for each queue with its own of `tokens`, all at once; raises the first AwsError."""
    ordered = sorted(tokens, key=lambda token: token.queue.fifo)
    groups = [(queue, list(each)) for queue, each in itertools.groupby(ordered, key=lambda token: token.queue)]
    await asyncio.gather(*(act(queue, each) for queue, each in groups))
