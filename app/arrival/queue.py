"""One queue of Amazon SQS, or of a server that speaks its language, through boto3 in threads.

Endpoint and credentials come from the usual `AWS_*` variables. boto3 is the part `sqs` of the installation.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from app.errors import Misconfigured, ReconcileError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        SendMessageRequestTypeDef,
    )

POLL_S = 5  # how long a poll waits for a message, and thus how long a stop may take
LONGEST_HIDING_S = 900
REASON = "orca-reconcile-reason"
MOST_ATTRIBUTES = 10  # that a message may have
MOST_REASON_CHARACTERS = 1000

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=POLL_S + 15,
    retries={"mode": "standard", "max_attempts": 3},
    user_agent_extra="orca-reconcile",
)
_REGION_IN_URL = re.compile(r"https://(?:sqs\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.")
_NOT_ALLOWED = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # in the text of an attribute


class QueueUnavailable(ReconcileError):
    """The queue did not answer, or answered with a failure that may pass."""

    name: ClassVar[str] = "queue-unavailable"
    title: ClassVar[str] = "The queue does not answer"


@dataclass(frozen=True)
class Message:
    """A message in hand; `received` counts how often it has been, `group` is its group in a FIFO queue."""

    id: str
    body: str
    receipt: str = field(repr=False)
    received: int
    group: str | None
    attributes: Mapping[str, MessageAttributeValueOutputTypeDef] = field(repr=False)


class Queue:
    """The queue at a URL."""

    def __init__(self, url: str, client: SQSClient) -> None:
        self.url = url
        self._client = client

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Have a client for the queue; nothing is asked of it yet. Raises `Misconfigured`."""
        client = await asyncio.to_thread(_client, url)
        try:
            yield cls(url, client)
        finally:
            client.close()

    async def receive(self) -> Message | None:
        """Wait for a message, `POLL_S` seconds at most.

        Raises `QueueUnavailable`, and `Misconfigured` when there is no such queue.
        """
        return await asyncio.to_thread(self._receive)

    async def delete(self, message: Message) -> None:
        """Delete a message that is done. Raises `QueueUnavailable`."""

        def delete() -> None:
            with _in_our_words(self.url):
                self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

        await asyncio.to_thread(delete)

    async def hide(self, message: Message, seconds: int) -> None:
        """Let a message reappear after so many seconds. Raises `QueueUnavailable`."""

        def hide() -> None:
            with _in_our_words(self.url):
                self._client.change_message_visibility(
                    QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=min(seconds, LONGEST_HIDING_S)
                )

        await asyncio.to_thread(hide)

    async def bury(self, message: Message, reason: str) -> bool:
        """Move a message to the dead-letter queue with the reason as an attribute; `False` where there is none.

        Should the move be interrupted, the message is in both queues rather than in neither. Raises `QueueUnavailable`.
        """
        return await asyncio.to_thread(self._bury, message, reason)

    def _receive(self) -> Message | None:
        with _in_our_words(self.url):
            try:
                answer = self._client.receive_message(
                    QueueUrl=self.url,
                    MaxNumberOfMessages=1,
                    WaitTimeSeconds=POLL_S,
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
                    MessageAttributeNames=["All"],
                )
            except self._client.exceptions.QueueDoesNotExist as error:
                raise Misconfigured(f"There is no queue at {self.url}, or it may not be read.") from error
        for message in answer.get("Messages", ()):
            system = message.get("Attributes", {})
            return Message(
                id=message["MessageId"],
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                received=int(system.get("ApproximateReceiveCount", "1")),
                group=system.get("MessageGroupId"),
                attributes=message.get("MessageAttributes", {}),
            )
        return None

    def _bury(self, message: Message, reason: str) -> bool:
        with _in_our_words(self.url):
            grave = self._dead_letter_queue()
            if grave is None:
                return False
            self._client.send_message(**_letter(grave, message, reason))
            self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)
        return True

    def _dead_letter_queue(self) -> str | None:
        """Find the URL of the queue to which this one's redrive policy points."""
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            return None
        *_, account, name = str(orjson.loads(policy)["deadLetterTargetArn"]).split(":")
        return self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]


def _client(url: str) -> SQSClient:
    # boto3 itself knows AWS_DEFAULT_REGION alone, while the containers of AWS set AWS_REGION.
    in_url = _REGION_IN_URL.match(url)
    region = os.environ.get("AWS_REGION") or (in_url["region"] if in_url else None)
    try:
        return boto3.client("sqs", region_name=region, config=_CONFIG)
    except NoRegionError as error:
        raise Misconfigured("The queue's URL does not tell its region: set AWS_REGION.") from error
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(f"No client for the queue {url} can be made: {error}") from error


def _letter(grave: str, message: Message, reason: str) -> SendMessageRequestTypeDef:
    kept = [(name, _copied(value)) for name, value in message.attributes.items() if name != REASON]
    text = _NOT_ALLOWED.sub("\N{REPLACEMENT CHARACTER}", reason)[:MOST_REASON_CHARACTERS]
    letter: SendMessageRequestTypeDef = {
        "QueueUrl": grave,
        "MessageBody": message.body,
        "MessageAttributes": {**dict(kept[: MOST_ATTRIBUTES - 1]), REASON: {"DataType": "String", "StringValue": text}},
    }
    if grave.endswith(".fifo"):
        letter["MessageGroupId"] = message.group or message.id
        letter["MessageDeduplicationId"] = message.id
    return letter


def _copied(value: MessageAttributeValueOutputTypeDef) -> MessageAttributeValueTypeDef:
    copy: MessageAttributeValueTypeDef = {"DataType": value["DataType"]}
    if "StringValue" in value:
        copy["StringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        copy["BinaryValue"] = value["BinaryValue"]
    return copy


@contextmanager
def _in_our_words(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        fault = error.response["Error"]
        raise QueueUnavailable(f"The queue {url} refused: {fault.get('Message') or fault.get('Code')}") from error
    except BotoCoreError as error:
        raise QueueUnavailable(f"The queue {url} did not answer: {error}") from error
