"""The synthetic survey: photos that readers of photos take for real ones."""

import io
from itertools import islice, pairwise
from pathlib import Path

import exifread
from defusedxml import ElementTree

from infra.survey.photos import PHOTOS_PER_FOLDER, Photo, survey, write_survey
from tests.support.cpu_time import in_time

DRONE = "{http://www.dji.com/drone-dji/1.0/}"


def tags(photo: Photo) -> dict[str, str]:
    return {name: str(value) for name, value in exifread.process_file(io.BytesIO(photo.body)).items()}


def drone(photo: Photo) -> dict[str, str]:
    begin, end = photo.body.index(b"<x:xmpmeta"), photo.body.index(b"</x:xmpmeta>") + len(b"</x:xmpmeta>")
    description = ElementTree.fromstring(photo.body[begin:end])[0][0]
    return {name.removeprefix(DRONE): value for name, value in description.items() if name.startswith(DRONE)}


def test_a_seed_names_its_survey() -> None:
    """The same seed makes the same bytes, another seed others."""
    assert list(survey(5, seed=3)) == list(survey(5, seed=3))
    assert {photo.body for photo in survey(5, seed=3)}.isdisjoint(photo.body for photo in survey(5, seed=4))


def test_every_photo_has_its_own_key_and_bytes() -> None:
    """Distinct images make distinct rows; the camera starts a new folder after 999 photos."""
    photos = list(survey(PHOTOS_PER_FOLDER + 2))
    assert len({photo.body for photo in photos}) == len({photo.key for photo in photos}) == len(photos)
    assert [photos[0].key, photos[-2].key] == ["100MEDIA/DJI_0001.JPG", "101MEDIA/DJI_0001.JPG"]


def test_photos_have_camera_time_and_position() -> None:
    """EXIF as exifread finds it."""
    first, second = (tags(photo) for photo in survey(2))
    assert (first["Image Make"], first["Image Model"]) == ("DJI", "FC6310S")
    assert first["EXIF DateTimeOriginal"] == "2026:06:21 12:00:00"
    assert first["EXIF OffsetTimeOriginal"] == "+02:00"
    assert (first["GPS GPSLatitudeRef"], first["GPS GPSLongitudeRef"]) == ("N", "E")
    assert first["GPS GPSLatitude"].startswith("[51, 55,")
    assert second["EXIF DateTimeOriginal"] > first["EXIF DateTimeOriginal"]


def test_photos_carry_the_drones_own_packet() -> None:
    """XMP that agrees with the EXIF beside it."""
    for photo in islice(survey(50), 45, None):
        flight = drone(photo)
        assert abs(float(flight["RelativeAltitude"]) - 60) < 5
        assert float(flight["GimbalPitchDegree"]) >= -90
        assert flight["DroneSerialNumber"] == tags(photo)["EXIF BodySerialNumber"]
        assert 51.9 < float(flight["GpsLatitude"]) < 51.95


def test_the_flight_goes_up_and_down_over_a_field() -> None:
    """Neighbouring lines are flown in opposite directions, and cover an area about as wide as long."""
    flights = [drone(photo) for photo in survey(100)]
    northward = [float(each["FlightXSpeed"]) > 0 for each in flights]
    turns = sum(one != other for one, other in pairwise(northward))
    assert 6 <= turns <= 10
    latitudes = [float(each["GpsLatitude"]) for each in flights]
    longitudes = [float(each["GpsLongitude"]) for each in flights]
    north_m, east_m = (max(latitudes) - min(latitudes)) * 111_320, (max(longitudes) - min(longitudes)) * 68_650
    assert 0.5 < north_m / east_m < 2


def test_a_photo_ends_as_a_jpeg_does_and_has_no_stray_marker() -> None:
    """The coded picture stuffs its 0xFF bytes (T.81, B.1.1.5)."""
    for photo in survey(12):
        scan = photo.body[photo.body.rindex(b"\xff\xda") + 14 : -2]
        assert photo.body[:2] == b"\xff\xd8"
        assert photo.body[-2:] == b"\xff\xd9"
        assert b"\xff" not in scan.replace(b"\xff\x00", b"")


def test_photos_come_fast_enough_to_be_a_load() -> None:
    """A thousand a second and more."""
    assert in_time(1, lambda: sum(1 for _ in survey(1000))) == 1000


def test_writing_a_survey_again_touches_no_file(tmp_path: Path) -> None:
    """Running the demonstration twice uploads nothing twice."""
    write_survey(tmp_path, 3)
    dates = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.JPG")}
    assert len(dates) == 3
    write_survey(tmp_path, 3)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.JPG")} == dates
