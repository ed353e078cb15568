"""The store on S3.

Conditional writes (AWS S3 User Guide, "Conditional writes") answer in one of these ways:

    done                      200                       the new ETag, or True for a new object
    condition not met         412, 404 for If-Match     Refused (NotFound): nothing was written
    another writer at it      409                       Refused: nothing was written
    lost answer, overload     no answer, 5xx, or a 200  Unknown: it may have landed
                              whose body does not tell
    denied, malformed         other 4xx                 Denied: nothing was written
    no credentials            not even sent             Denied: nothing was written

The SDK must not send a swap twice: resent after a lost answer, it would get 412 for its own success. So swaps go
through a client without retries, and `Unknown` is told from `Refused`. Content-addressed writes may be sent any
number of times.

Copies and completions have clients of their own. S3 sends nothing while it copies: some GB took over 30 s without a
byte (aws-sdk-rust issue 1141, smithy-rs issue 4439; at about 70 MB/s a request), and a completion may take minutes (API
reference, CompleteMultipartUpload). So they wait for as long as the caller has, each request is sent once, and a copy
that failed is sent again while there is time for it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from ledger.errors import Denied, LedgerError, NotFound, Refused, Unavailable, Unknown
from ledger.store import PARALLEL_REQUESTS, PATIENCE_SECONDS, ByteRange, Listed, Stored

T = TypeVar("T")
R = TypeVar("R")

DELETE_BATCH = 1000  # S3's limit for DeleteObjects
_CONNECT_SECONDS = 3
_READ_SECONDS = 20

# What the patient clients wait for an answer; of those that fit into the time left, the longest is taken.
_WAITS = (PATIENCE_SECONDS, 480.0, 240.0, 120.0, 60.0, 30.0, 10.0, 3.0)
_COPY_TRIES = 3
_COPY_PAUSE_SECONDS = 0.2  # doubled at each further try

_PUT_NEW_TRIES = 4

_EXISTS = {"PreconditionFailed", "412"}
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_MISSING = {"NoSuchKey", "NotFound", "NoSuchUpload", "404"}
_UNCHANGED = {"NotModified", "304"}
# The second is a 400, for a request that came too slowly; the third a 403, as of a laptop that has just woken up, whose
# clock is set a moment later (S3 API reference, "Error responses").
_PASSING = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "InternalError", "ServiceUnavailable"}
_NO_ANSWER = (BotoCoreError, OSError, ResponseParserError)
# Raised before anything is sent: by the credential providers (botocore `credentials`, `tokens`), or since a bucket
# cannot have this name.
_NOT_SENT = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    NoAuthTokenError,
    SSOError,
    LoginError,
    ParamValidationError,
)


class _NotModified(Exception):
    """The object has the ETag that was named."""


class S3Store:
    """The verbs on one S3 bucket."""

    def __init__(self, bucket: str, **client_arguments: Any) -> None:
        self.bucket = bucket
        self._client_arguments = client_arguments
        self._s3 = self._client(_READ_SECONDS, retries={"mode": "standard"})
        self._s3_once = self._client(_READ_SECONDS, retries={"total_max_attempts": 1})
        self._patient_clients: dict[float, Any] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="store")

    def get(self, key: str) -> Stored:
        """Read an object."""
        return self._get(key)

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has."""
        try:
            return self._get(key, IfNoneMatch=f'"{etag}"')
        except _NotModified:
            return None

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        body = self._get(key, Range=f"bytes={first}-{last}", **condition).body
        if len(body) != last - first + 1:
            raise Unavailable(f"{self._place(key)}: {len(body)} of {last - first + 1} bytes came")
        return body

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        return _stored(self._read(self._s3.head_object, key, Key=key), b"", self._place(key))

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists."""
        for _ in range(_PUT_NEW_TRIES):
            try:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                if _code(error) not in _REFUSED:
                    raise _read_error(error, self._place(key)) from error
                # 409: another request on this key was in the way and nothing was written. That is not "exists".
            except _NO_ANSWER as error:
                raise _unanswered(error, self._place(key)) from error
            else:
                return True
        raise Unavailable(f"{self._place(key)}: another request on this key was in the way {_PUT_NEW_TRIES} times")

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        answer = self._swap(
            self._s3_once.put_object, key, etag, Body=body, ContentType=content_type, Metadata=dict(metadata)
        )
        return _etag(answer, self._place(key), Unknown)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order."""
        token: dict[str, str] = {"StartAfter": after} if after else {}
        while True:
            answer = self._read(self._s3.list_objects_v2, prefix, Prefix=prefix, **token)
            for item in answer.get("Contents", ()):
                yield Listed(item["Key"], item["Size"], item["LastModified"], _etag(item, item["Key"]))
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        for start in range(0, len(keys), DELETE_BATCH):
            objects = [{"Key": key} for key in keys[start : start + DELETE_BATCH]]
            answer = self._read(self._s3.delete_objects, keys[start], Delete={"Objects": objects, "Quiet": True})
            if answer.get("Errors"):  # beside a 200, also of who may delete nothing (API reference, DeleteObjects)
                first = answer["Errors"][0]
                error = ClientError({"Error": first}, "DeleteObjects")
                raise _read_error(error, self._place(first.get("Key", ""))) from error

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        self._swap(self._s3_once.delete_object, key, etag)

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        answer = self._read(
            self._s3.create_multipart_upload, key, Key=key, ContentType=content_type, Metadata=dict(metadata)
        )
        return _named(answer, "UploadId", self._place(key))

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        answer = self._read(self._s3.upload_part, key, Key=key, UploadId=upload, PartNumber=number, Body=body)
        return _etag(answer, self._place(key))

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds."""
        end = time.monotonic() + seconds
        for tries in range(_COPY_TRIES):
            try:
                answer = self._read(
                    self._patient_client(end - time.monotonic()).upload_part_copy,
                    source.key,
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource={"Bucket": self.bucket, "Key": source.key},
                    CopySourceIfMatch=f'"{source.etag}"',
                    CopySourceRange=f"bytes={source.first}-{source.last}",
                )
                return _etag(answer.get("CopyPartResult", {}), self._place(key))
            except Unavailable as error:
                pause = _COPY_PAUSE_SECONDS * 2**tries
                has_time = end - time.monotonic() >= pause + _WAITS[-1]
                if tries + 1 == _COPY_TRIES or not has_time or not _is_passing(error.__cause__):
                    raise
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def finish_upload(
        self,
        key: str,
        upload: str,
        parts: Sequence[str],
        etag: str | None,
        *,
        size: int | None = None,
        seconds: float = PATIENCE_SECONDS,
    ) -> str:
        """Complete under the condition of `put_if_match`, within so many seconds."""
        numbered = [{"ETag": f'"{part}"', "PartNumber": number} for number, part in enumerate(parts, 1)]
        expected = {} if size is None else {"MpuObjectSize": size}
        complete = self._patient_client(seconds).complete_multipart_upload
        answer = self._swap(complete, key, etag, UploadId=upload, MultipartUpload={"Parts": numbered}, **expected)
        return _etag(answer, self._place(key), Unknown)

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        try:
            self._read(self._s3.abort_multipart_upload, key, Key=key, UploadId=upload)
        except NotFound:
            return

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, many at a time; the first error is raised."""
        return list(self._threads.map(function, items))

    def _client(self, read_seconds: float, retries: Mapping[str, Any]) -> Any:
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            max_pool_connections=PARALLEL_REQUESTS + 4,
            retries=dict(retries),
            s3={"addressing_style": "path"} if "endpoint_url" in self._client_arguments else {},
        )
        return boto3.client("s3", config=config, **self._client_arguments)

    def _patient_client(self, seconds: float) -> Any:
        """Give the client that waits for so many seconds, made when it is first needed; it sends each request once."""
        wait = next((wait for wait in _WAITS if wait <= seconds), _WAITS[-1])
        with self._lock:  # boto3's default session is not to be used by several threads
            if wait not in self._patient_clients:
                self._patient_clients[wait] = self._client(wait, retries={"total_max_attempts": 1})
            return self._patient_clients[wait]

    def _get(self, key: str, **arguments: Any) -> Stored:
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, **arguments)
            body = answer["Body"].read()
        except ClientError as error:
            if _code(error) in _UNCHANGED:
                raise _NotModified from error
            raise _read_error(error, self._place(key)) from error
        except _NO_ANSWER as error:
            raise _unanswered(error, self._place(key)) from error
        return _stored(answer, body, self._place(key))

    def _read(self, call: Callable[..., Any], key: str, **arguments: Any) -> Any:
        try:
            return call(Bucket=self.bucket, **arguments)
        except ClientError as error:
            raise _read_error(error, self._place(key)) from error
        except _NO_ANSWER as error:
            raise _unanswered(error, self._place(key)) from error

    def _swap(self, call: Callable[..., Any], key: str, etag: str | None, **arguments: Any) -> Any:
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        try:
            return call(Bucket=self.bucket, Key=key, **condition, **arguments)
        except ClientError as error:
            raise _read_error(error, self._place(key), passing=Unknown) from error
        except _NO_ANSWER as error:
            raise _unanswered(error, self._place(key), passing=Unknown) from error

    def _place(self, key: str) -> str:
        """Name an object, or a prefix, so that whoever reads an error knows where to look."""
        endpoint = self._client_arguments.get("endpoint_url")
        return f"s3://{self.bucket}/{key}" + (f" at {endpoint}" if endpoint else "")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _is_passing(cause: BaseException | None) -> bool:
    """Say whether asking again may help: S3 is overloaded or did not answer; S3 says 200 before it knows, too."""
    if not isinstance(cause, ClientError):
        return True
    return _code(cause) in _PASSING or _status(cause) >= 500 or _status(cause) == 200


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _read_error(error: ClientError, place: str, passing: type[LedgerError] = Unavailable) -> Exception:
    """Name what an error that S3 answered means; what passes, means `passing`."""
    code = _code(error)
    if code in _MISSING:
        return NotFound(f"{place}: {code}")
    if code in _REFUSED:
        return Refused(f"{place}: {code}")
    if _is_passing(error):
        return passing(f"{place}: {code}")
    return Denied(f"{place}: {code}")


def _unanswered(error: Exception, place: str, passing: type[LedgerError] = Unavailable) -> Exception:
    """Name what it means that there is no answer."""
    meaning = Denied if isinstance(error, _NOT_SENT) else passing
    return meaning(f"{place}: {type(error).__name__}")


def _etag(answer: Mapping[str, Any], place: str, without: type[LedgerError] = Unavailable) -> str:
    return _named(answer, "ETag", place, without).strip('"')


def _named(answer: Mapping[str, Any], name: str, place: str, without: type[LedgerError] = Unavailable) -> str:
    """Take a value out of an answer; S3 may say 200 before it knows the outcome, and then not tell it."""
    if name not in answer:
        raise without(f"{place}: the answer has no {name}")
    return str(answer[name])


def _stored(answer: Mapping[str, Any], body: bytes, place: str) -> Stored:
    metadata, size, modified = (answer.get(name) for name in ("Metadata", "ContentLength", "LastModified"))
    return Stored(body, _etag(answer, place), metadata or {}, size or 0, modified)
