"""Make photos of a drone survey that never was: real JPEGs with EXIF, GPS and drone XMP along a flight grid.

The same seed makes the same bytes, every photo has its own, and a core makes thousands a second, so the photos serve
the demonstration, the tests and the load benchmarks alike.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.survey.jpeg import mosaic, segment
from infra.survey.tiff import ascii_text, bytes_, long, pointer, rational, short, signed_rational, tiff, undefined

# A place among fields, and a summer noon. Nothing else in the photos is somewhere or some time.
LATITUDE, LONGITUDE, GROUND_M = 51.9200, 5.5800, 12.0
BEGIN = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
LOCAL_OFFSET = timedelta(hours=2)

FLIGHT_HEIGHT_M = 60.0
LINE_SPACING_M, PHOTO_SPACING_M = 25.0, 18.0
SPEED_MPS = 9.0
METRES_PER_DEGREE = 111_320.0  # of latitude
PHOTOS_PER_FOLDER = 999  # the camera starts a new folder then, 101MEDIA and so on
WIDTH, HEIGHT = 320, 240
PICTURES = 12  # different pictures; metadata alone tells the other photos apart

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_APP1 = 0xE1


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo: key below the survey's folder, and bytes."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Shot:
    """Where the drone was, how it flew and what the camera did at one photo."""

    number: int
    at: datetime
    latitude: float
    longitude: float
    height_m: float
    heading_deg: float
    gimbal_pitch_deg: float
    roll_deg: float
    pitch_deg: float
    north_mps: float
    east_mps: float
    exposure: int
    iso: int


def survey(count: int, seed: int = 1) -> Iterator[Photo]:
    """Make the photos of one survey.

    Args:
        count: how many photos.
        seed: names the survey: drone, light, wind and pictures.
    """
    chance = random.Random(seed)
    serial = f"SKY{chance.randrange(10**9):09d}"
    pictures = [mosaic(WIDTH, HEIGHT, chance) for _ in range(PICTURES)]
    for shot in _flight(count, chance):
        folder, place = divmod(shot.number - 1, PHOTOS_PER_FOLDER)
        body = b"".join(
            (
                b"\xff\xd8",
                segment(_APP1, _EXIF + _exif(shot, serial)),
                segment(_APP1, _XMP + _xmp(shot, serial)),
                pictures[shot.number % PICTURES],
            )
        )
        yield Photo(f"{100 + folder}MEDIA/DJI_{place + 1:04d}.JPG", body)


def write_survey(folder: Path, count: int, seed: int = 1) -> None:
    """Write the photos of one survey into a folder.

    Photos that are there are left as they are; those of a larger survey go.
    """
    beyond = set(folder.glob("*MEDIA/DJI_*.JPG"))
    for photo in survey(count, seed):
        path = folder / photo.key
        beyond.discard(path)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo.body)
    for path in beyond:
        path.unlink()


def _flight(count: int, chance: random.Random) -> Iterator[_Shot]:
    """Fly line after line over a field that is about square, up and down, and shoot at even distances."""
    per_line = max(1, round(math.sqrt(count * LINE_SPACING_M / PHOTO_SPACING_M)))
    metres_per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(LATITUDE))
    for index in range(count):
        line, step = divmod(index, per_line)
        northward = line % 2 == 0
        north = (step if northward else per_line - 1 - step) * PHOTO_SPACING_M + chance.gauss(0, 0.3)
        east = line * LINE_SPACING_M + chance.gauss(0, 0.3)
        seconds = index * PHOTO_SPACING_M / SPEED_MPS + line * 4.0 + chance.uniform(0, 0.1)
        speed = SPEED_MPS + chance.gauss(0, 0.2)
        yield _Shot(
            number=index + 1,
            at=BEGIN + timedelta(milliseconds=round(seconds * 1000)),
            latitude=LATITUDE + north / METRES_PER_DEGREE,
            longitude=LONGITUDE + east / metres_per_degree_east,
            height_m=FLIGHT_HEIGHT_M + chance.gauss(0, 0.4),
            heading_deg=((0.0 if northward else 180.0) + chance.gauss(0, 1.5)) % 360,
            gimbal_pitch_deg=-90.0 + abs(chance.gauss(0, 0.1)),
            roll_deg=chance.gauss(0, 1.2),
            pitch_deg=-8.0 + chance.gauss(0, 0.8),
            north_mps=speed if northward else -speed,
            east_mps=chance.gauss(0, 0.2),
            exposure=chance.choice((800, 1000, 1250)),
            iso=chance.choice((100, 125, 160)),
        )


def _exif(shot: _Shot, serial: str) -> bytes:
    local = f"{shot.at + LOCAL_OFFSET:%Y:%m:%d %H:%M:%S}"
    camera = {
        0x829A: rational((1, shot.exposure)),  # ExposureTime
        0x829D: rational((28, 10)),  # FNumber
        0x8822: short(2),  # ExposureProgram: normal
        0x8827: short(shot.iso),  # ISOSpeedRatings
        0x9000: undefined(b"0232"),  # ExifVersion
        0x9003: ascii_text(local),  # DateTimeOriginal
        0x9011: ascii_text("+02:00"),  # OffsetTimeOriginal
        0x9204: signed_rational((-1, 3)),  # ExposureBiasValue
        0x9207: short(2),  # MeteringMode: centre-weighted
        0x9209: short(0),  # Flash
        0x920A: rational((880, 100)),  # FocalLength
        0x9291: ascii_text(f"{shot.at.microsecond // 1000:03d}"),  # SubSecTimeOriginal
        0xA001: short(1),  # ColorSpace: sRGB
        0xA002: long(WIDTH),
        0xA003: long(HEIGHT),
        0xA403: short(0),  # WhiteBalance: auto
        0xA404: rational((0, 1)),  # DigitalZoomRatio: not used
        0xA405: short(24),  # FocalLengthIn35mmFilm
        0xA431: ascii_text(serial),  # BodySerialNumber
    }
    position = {
        0: bytes_(2, 3, 0, 0),
        1: ascii_text("N" if shot.latitude >= 0 else "S"),
        2: rational(*_degrees(shot.latitude)),
        3: ascii_text("E" if shot.longitude >= 0 else "W"),
        4: rational(*_degrees(shot.longitude)),
        5: bytes_(0),  # above sea level
        6: rational((round((GROUND_M + shot.height_m) * 1000), 1000)),
        7: rational((shot.at.hour, 1), (shot.at.minute, 1), (shot.at.second, 1)),
        16: ascii_text("T"),  # true north
        17: rational((round(shot.heading_deg * 100), 100)),
        18: ascii_text("WGS-84"),
        29: ascii_text(f"{shot.at:%Y:%m:%d}"),
    }
    return tiff(
        {
            0x010E: ascii_text(f"Synthetic survey photo {shot.number}"),  # ImageDescription
            0x010F: ascii_text("DJI"),  # Make
            0x0110: ascii_text("FC6310S"),  # Model
            0x0112: short(1),  # Orientation
            0x0131: ascii_text("Skyledger"),  # Software
            0x0132: ascii_text(local),  # DateTime
            0x8769: pointer(camera),
            0x8825: pointer(position),
        }
    )


def _degrees(value: float) -> tuple[tuple[int, int], ...]:
    """Split an angle as GPS tags do: degrees, minutes, seconds to a ten-thousandth (3 mm)."""
    total = round(abs(value) * 3600 * 10_000)
    degrees, rest = divmod(total, 3600 * 10_000)
    minutes, seconds = divmod(rest, 60 * 10_000)
    return (degrees, 1), (minutes, 1), (seconds, 10_000)


def _xmp(shot: _Shot, serial: str) -> bytes:
    yaw = (shot.heading_deg + 180) % 360 - 180
    drone = {
        "AbsoluteAltitude": f"{GROUND_M + shot.height_m:+.2f}",
        "RelativeAltitude": f"{shot.height_m:+.2f}",
        "GpsLatitude": f"{shot.latitude:.8f}",
        "GpsLongitude": f"{shot.longitude:.8f}",
        "GimbalRollDegree": "+0.00",
        "GimbalYawDegree": f"{yaw:+.2f}",
        "GimbalPitchDegree": f"{shot.gimbal_pitch_deg:+.2f}",
        "FlightRollDegree": f"{shot.roll_deg:+.2f}",
        "FlightYawDegree": f"{yaw:+.2f}",
        "FlightPitchDegree": f"{shot.pitch_deg:+.2f}",
        "FlightXSpeed": f"{shot.north_mps:+.2f}",
        "FlightYSpeed": f"{shot.east_mps:+.2f}",
        "FlightZSpeed": "+0.00",
        "RtkFlag": "50",
        "RtkStdLat": "0.01172",
        "RtkStdLon": "0.01078",
        "RtkStdHgt": "0.02411",
        "DroneModel": "Phantom 4 RTK",
        "DroneSerialNumber": serial,
    }
    attributes = "".join(f'\n   drone-dji:{name}="{value}"' for name, value in drone.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about=""\n'
        '   xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
        f"{attributes}/>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    ).encode()
