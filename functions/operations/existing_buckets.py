"""At deployment: the buckets that were there before Skyledger tell it of their changes.

CloudFormation calls this as a custom resource whenever the list of sources changes. EventBridge is switched on in each
existing bucket; what it notifies already stays as it is. The switch knows no filter and no destination: which events
become photos the stack's rule says, and others may have rules of their own. So nothing is switched off again when a
bucket leaves the list: the rule no longer names it, and that ends its events.

S3 replaces a bucket's notifications as a whole, without a condition (API reference,
PutBucketNotificationConfiguration). So another writer may be in the way:

    he wrote after our read, and we after him     his change is gone, and nobody can tell. What we found stands in the
                                                  log; the time between the two requests is all that there is of it
    he read before our write and wrote after it   the switch is off again: read again, switched on again, beside what
                                                  he wrote
    he read after our write                       the switch is on, and what he changed is his

Others' destinations are not tried again (SkipDestinationValidation): one that is gone would make S3 refuse ours.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from operations.custom_resource import Patience, answered

logger = Logger()
PHYSICAL_ID = "skyledger-sources"
OWN_BUCKET = "ImagesBucket"
"""Logical id of the stack's own bucket in the template."""

CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
_SWITCH = "EventBridgeConfiguration"
_MAY_PASS = {403, 408, 409, 429}  # of those that blame the request: a role that IAM does not know yet, and rivals

Notifications = dict[str, Any]


class NotFollowed(Exception):
    """A bucket cannot be a source of images, so the stack is not to be as it is wished."""


class NotFollowedYet(NotFollowed):
    """What may be otherwise in a moment."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is: buckets elsewhere send their events elsewhere."""

    region: str
    account: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the parameters say of the sources.

    Attributes:
        existing: buckets to be followed by EventBridge.
        own: the stack's own bucket; empty if it is to have none.
        own_wanted: `auto`, `yes` or `no`.
        export: the bucket of the CSV.
    """

    existing: tuple[str, ...]
    own: str
    own_wanted: str
    export: str

    @staticmethod
    def of(properties: dict[str, Any]) -> "Wishes":
        """Read the properties of the custom resource."""
        existing = tuple(dict.fromkeys(filter(None, properties.get("ExistingBuckets", ()))))
        return Wishes(existing, properties.get(OWN_BUCKET, ""), properties["OwnBucket"], properties["ExportBucket"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a custom resource request."""

    def work() -> None:
        if event["RequestType"] == "Delete":
            logger.info("EventBridge stays on in the buckets: others may use it, and nothing of this stack listens")
            return
        cloudformation = boto3.client("cloudformation", config=CONFIG)
        try:
            _follow(event, context, cloudformation)
        except NotFollowed as error:
            if event["RequestType"] != "Update" or not is_rolled_back(cloudformation, event["StackId"]):
                raise
            logger.warning("the stack goes back to sources that cannot be followed now", error=str(error))

    return answered(event, PHYSICAL_ID, work)


def _follow(event: dict[str, Any], context: Any, cloudformation: Any) -> None:
    _, _, _, region, account, _ = event["StackId"].split(":", 5)
    wishes = Wishes.of(event["ResourceProperties"])
    patience = Patience(context, time.sleep, NotFollowedYet)
    check(wishes, partial(patience.call, partial(own_bucket, cloudformation, event["StackId"])))
    s3 = boto3.client("s3", config=CONFIG)
    for bucket in wishes.existing:
        patience.call(partial(switch_on, s3, bucket, Place(region, account)))


def is_rolled_back(cloudformation: Any, stack: str) -> bool:
    """Say whether an update failed, and the stack goes back to what it was; False if CloudFormation does not say.

    Back there every bucket was followed, and nothing is ever switched off. To refuse one that is gone since would leave
    the stack in UPDATE_ROLLBACK_FAILED (CloudFormation API reference, ContinueUpdateRollback), out of which only an
    operator brings it.
    """
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError):
        logger.exception("whether the stack is rolled back is not known")
        return False
    return bool(found["StackStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS")


def check(wishes: Wishes, own_until_now: Callable[[], str]) -> None:
    """Refuse sources that make no sense, and an update that would let go of the own bucket without saying so.

    Args:
        wishes: what the parameters say.
        own_until_now: asks for the stack's own bucket as it is before the update; empty if there is none.

    Raises:
        NotFollowed: says what to do.
    """
    if not wishes.existing and not wishes.own:
        raise NotFollowed("no bucket: OwnBucket=no needs ExistingBuckets")
    if wishes.export in wishes.existing:
        raise NotFollowed(f"{wishes.export} is the stack's export bucket: every export would be taken for an upload")
    if wishes.own in wishes.existing:
        raise NotFollowed(f"{wishes.own} is the stack's own bucket, and followed: take it out of ExistingBuckets")
    if wishes.own_wanted == "auto" and not wishes.own and (losing := own_until_now()):
        raise NotFollowed(
            f"this update would let go of the stack's own bucket {losing}: it and its rows would stay, and nobody "
            "would follow it any longer. OwnBucket=yes keeps following it, OwnBucket=no lets it go"
        )


def own_bucket(cloudformation: Any, stack: str) -> str:
    """Name the stack's own bucket; empty if it has none.

    During an update the stack still has what the update will take away: that is deleted when all else is done.

    Raises:
        NotFollowedYet: CloudFormation refused or did not answer.
    """
    try:
        answer = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=OWN_BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # there is no such resource
            return ""
        raise NotFollowedYet(f"{OWN_BUCKET}: {error}") from error
    except BotoCoreError as error:
        raise NotFollowedYet(f"{OWN_BUCKET}: {error}") from error
    resource = answer["StackResourceDetail"]
    return "" if resource["ResourceStatus"].startswith("DELETE_") else str(resource["PhysicalResourceId"])


def switch_on(s3: Any, bucket: str, place: Place) -> None:
    """Switch EventBridge on in a bucket, and leave its other notifications as they are.

    Raises:
        NotFollowed: it cannot be followed.
        NotFollowedYet: it could not be done now.
    """
    _require_here(s3, bucket, place)
    before = _notifications(s3, bucket, place)
    if _SWITCH in before:
        return
    logger.info("switching EventBridge on", bucket=bucket, notifications=before)
    _ask(
        s3.put_bucket_notification_configuration,
        bucket,
        place,
        NotificationConfiguration=before | {_SWITCH: {}},
        SkipDestinationValidation=True,
    )
    after = _notifications(s3, bucket, place)
    if _SWITCH not in after:
        raise NotFollowedYet(f"{bucket}: EventBridge is off again; somebody else writes the bucket's notifications")
    if _entries(after) != _entries(before):
        logger.warning("somebody else changed the bucket's notifications", bucket=bucket, before=before, after=after)


def _require_here(s3: Any, bucket: str, place: Place) -> None:
    """Refuse a bucket of another region: boto3 follows S3 there, and its events would stay there."""
    region = _ask(s3.head_bucket, bucket, place).get("BucketRegion", place.region)
    _require_region(bucket, region, place)


def _require_region(bucket: str, region: str, place: Place) -> None:
    if region != place.region:
        raise NotFollowed(
            f"{bucket} is in {region}, and the stack in {place.region}: it can follow buckets there alone"
        )


def _notifications(s3: Any, bucket: str, place: Place) -> Notifications:
    answer = _ask(s3.get_bucket_notification_configuration, bucket, place)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _entries(notifications: Notifications) -> list[str]:
    """Give what tells two configurations apart, but for the switch: S3 promises no order."""
    return sorted(f"{name} {one}" for name, some in notifications.items() if name != _SWITCH for one in some)


def _ask(call: Callable[..., Any], bucket: str, place: Place, **arguments: Any) -> Any:
    try:
        return call(Bucket=bucket, ExpectedBucketOwner=place.account, **arguments)
    except BotoCoreError as error:
        raise NotFollowedYet(f"{bucket}: {error}") from error
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        status = answer["HTTPStatusCode"]
        if status == 404:
            raise NotFollowed(f"{bucket}: there is no such bucket") from error
        # Whoever may not look is told the region all the same (API reference, HeadBucket).
        _require_region(bucket, answer["HTTPHeaders"].get("x-amz-bucket-region", place.region), place)
        if status == 403:
            raise NotFollowedYet(
                f"{bucket}: denied ({error.operation_name}). It is another account's, or its policy keeps the stack's "
                f"role out; buckets of account {place.account} alone can be followed"
            ) from error
        if status < 500 and status not in _MAY_PASS:
            raise NotFollowed(f"{bucket}: {error}") from error
        raise NotFollowedYet(f"{bucket}: {error}") from error
