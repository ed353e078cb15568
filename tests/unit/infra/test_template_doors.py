"""Who may come in where, as template.yaml says it: buckets, queues, functions, logs and the distribution."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.template import TEMPLATE

FUNCTIONS = [name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::Serverless::Function"]


def properties(name: str) -> Mapping[str, Any]:
    return TEMPLATE["Resources"][name]["Properties"]


def test_the_export_bucket_asks_everybody_for_a_condition_on_what_he_writes() -> None:
    """As AWS documents it; what that does to each key and request is evaluated in tests/faults/test_policies.py."""
    _, once, seen, _ = properties("ExportBucketPolicy")["PolicyDocument"]["Statement"]
    for clause, absent in ((once, {"s3:if-none-match"}), (seen, {"s3:if-none-match", "s3:if-match"})):
        assert (clause["Effect"], clause["Principal"], clause["Action"]) == ("Deny", "*", "s3:PutObject")
        assert clause["Condition"] == {
            "Null": dict.fromkeys(absent, "true"),
            "Bool": {"s3:ObjectCreationOperation": "true"},
        }
    assert {"Fn::Sub": "${ExportBucket.Arn}/journal/*"} in once["Resource"]
    assert {"Fn::Sub": "${ExportBucket.Arn}/shards/*"} in seen["Resource"]


@pytest.mark.parametrize("name", ["ImageQueue", "ImageDeadLetters"])
def test_queues_are_encrypted_and_tls_only(name: str) -> None:
    """Events name objects, and so perhaps people."""
    assert properties(name)["SqsManagedSseEnabled"] is True
    policy = properties(f"{name}Policy")
    assert policy["Queues"] == [{"Ref": name}]
    refusal = policy["PolicyDocument"]["Statement"][-1]
    assert (refusal["Effect"], refusal["Action"], refusal["Principal"]) == ("Deny", "sqs:*", "*")
    assert refusal["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_buckets_of_the_account_send_events_and_only_those_of_the_stack_count() -> None:
    """S3 tries the queue when it makes the bucket, so that only a name that is given can stand in the policy."""
    grant, _ = properties("ImageQueuePolicy")["PolicyDocument"]["Statement"]
    assert (grant["Principal"], grant["Action"]) == ({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")
    assert grant["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    condition, named, made_up = grant["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::If"]
    assert (condition, named["Fn::Sub"]) == ("NamedImagesBucket", "arn:${AWS::Partition}:s3:::${ImagesBucketName}")
    assert made_up["Fn::Sub"] == "arn:${AWS::Partition}:s3:::*"
    assert properties("ImageProcessor")["Environment"]["Variables"]["IMAGE_BUCKETS"] == {"Ref": "ImagesBucket"}


def test_whatever_a_policy_of_a_resource_grants_is_for_one_service_on_behalf_of_the_account() -> None:
    """Nobody by name, nobody from elsewhere: a service that is asked by a stranger is refused (confused deputy)."""
    documents = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    ]
    statements = [one.get("Fn::If", [None, one])[1] for document in documents for one in document]
    grants = [one for one in statements if one["Effect"] == "Allow"]
    assert len(grants) == 3
    for grant in grants:
        assert set(grant["Principal"]) == {"Service"}
        equal = grant["Condition"]["StringEquals"]
        assert equal.get("aws:SourceAccount") == {"Ref": "AWS::AccountId"} or "AWS::AccountId" in str(
            equal["aws:SourceArn"]
        )


def test_no_function_can_be_called_from_outside() -> None:
    """No function has a URL or an API, and nobody but stream, queue, schedule and Step Functions is let in."""
    types = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    assert not {
        kind for kind in types if kind.startswith(("AWS::ApiGateway", "AWS::Lambda::", "AWS::Serverless::Http"))
    }
    for function in FUNCTIONS:
        assert "FunctionUrlConfig" not in properties(function)
        events = properties(function).get("Events", {})
        assert {event["Type"] for event in events.values()} <= {"SQS", "DynamoDB", "Schedule"}


def test_every_log_is_kept_as_long_as_was_said() -> None:
    """A function without a log group of the stack would write one that nobody ever deletes."""
    for function in FUNCTIONS:
        logs = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
        assert properties(logs) == {"RetentionInDays": {"Ref": "LogRetentionDays"}}


def test_a_distribution_with_a_domain_of_ones_own_takes_no_old_tls() -> None:
    """With CloudFront's own certificate the least is TLS 1.0, whatever is asked for: so domain and certificate."""
    config = properties("CsvDistribution")["DistributionConfig"]
    condition, certificate, none = config["ViewerCertificate"]["Fn::If"]
    assert (condition, none) == ("OwnDomain", {"Ref": "AWS::NoValue"})
    assert certificate == {
        "AcmCertificateArn": {"Ref": "DistributionCertificate"},
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    assert config["Aliases"]["Fn::If"] == ["OwnDomain", [{"Ref": "DistributionDomain"}], {"Ref": "AWS::NoValue"}]
    assert TEMPLATE["Conditions"]["OwnDomain"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "DistributionCertificate"}, ""]}]
    }
    pattern = TEMPLATE["Parameters"]["DistributionCertificate"]["AllowedPattern"]
    arn = "arn:aws:acm:{}:111122223333:certificate/12345678-1234-1234-1234-123456789012"
    assert re.fullmatch(pattern, arn.format("us-east-1")), "CloudFront takes certificates of this region alone"
    assert not re.fullmatch(pattern, arn.format("eu-west-1"))


@pytest.mark.parametrize(
    ("domain", "certificate", "allowed"), [("", "", True), ("d", "c", True), ("d", "", False), ("", "c", False)]
)
def test_domain_and_certificate_are_given_together(domain: str, certificate: str, allowed: bool) -> None:
    """CloudFront refuses a domain without one, and would never use a certificate without a domain."""
    given = {"DistributionDomain": domain, "DistributionCertificate": certificate}
    (assertion,) = TEMPLATE["Rules"]["DomainWithCertificate"]["Assertions"]
    assert evaluated(assertion["Assert"], given) is allowed


def evaluated(condition: Any, given: Mapping[str, str]) -> Any:
    """The value of a condition of the template, for these parameters."""
    if not isinstance(condition, Mapping):
        return condition
    ((function, argument),) = condition.items()
    if function == "Ref":
        return given[argument]
    values = [evaluated(one, given) for one in argument]
    return {
        "Fn::Equals": lambda: values[0] == values[1],
        "Fn::Not": lambda: not values[0],
        "Fn::And": lambda: all(values),
        "Fn::Or": lambda: any(values),
    }[function]()


def test_every_answer_of_the_distribution_has_the_headers_that_keep_browsers_careful() -> None:
    """AWS's SecurityHeadersPolicy (nosniff, HSTS, no framing), over TLS alone, and signed where it shall be."""
    config = properties("CsvDistribution")["DistributionConfig"]
    for behaviour in (config["DefaultCacheBehavior"], *config["CacheBehaviors"]):
        assert behaviour["ResponseHeadersPolicyId"] == "67f7725c-6f97-4210-82d7-5512b31e9d03"
        assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behaviour["TrustedKeyGroups"]["Fn::If"][0] == "Signed"
    assert {behaviour["PathPattern"] for behaviour in config["CacheBehaviors"]} == {"shards/*", "manifest/*"}
