"""Notifications: every shape in which S3 tells of an object, read once and exactly; any other refused by name."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_processor.errors import BadNotification, UnexpectedInvocation
from image_processor.notification import MAX_MESSAGE, MAX_RECORDS, Notification, parse, require_sqs
from image_processor.object_event import ETAG as NOTIFIED_ETAG
from image_processor.object_event import MAX_SIZE, MAX_TEXT, Kind, ObjectEvent, is_later
from ledger import row
from tests.support.paths import EVENTS

VERSION, MARKER = "096fKKXTRTtl3on89fVO.nfljtsv6qko", "OYcLXagmS.WaD..oyH4KRguB95_YhLs7"
ETAG = "b21b84d653bb07b05b1e6b33684dc11b"


def story(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def only(body: str) -> ObjectEvent:
    notification = parse(body)
    assert not notification.broken
    (event,) = notification.events
    return event


def changed(name: str, **changes: Any) -> str:
    """A story whose one record has other values; None takes a field out. `object_x` stands for `s3.object.x`."""
    message = json.loads(story(name))
    for field, value in changes.items():
        place = message["Records"][0]
        if field.startswith("object_"):
            place, field = place["s3"]["object"], field.removeprefix("object_")
        if value is None:
            del place[field]
        else:
            place[field] = value
    return json.dumps(message)


@pytest.mark.parametrize(
    ("name", "kind", "version_id"),
    [
        ("s3_put", Kind.CREATED, None),
        ("s3_put_versioned", Kind.CREATED, VERSION),
        ("s3_post", Kind.CREATED, None),
        ("s3_copy", Kind.CREATED, None),
        ("s3_multipart_complete", Kind.CREATED, None),
        ("s3_future_minor_version", Kind.CREATED, None),
        ("s3_folder_placeholder", Kind.CREATED, None),
        ("s3_put_in_sns", Kind.CREATED, None),
        ("s3_delete", Kind.REMOVED, None),
        ("s3_delete_marker_created", Kind.REMOVED, MARKER),
        ("s3_lifecycle_expiration", Kind.REMOVED, None),
        ("s3_lifecycle_delete_marker", Kind.REMOVED, MARKER),
        ("s3_version_deleted", Kind.VERSION_REMOVED, VERSION),
        ("s3_lifecycle_noncurrent", Kind.VERSION_REMOVED, VERSION),
        ("s3_restore_completed", Kind.RESTORED, None),
        ("s3_tagging", Kind.OTHER, None),
        ("eventbridge_created", Kind.CREATED, VERSION),
        ("eventbridge_created_in_sns", Kind.CREATED, VERSION),
        ("eventbridge_deleted", Kind.REMOVED, None),
        ("eventbridge_lifecycle_expired", Kind.REMOVED, None),
        ("eventbridge_delete_marker_created", Kind.REMOVED, MARKER),
        ("eventbridge_version_deleted", Kind.VERSION_REMOVED, VERSION),
        ("eventbridge_restore_completed", Kind.RESTORED, None),
        ("eventbridge_tags_added", Kind.OTHER, None),
    ],
)
def test_each_story_has_its_meaning(name: str, kind: Kind, version_id: str | None) -> None:
    """All ways to create, all ways to remove, and what changes nothing: in each of S3's two dialects."""
    event = only(story(name))
    assert event.kind is kind
    assert event.version_id == version_id
    assert event.bucket == "photos"
    assert (event.sequencer is None) == (kind in (Kind.RESTORED, Kind.OTHER))


def test_an_s3_event_is_read_in_full() -> None:
    """What S3 says of a new object, and under which name."""
    assert only(story("s3_put")) == ObjectEvent(
        Kind.CREATED,
        "ObjectCreated:Put",
        "photos",
        "DJI_0001.JPG",
        "2026-11-25T03:09:00.123Z",
        sequencer="0055AED6DCD90281E5",
        etag=ETAG,
        size=17544,
    )


def test_an_eventbridge_event_is_read_in_full() -> None:
    """Other field names, whole seconds, and the key as it is: a plus is a plus."""
    assert only(story("eventbridge_created")) == ObjectEvent(
        Kind.CREATED,
        "Object Created",
        "photos",
        "site 7/a+b.jpg",
        "2026-11-25T03:09:00Z",
        sequencer="0055AED6DCD90281E5",
        etag=ETAG,
        size=17544,
        version_id=VERSION,
    )


def test_what_a_comparison_says_is_read_in_full() -> None:
    """No sequencer, and the key as it is; all that is not the object's name may be missing."""
    assert only(story("skyledger_object_seen")) == ObjectEvent(
        Kind.SEEN,
        "Object Seen",
        "photos",
        "site 7/a+b.jpg",
        "2026-11-26T12:00:00Z",
        etag=ETAG,
        size=17544,
        wrong_row="2026-11-25T03:09:00.000001Z",
        reason="verify",
    )
    for nothing in (None, ""):
        event = only(said(object={"key": "a.jpg", "etag": nothing}, reason=nothing, wrong_row=nothing))
        assert (event.key, event.etag, event.size, event.wrong_row, event.reason) == ("a.jpg", None, None, None, None)
    assert only(said(object={"key": "a.jpg", "sequencer": "FF"})).sequencer is None


def said(**changes: Any) -> str:
    """Change what a comparison says; a field of the whole message by its name, and any other of its detail."""
    message = json.loads(story("skyledger_object_seen"))
    for field, value in changes.items():
        (message if field in ("time", "detail", "detail-type") else message["detail"])[field] = value
    return json.dumps(message)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"detail": None}, "lacks"),
        ({"detail": []}, "lacks"),
        ({"bucket": "photos"}, "lacks"),
        ({"bucket": {"name": ""}}, "must not be empty"),
        ({"object": {}}, "key"),
        ({"object": {"key": 5}}, "key is not text"),
        ({"object": {"key": "k" * (MAX_TEXT + 1)}}, "key has more than"),
        ({"object": {"key": "k", "etag": "a,b"}}, "etag has characters"),
        ({"object": {"key": "k", "etag": 7}}, "etag is not text"),
        ({"object": {"key": "k", "size": -1}}, "size"),
        ({"object": {"key": "k", "size": "1"}}, "size"),
        ({"object": {"key": "k", "size": MAX_SIZE + 1}}, "size"),
        ({"time": None}, "time"),
        ({"time": "now"}, "ISO 8601"),
        ({"reason": 5}, "reason is not text"),
        ({"reason": "r" * (MAX_TEXT + 1)}, "reason has more than"),
        ({"wrong_row": {}}, "wrong row is not text"),
        ({"wrong_row": "\ud800"}, "wrong row is no text"),
    ],
    ids=str,
)
def test_what_a_comparison_says_has_the_bounds_of_s3s_own_fields(changes: dict[str, Any], reason: str) -> None:
    """Whoever may send to the queue could say it, too."""
    (error,) = parse(said(**changes)).broken
    assert reason in str(error)


def test_another_message_of_our_own_is_refused_by_name() -> None:
    """Nothing else is sent here: a mistake that somebody has to understand."""
    with pytest.raises(BadNotification, match="fields are detail, detail-type, source, time"):
        parse(said(**{"detail-type": "Published"}))


def test_keys_are_decoded_exactly_once() -> None:
    """S3 sends keys form-encoded; what looks like an escape after that is part of the key."""
    assert [event.key for event in parse(story("s3_put_odd_keys")).events] == [
        "site 7/a b + c.jpg",
        "100%25.jpg",
        "5%3A00.jpg",
        "dt=2024-05-04/x(CE)&#.jpg",
        "Brücke/測量.jpg",
    ]
    assert only(story("s3_put_in_sns")).key == "site 7/a.jpg"


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_every_key_survives_its_encoding(key: str) -> None:
    """Whatever an object is called: on creation and on removal, slashes encoded or not."""
    for name in ("s3_put", "s3_delete"):
        for safe in ("/", ""):
            assert only(changed(name, object_key=quote_plus(key, safe=safe))).key == key


@pytest.mark.parametrize("name", ["s3_test_event", "s3_test_event_in_sns"])
def test_the_test_event_is_a_success_without_events(name: str) -> None:
    """S3 sends it whenever a notification is configured; in the dead-letter queue it would raise an alarm."""
    assert parse(story(name)) == Notification(test=True)


def test_no_records_are_no_events() -> None:
    """An empty list is nothing to do, and no failure."""
    assert parse(story("s3_no_records")) == Notification()


def test_a_broken_record_does_not_cost_its_neighbours() -> None:
    """Three records, the second broken: the first and third are read, the second is named."""
    notification = parse(story("s3_three_records_second_broken"))
    assert [event.key for event in notification.events] == ["a.jpg", "c.jpg"]
    (error,) = notification.broken
    assert "record 1" in str(error)


def test_removals_need_no_etag_and_no_size() -> None:
    """S3 sends neither; emulators send them empty."""
    assert only(story("s3_delete")).etag is None
    event = only(changed("s3_delete", object_eTag="", object_size=0))
    assert (event.etag, event.size) == (None, 0)


def test_an_etag_loses_one_pair_of_quotes() -> None:
    """The API quotes it, events do not; it is opaque otherwise."""
    assert only(changed("s3_put", object_eTag=f'"{ETAG}-2"')).etag == f"{ETAG}-2"


def test_empty_version_ids_mean_no_version() -> None:
    """Without versions the field is absent or null; `null` as text is a version of a suspended bucket."""
    message = json.loads(story("s3_delete"))
    message["Records"][0]["s3"]["object"]["versionId"] = None
    assert only(json.dumps(message)).kind is Kind.REMOVED
    assert only(changed("s3_delete", object_versionId="null")).kind is Kind.VERSION_REMOVED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ('{"hello": "world"}', "fields are hello"),
        ("{}", "fields are none"),
        ('{"Type": "SubscriptionConfirmation", "Message": "x"}', "fields are Message, Type"),
        ('{"Records": {}}', "fields are Records"),
        ('{"source": "aws.ec2", "detail": {}}', "fields are detail, source"),
        ('{"detail-type": "Object Seen", "source": "another", "detail": {}}', "fields are detail, detail-type, source"),
        ('{"Records": [], "more": NaN}', "not JSON"),
        ('{"Records": [], "more": -Infinity}', "not JSON"),
        ('{"Records": [], "more": ' + "9" * 5000 + "}", "not JSON"),
        ('{"Records": []' + " " * MAX_MESSAGE + "}", "more than 262144 characters"),
        ('{"Records": ' + "[" * 100_000, "not JSON"),
    ],
    ids=lambda value: value[:40],
)
def test_an_unknown_message_is_refused_with_what_it_is(body: str, reason: str) -> None:
    """It goes to the dead-letter queue, where somebody has to understand it."""
    with pytest.raises(BadNotification, match=reason):
        parse(body)


def test_envelopes_in_envelopes_end() -> None:
    """A topic may feed a topic; nobody nests more."""
    message = story("s3_put")
    for _ in range(2):
        message = json.dumps({"Type": "Notification", "Message": message})
    assert only(message).key == "DJI_0001.JPG"
    with pytest.raises(BadNotification, match="envelopes"):
        parse(json.dumps({"Type": "Notification", "Message": message}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventSource": "aws:sqs"}, "not aws:s3"),
        ({"eventSource": None}, "not aws:s3"),
        ({"eventVersion": "3.0"}, "not 2.x"),
        ({"eventName": None}, "eventName"),
        ({"eventName": 7}, "eventName is not text"),
        ({"eventTime": None}, "time"),
        ({"eventTime": "yesterday"}, "ISO 8601"),
        ({"eventTime": "2026-11-25T03:09:00+01:00"}, "ISO 8601"),
        ({"s3": "x"}, "lacks"),
        ({"object_key": None}, "key"),
        ({"object_key": ""}, "must not be empty"),
        ({"object_key": 5}, "key is not text"),
        ({"object_key": "%ff.jpg"}, "utf-8"),
        ({"object_size": -1}, "size"),
        ({"object_size": "17"}, "size"),
        ({"object_size": True}, "size"),
        ({"object_eTag": 5}, "etag"),
        ({"object_versionId": 5}, "version id"),
        ({"object_key": "k" * (MAX_TEXT + 1)}, "key has more than 1024 bytes"),
        ({"object_key": quote_plus("測" * 341 + "kk")}, "key has more than 1024 bytes"),
        ({"object_key": "%20" * 2000}, "key has more than 3072 bytes"),
        ({"object_key": "\ud800.jpg"}, "key is no text that UTF-8 can write"),
        ({"eventName": "ObjectCreated:" + "x" * MAX_TEXT}, "eventName has more than"),
        ({"eventName": "ObjectCreated:\udfff"}, "eventName is no text"),
        ({"object_versionId": "v" * (MAX_TEXT + 1)}, "version id has more than"),
        ({"object_size": MAX_SIZE + 1}, "size"),
        ({"object_size": 1.5}, "size"),
        ({"object_eTag": "a,b"}, "etag has characters"),
        ({"object_eTag": "a\r\nRange: x"}, "etag has characters"),
        ({"object_eTag": "=cmd"}, "etag has characters"),
        ({"object_eTag": "a" * 257}, "etag has characters"),
        ({"object_eTag": '""'}, "etag has characters"),
        ({"eventTime": "9999-12-31T23:59:59Z"}, "time"),
        ({"eventTime": "2005-12-31T23:59:59Z"}, "time"),
        ({"eventTime": "2026-02-31T00:00:00.000Z"}, "time"),
        ({"eventTime": "2026-11-25T24:61:00.000Z"}, "time"),
        ({"eventTime": "2026-11-25T03:09:00." + "0" * 5000 + "Z"}, "time"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_record_that_cannot_be_relied_on_is_broken(changes: dict[str, Any], reason: str) -> None:
    """A typed error with its reason, whatever is missing or of another type."""
    notification = parse(changed("s3_put", **changes))
    assert not notification.events
    (error,) = notification.broken
    assert reason in str(error)


@pytest.mark.parametrize("name", ["s3_put", "s3_delete", "s3_version_deleted"])
def test_a_sequencer_that_is_no_number_is_none(name: str) -> None:
    """Its event orders nothing, and is settled by looking; zero is what records have of which no event has told."""
    for unusable in (None, "", "0x12", "-1", "1_0", "٣", " 1", "f" * 33, 18, ["12"], "0", "0" * 18):
        event = only(changed(name, object_sequencer=unusable))
        assert (event.sequencer, event.key[-4:].lower()) == (None, ".jpg")
    for sound in ("1", "f" * 32, "0" * 31 + "1", "00A0"):
        assert only(changed(name, object_sequencer=sound)).sequencer == sound


def test_what_s3_may_send_at_most_is_taken() -> None:
    """The bounds are at S3's own or beyond them: the longest key, in either dialect, the largest object."""
    key = "測" * 341 + "."  # 1,024 bytes, and 3,070 once encoded
    assert only(changed("s3_put", object_key=quote_plus(key), object_size=50 * 2**40)).key == key
    message = json.loads(story("eventbridge_created"))
    message["detail"]["object"]["key"] = key
    assert only(json.dumps(message)).key == key
    message["detail"]["object"]["key"] += "k"
    (error,) = parse(json.dumps(message)).broken
    assert "key has more than 1024 bytes" in str(error)


def test_an_etag_that_is_taken_can_be_the_key_of_a_row() -> None:
    """Otherwise the photo would get an item that no exporter can make a row of."""
    assert NOTIFIED_ETAG.pattern == row.ETAG.pattern


def test_a_reason_does_not_quote_the_message_at_length() -> None:
    """It is logged, and whoever sends it chooses its length."""
    (error,) = parse(changed("s3_put", object_key="%ff" + "k" * 900)).broken
    assert len(str(error)) < 300


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    field=st.sampled_from(
        ["eventName", "eventTime", "eventVersion", "s3"]
        + [f"object_{name}" for name in ("key", "size", "eTag", "sequencer")]
    ),
    value=_json,
)
def test_no_value_of_a_field_gets_past_the_types(field: str, value: Any) -> None:
    """Any JSON in any field: either a sound event or a broken record, never another exception."""
    notification = parse(changed("s3_put", **{field: value if value is not None else 0}))
    assert len(notification.events) + len(notification.broken) == 1


def test_later_means_greater_as_a_hexadecimal_number() -> None:
    """Lengths may differ, and case does not matter: text order would be wrong."""
    assert is_later("10", than="F")
    assert is_later("0055aed6dcd90281e6", than="0055AED6DCD90281E5")
    assert not is_later("00F", than="F")
    assert not is_later("F", than="0010")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (json.loads(story("s3_put")), "an S3 event"),
        (json.loads(story("s3_test_event")), "an S3 event"),
        (json.loads(story("sns_direct")), "an SNS event"),
        (json.loads(story("eventbridge_created")), "an EventBridge event"),
        ({"Records": [{"eventSource": "aws:dynamodb"}]}, "aws:dynamodb"),
        ({"Records": [None]}, "an event of '[?]'"),
        ({}, "no event of a known source"),
        ([], "no event of a known source"),
        (None, "no event of a known source"),
    ],
)
def test_a_direct_call_is_refused_by_name(event: Any, name: str) -> None:
    """Called by the bucket or a topic itself, events could be dropped: whoever set it up must learn it at once."""
    with pytest.raises(UnexpectedInvocation, match=name) as caught:
        require_sqs(event)
    assert "queue" in str(caught.value)


def test_sqs_messages_are_what_the_function_takes() -> None:
    """Nothing is raised, also for a batch without messages."""
    require_sqs(json.loads(story("sqs_three_messages_second_broken")))
    require_sqs({"Records": []})


def test_a_message_with_more_records_than_anybody_sends_is_refused_as_one() -> None:
    """130,000 broken ones fit into a message: as many errors and lines of log would keep its neighbours waiting."""
    assert len(parse(json.dumps({"Records": [0] * MAX_RECORDS})).broken) == MAX_RECORDS
    with pytest.raises(BadNotification, match="records"):
        parse(json.dumps({"Records": [0] * (MAX_RECORDS + 1)}))
