"""Bodies of messages, as S3, EventBridge, SNS and ORCA send them."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

TEST_EVENT = json.dumps(
    {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2024-05-07T01:00:00.000Z",
        "Bucket": "inventory",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    }
)


def event(bucket: str, *keys: str, name: str = "ObjectCreated:Put", encode: bool = True) -> str:
    """Write the body of an event with a record for each key."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-west-2",
            "eventTime": "2024-05-07T03:00:00.000Z",
            "eventName": name,
            "userIdentity": {"principalId": "AWS:s3-inventory"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "inventories",
                "bucket": {"name": bucket, "ownerIdentity": {"principalId": "A"}, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {"key": quote_plus(key, safe="/") if encode else key, "size": 1, "sequencer": "00"},
            },
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def from_event_bridge(bucket: str, key: str, kind: str = "Object Created") -> str:
    """Write the body of an event of EventBridge, whose keys are as they are."""
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": kind,
            "source": "aws.s3",
            "account": "111122223333",
            "time": "2024-05-07T03:00:00Z",
            "region": "us-west-2",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00"},
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": "123456789012",
                "reason": "PutObject",
            },
        }
    )


def from_sns(message: str) -> str:
    """Wrap a body as SNS does."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "m",
            "TopicArn": "arn:aws:sns:us-west-2:123456789012:inventories",
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": "2024-05-07T03:00:00.000Z",
        }
    )


def from_orca(bucket: str, key: str) -> str:
    """Write the body that ORCA's own queue carries."""
    return json.dumps({"reportBucketRegion": "us-west-2", "reportBucketName": bucket, "manifestKey": key})
