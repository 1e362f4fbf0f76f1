"""A real SQS endpoint for the tests: moto's server, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import httpx

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType
    from types_boto3_sqs.type_defs import MessageTypeDef, SendMessageRequestTypeDef

START_SECONDS = 60


@dataclass(frozen=True)
class MadeQueue:
    """A queue and its dead-letter queue, as the tests see them."""

    client: SQSClient
    url: str
    dead_url: str | None

    def send(self, *bodies: str) -> None:
        for body in bodies:
            letter: SendMessageRequestTypeDef = {"QueueUrl": self.url, "MessageBody": body}
            if self.url.endswith(".fifo"):
                letter |= {"MessageGroupId": "inventories", "MessageDeduplicationId": uuid4().hex}
            self.client.send_message(**letter)

    def count(self) -> int:
        """Count the messages, in hand or not."""
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        waiting, in_hand = found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]
        return int(waiting) + int(in_hand)

    def dead(self) -> list[tuple[str, str]]:
        """Give the body and the reason of every dead letter."""
        assert self.dead_url is not None
        answer = self.client.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        return [(message["Body"], _reason(message)) for message in answer.get("Messages", [])]


def _reason(message: MessageTypeDef) -> str:
    return message["MessageAttributes"]["orca-reconcile-reason"]["StringValue"]


@dataclass(frozen=True)
class Sqs:
    """A running server."""

    endpoint: str
    client: SQSClient

    def queue(self, *, dead_letters: bool = True, fifo: bool = False) -> MadeQueue:
        """Make a queue, and one for its dead letters."""
        name = f"inventories-{uuid4().hex}"
        suffix = ".fifo" if fifo else ""
        dead, policy = None, {}
        if dead_letters:
            dead = self._make(f"{name}-dead{suffix}", {})
            arn = self.client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 10}
        url = self._make(f"{name}{suffix}", {"RedrivePolicy": json.dumps(policy)} if policy else {})
        return MadeQueue(self.client, url, dead)

    def _make(self, name: str, attributes: dict[QueueAttributeNameType, str]) -> str:
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        return self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


@contextmanager
def running(log: Path) -> Iterator[Sqs]:
    """Run a server until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(process, endpoint, log)
        client = boto3.client(
            "sqs",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="of-the-tests",  # noqa: S106  (the server is ours and asks for none)
        )
        try:
            yield Sqs(endpoint, client)
        finally:
            client.close()
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(f"{endpoint}/moto-api/", timeout=5).is_success:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text())
