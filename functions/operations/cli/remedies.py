"""What to do about an error of AWS, or of its SDK: half a sentence for the line that tells it.

Which errors there are: S3 API reference, "Error responses"; the API references' "Common errors"; `botocore.exceptions`,
of which the credential providers raise those that have no answer (expired SSO tokens: boto3 issue 4119). A HEAD has no
body, so its code is the status (botocore issue 1413). A bucket in another region is found by botocore itself
(`S3RegionRedirector`, pull request 3303); what comes through has the region in a header, or did not come from AWS.
"""

from collections.abc import Iterator, Mapping

from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    EndpointProviderError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRegionError,
    InvalidRetryConfigurationError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import ResponseParserError

_NO_BUCKET = "there is no such bucket: look at --bucket, --stack and --endpoint-url"
_EXPIRED = "the credentials have expired: log in again, as by aws sso login or aws login"
_WRONG_KEY = "AWS does not know these credentials: look at --profile, or run aws configure"
_OTHER_REGION = "the bucket is in another region: give --region"
_OTHER_CLOCK = "the clock of this machine is wrong"

_BY_CODE: Mapping[str, str] = {
    "NoSuchBucket": _NO_BUCKET,
    "404": _NO_BUCKET,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _WRONG_KEY,
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "UnrecognizedClientException": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "InvalidSignatureException": _WRONG_KEY,
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "301": _OTHER_REGION,
    "RequestTimeTooSkewed": _OTHER_CLOCK,
    "RequestExpired": _OTHER_CLOCK,
    "NotSignedUp": _WRONG_KEY,
    "OptInRequired": _WRONG_KEY,
}
# What services beside S3 say of a clock, under the code of a wrong signature (IAM User Guide, "Troubleshoot Signature
# Version 4", of requests that are signed too early or too late).
_OF_CLOCKS = ("Signature expired", "Signature not yet current")
_BUSY = "AWS asks for patience: try again in a minute"
_BUSY_CODES = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "Forbidden", "403"}
# Of S3, an operation's permission has another name now and then (Service Authorization Reference, "Amazon S3").
_PERMISSIONS: Mapping[str, str] = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "DescribeStacks": "cloudformation:DescribeStacks",
    "AssumeRole": "sts:AssumeRole",
    "StartExecution": "states:StartExecution",
    "DescribeExecution": "states:DescribeExecution",
    "ListMapRuns": "states:ListMapRuns",
    "DescribeMapRun": "states:DescribeMapRun",
    "GetEventSourceMapping": "lambda:GetEventSourceMapping",
    "UpdateEventSourceMapping": "lambda:UpdateEventSourceMapping",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "ReceiveMessage": "sqs:ReceiveMessage",
    "SendMessageBatch": "sqs:SendMessage",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "DescribeTable": "dynamodb:DescribeTable",
    "DescribeExport": "dynamodb:DescribeExport",
    "ExportTableToPointInTime": "dynamodb:ExportTableToPointInTime",
    "GetItem": "dynamodb:GetItem",
}
_OF_READERS = {"s3:GetObject", "s3:ListBucket"}

_NO_CREDENTIALS = "there are no AWS credentials: run aws configure, or give --profile"
_LOG_IN = "log in again, as by aws sso login or aws login, or give another --profile"
# The first that fits.
_BY_KIND: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    ((NoCredentialsError, PartialCredentialsError), _NO_CREDENTIALS),
    ((SSOError, LoginError, TokenRetrievalError, NoAuthTokenError, CredentialRetrievalError), _LOG_IN),
    (ProfileNotFound, "aws configure list-profiles names those that there are"),
    (
        (InvalidConfigError, InvalidRetryConfigurationError, ConfigParseError),
        "look at AWS's config file, and at the variables that begin with AWS_",
    ),
    ((NoRegionError, InvalidRegionError), "give --region"),
    (EndpointProviderError, "that is no address: give another --endpoint-url"),
    (ParamValidationError, "that is no name of a bucket: give it without s3://"),
    (SSLError, "who answered is not known: a proxy, whose certificate AWS_CA_BUNDLE names, or a network's login page?"),
    (ResponseParserError, "who answered is not AWS: look at --endpoint-url, or for the login page of a network"),
    ((NotConnected, HTTPClientError, OSError), "nobody answers: look at the network, --region and --endpoint-url"),
)


def remedy(error: BaseException) -> str:
    """Say what to do about an error, by what caused it; nothing if that is not known."""
    for cause in _causes(error):
        if isinstance(cause, ClientError):
            return _of_answer(cause)
        for kinds, advice in _BY_KIND:
            if isinstance(cause, kinds):
                return advice
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _of_answer(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    answer = error.response.get("ResponseMetadata", {})
    headers = answer.get("HTTPHeaders", {})
    if code in _DENIED:
        permission = _PERMISSIONS.get(error.operation_name, error.operation_name)
        whom = "; readers get it by the stack's ReaderPolicyArn" if permission in _OF_READERS else ""
        return f"these credentials lack the permission {permission}{whom}"
    if any(words in str(error) for words in _OF_CLOCKS):
        return _OTHER_CLOCK
    advice = _BY_CODE.get(code, "")
    if not advice and (code in _BUSY_CODES or answer.get("HTTPStatusCode", 0) >= 500):
        return _BUSY
    region = headers.get("x-amz-bucket-region")
    return f"{advice} {region}" if advice is _OTHER_REGION and region else advice
