"""One alarm, all the way: deployed with the stack, fired by a metric, told to whoever has subscribed."""

import json
from pathlib import Path
from typing import Any

from infra.local.deploy import STACK
from infra.local.stack import LocalStack
from infra.waiting import until


def test_a_fired_alarm_reaches_the_subscribers_with_what_to_do_first(tmp_path: Path) -> None:
    """The emulator evaluates alarms of one metric; every other alarm is tried in tests/unit/infra/test_alarms.py."""
    with LocalStack(data=tmp_path, parameters={"AlarmEmail": "on-call@example.org"}) as stack:
        sns, sqs, cloudwatch = (stack.emulator.client(name) for name in ("sns", "sqs", "cloudwatch"))
        (topic,) = [one["TopicArn"] for one in sns.list_topics()["Topics"] if "AlarmTopic" in one["TopicArn"]]
        (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "on-call@example.org")
        queue = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        dimensions = [{"Name": "service", "Value": f"{STACK}-csv-exporter"}]
        metric: dict[str, Any] = {"MetricName": "EventsQuarantined", "Dimensions": dimensions, "Value": 1.0}
        cloudwatch.put_metric_data(Namespace="Skyledger", MetricData=[metric])
        found = until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"), "message")
        message = json.loads(json.loads(found[0]["Body"])["Message"])
        assert (message["AlarmName"], message["NewStateValue"]) == (f"{STACK}-EventsQuarantined", "ALARM")
        assert " First: " in message["AlarmDescription"]
