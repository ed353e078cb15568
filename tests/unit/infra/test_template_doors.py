"""Who may come in where, as template.yaml says it: the policies of buckets, queues and topic, and the distribution."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ledger.keys import ENGINES, PAGE_INDEX_KEY, PAGES, SHARDS, is_named_by_content, shard_key
from tests.support.template import TEMPLATE, parameter, properties, refused_by, stack

CACHED_FOR_A_DAY = "658327ea-f89d-4fab-a63d-7e88639e58f6"  # AWS's CachingOptimized
NEVER_CACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # AWS's CachingDisabled
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"  # AWS's SecurityHeadersPolicy
FOR_READERS = {
    "image-data.csv",
    "image-data.csv-metadata.json",
    "manifest.json",
    "manifest/*",
    "shards/*",
    "index.html",
    "page/*",
}
SIGNED = {"Distribution": "signed", "DistributionKeyGroup": "keys"}
DISTRIBUTED = [
    {"Distribution": "open"},
    SIGNED,
    {**SIGNED, "DistributionDomain": "d.org", "DistributionCertificate": "c"},
]


def distribution(**given: str) -> Mapping[str, Any]:
    """Give the distribution that is made for these parameters."""
    return stack(**given)["CsvDistribution"]["Properties"]["DistributionConfig"]  # type: ignore[no-any-return]


def behaviours(**given: str) -> list[Mapping[str, Any]]:
    """Give what it does with every path: the default first."""
    config = distribution(**given)
    return [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]


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


@pytest.mark.parametrize("name", ["ImageQueue", "ImageDeadLetters", "SeenQueue", "SeenDeadLetters"])
def test_queues_are_encrypted_and_tls_only(name: str) -> None:
    """Events name objects, and so perhaps people."""
    assert properties(name)["SqsManagedSseEnabled"] is True
    policy = properties(f"{name}Policy")
    assert policy["Queues"] == [{"Ref": name}]
    refusal = policy["PolicyDocument"]["Statement"][-1]
    assert (refusal["Effect"], refusal["Action"], refusal["Principal"]) == ("Deny", "sqs:*", "*")
    assert refusal["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_whatever_a_policy_of_a_resource_grants_is_for_one_service_on_behalf_of_the_account() -> None:
    """Nobody by name, nobody from elsewhere: a service that is asked by a stranger is refused (confused deputy)."""
    documents = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    ]
    statements = [one.get("Fn::If", [None, one])[1] for document in documents for one in document]
    grants = [one for one in statements if one["Effect"] == "Allow"]
    assert len(grants) == 5
    for grant in grants:
        assert set(grant["Principal"]) == {"Service"}
        assert grant["Action"] in ("s3:GetObject", "sqs:SendMessage", "sns:Publish")
        asked = grant["Condition"]
        rule = asked == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ImageEvents", "Arn"]}}}
        equal = asked.get("StringEquals", {})
        account = equal.get("aws:SourceAccount") == {"Ref": "AWS::AccountId"}
        assert rule or account or "AWS::AccountId" in str(equal["aws:SourceArn"])


def test_alarms_of_this_account_alone_speak_to_the_topic() -> None:
    """A topic with a policy grants nothing else, so without this no alarm would be heard."""
    policy = properties("AlarmTopicPolicy")
    assert policy["Topics"] == [{"Ref": "AlarmTopic"}]
    (grant,) = policy["PolicyDocument"]["Statement"]
    assert (grant["Effect"], grant["Action"], grant["Resource"]) == ("Allow", "sns:Publish", {"Ref": "AlarmTopic"})
    assert grant["Principal"] == {"Service": "cloudwatch.amazonaws.com"}


def test_the_address_that_is_given_gets_the_alarms() -> None:
    """Without one nobody is subscribed by the stack."""
    assert "AlarmSubscription" not in stack()
    subscribed = stack(AlarmEmail="ops@example.org")["AlarmSubscription"]["Properties"]
    assert subscribed == {"TopicArn": {"Ref": "AlarmTopic"}, "Protocol": "email", "Endpoint": "ops@example.org"}


def test_nothing_is_public_unless_the_parameter_says_so() -> None:
    """CloudFront is off by default, and then the bucket grants nothing to anybody."""
    assert parameter("Distribution")["Default"] == "none"
    made = stack()
    assert not [name for name, one in made.items() if one["Type"].startswith("AWS::CloudFront::")]
    statements = made["ExportBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Deny"}


def test_a_distribution_reaches_what_a_reader_may_see_and_never_the_journal() -> None:
    """This distribution alone, as itself: it signs what it asks of the bucket, whatever the viewer sent."""
    made = stack(Distribution="open")
    *_, grant = made["ExportBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (grant["Effect"], grant["Action"]) == ("Allow", "s3:GetObject")
    assert grant["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    source = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${CsvDistribution}"
    assert grant["Condition"] == {"StringEquals": {"aws:SourceArn": {"Fn::Sub": source}}}
    assert {one["Fn::Sub"].removeprefix("${ExportBucket.Arn}/") for one in grant["Resource"]} == FOR_READERS
    access = made["CsvAccess"]["Properties"]["OriginAccessControlConfig"]
    assert (access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4")
    assert access["OriginAccessControlOriginType"] == "s3"
    (origin,) = distribution(Distribution="open")["Origins"]
    assert origin["OriginAccessControlId"] == {"Ref": "CsvAccess"}
    # Of the global name S3 sends a new bucket's readers elsewhere, and a redirect is no answer to a signed request.
    assert origin["DomainName"] == {"Fn::GetAtt": ["ExportBucket", "RegionalDomainName"]}


def test_a_reader_may_see_what_a_distribution_shows_and_lists_of_shards() -> None:
    """An engine asks where the bucket is, and lists the folders of lists and shards: and those of no journal."""
    read, listed, place = properties("ReaderPolicy")["PolicyDocument"]["Statement"]
    assert {one["Effect"] for one in (read, listed, place)} == {"Allow"}
    assert (read["Action"], listed["Action"], place["Action"]) == (
        "s3:GetObject",
        "s3:ListBucket",
        "s3:GetBucketLocation",
    )
    readable = {one["Fn::Sub"].removeprefix("${ExportBucket.Arn}/") for one in read["Resource"]}
    assert readable == FOR_READERS | {f"{ENGINES}*"}
    assert listed["Resource"] == place["Resource"] == {"Fn::GetAtt": ["ExportBucket", "Arn"]}
    assert listed["Condition"] == {"StringLike": {"s3:prefix": [f"{ENGINES}*", f"{SHARDS}*"]}}


@pytest.mark.parametrize("given", DISTRIBUTED, ids=["open", "signed", "signed, own domain"])
def test_every_path_of_a_signed_distribution_needs_a_signature(given: dict[str, str]) -> None:
    """Shards hold every row, so one path that forgot it would give away all; an open one asks nobody."""
    wanted = ["keys"] if given["Distribution"] == "signed" else None
    assert [behaviour.get("TrustedKeyGroups") for behaviour in behaviours(**given)] == [wanted] * 3


def test_a_signed_distribution_is_not_made_without_keys() -> None:
    """Without a key group nobody could sign, and CloudFront would ask nobody to."""
    assert refused_by(Distribution="signed") == ["SignedNeedsKeys"]
    for given in ({"Distribution": "open"}, {"Distribution": "none"}, SIGNED):
        assert refused_by(**given) == []


def test_only_what_is_named_by_its_content_is_kept_by_caches() -> None:
    """Manifest, CSV and page are asked for anew, or a removed photo would stay in them."""
    default, *others = behaviours(Distribution="open")
    assert default["CachePolicyId"] == NEVER_CACHED
    assert {other["PathPattern"]: other["CachePolicyId"] for other in others} == {
        f"{SHARDS}*": CACHED_FOR_A_DAY,
        f"{PAGES}*": CACHED_FOR_A_DAY,
    }
    assert is_named_by_content(shard_key("0" * 64))


def test_every_answer_of_the_distribution_has_the_headers_that_keep_browsers_careful() -> None:
    """AWS's SecurityHeadersPolicy (nosniff, HSTS, no framing), over TLS alone; and it answers reading alone.

    CloudFront's default methods are GET and HEAD. Text is compressed on the way.
    """
    config = distribution(Distribution="open")
    assert config["Enabled"] is True
    assert config["DefaultRootObject"] == PAGE_INDEX_KEY
    for behaviour in behaviours(Distribution="open"):
        assert behaviour["ResponseHeadersPolicyId"] == SECURITY_HEADERS
        assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behaviour["TargetOriginId"] == config["Origins"][0]["Id"]
        assert behaviour["Compress"] is True
        assert "AllowedMethods" not in behaviour


def test_a_distribution_with_a_domain_of_ones_own_takes_no_old_tls() -> None:
    """With CloudFront's own certificate the least is TLS 1.0, whatever is asked for: so domain and certificate."""
    config = distribution(**DISTRIBUTED[2])
    assert config["ViewerCertificate"] == {
        "AcmCertificateArn": "c",
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    assert config["Aliases"] == ["d.org"]
    assert not {"ViewerCertificate", "Aliases"} & set(distribution(Distribution="open"))
    pattern = parameter("DistributionCertificate")["AllowedPattern"]
    arn = "arn:aws:acm:{}:111122223333:certificate/12345678-1234-1234-1234-123456789012"
    assert re.fullmatch(pattern, arn.format("us-east-1")), "CloudFront takes certificates of this region alone"
    assert not re.fullmatch(pattern, arn.format("eu-west-1"))


@pytest.mark.parametrize(
    ("domain", "certificate", "refused"),
    [("", "", []), ("d", "c", []), ("d", "", ["DomainWithCertificate"]), ("", "c", ["DomainWithCertificate"])],
)
def test_domain_and_certificate_are_given_together(domain: str, certificate: str, refused: list[str]) -> None:
    """CloudFront refuses a domain without one, and would never use a certificate without a domain."""
    assert refused_by(DistributionDomain=domain, DistributionCertificate=certificate) == refused
