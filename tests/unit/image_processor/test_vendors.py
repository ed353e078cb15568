"""Aircraft: what each maker's own properties become, by namespace and never by prefix."""

import struct

import pytest

from image_processor import FileSource, extract
from image_processor.columns import precedence
from infra.doubles.image_files import ASCII, ascii_value, bytes_value, jpeg, xmp_segment
from tests.support.image_rows import cells, packet, photo, values_of
from tests.support.paths import PHOTOS

AIRCRAFT = ("altitude", "flight", "gimbal", "camera", "rtk", "drone_", "gps_", "serial", "projection")


def aircraft(attributes: str = "", body: str = "", **uris: str) -> dict[str, str]:
    """The columns about aircraft and position of a photo with this XMP; `uris` replaces namespaces."""
    xmp = packet(attributes, body)
    for prefix, uri in uris.items():
        declaration = f'xmlns:{prefix.replace("_", "-")}="'.encode()
        start = xmp.index(declaration) + len(declaration)
        xmp = xmp[:start] + uri.encode() + xmp[xmp.index(b'"', start) :]
    row = cells(jpeg(xmp_segment(xmp)))
    assert "warnings" not in row
    return {name: value for name, value in row.items() if any(word in name for word in AIRCRAFT)}


def test_dji_enterprise():
    """Mavic 3 Enterprise, Matrice: RTK, speeds, model and serial numbers."""
    found = aircraft(
        'drone-dji:GpsStatus="RTK" drone-dji:AltitudeType="RtkAlt" drone-dji:GpsLatitude="+40.5637811"'
        ' drone-dji:GpsLongitude="-79.7649628" drone-dji:AbsoluteAltitude="+221.404"'
        ' drone-dji:RelativeAltitude="+16.508"'
        ' drone-dji:GimbalRollDegree="+0.00" drone-dji:GimbalYawDegree="+32.50" drone-dji:GimbalPitchDegree="-90.00"'
        ' drone-dji:FlightRollDegree="-1.80" drone-dji:FlightYawDegree="+37.90" drone-dji:FlightPitchDegree="+3.30"'
        ' drone-dji:FlightXSpeed="-3.1" drone-dji:FlightYSpeed="+3.8" drone-dji:FlightZSpeed="0.0"'
        ' drone-dji:RtkFlag="50"'
        ' drone-dji:RtkStdLon="0.01137" drone-dji:RtkStdLat="0.00988" drone-dji:RtkStdHgt="0.02404"'
        ' drone-dji:DroneModel="M3E" drone-dji:DroneSerialNumber="1581F5FJC" drone-dji:CameraSerialNumber="0042"'
    )
    assert found == {
        "serial_number": "0042",
        "gps_latitude_deg": "40.5637811",
        "gps_longitude_deg": "-79.7649628",
        "gps_status": "RTK",
        "relative_altitude_m": "16.508",
        "absolute_altitude_m": "221.404",
        "altitude_type": "RtkAlt",
        "flight_roll_deg": "-1.8",
        "flight_pitch_deg": "3.3",
        "flight_yaw_deg": "37.9",
        "gimbal_roll_deg": "0",
        "gimbal_pitch_deg": "-90",
        "gimbal_yaw_deg": "32.5",
        "flight_x_speed_mps": "-3.1",
        "flight_y_speed_mps": "3.8",
        "flight_z_speed_mps": "0",
        "rtk_flag": "50",
        "rtk_std_latitude_m": "0.00988",
        "rtk_std_longitude_m": "0.01137",
        "rtk_std_height_m": "0.02404",
        "drone_model": "M3E",
        "drone_serial_number": "1581F5FJC",
    }


@pytest.mark.parametrize("uri", ["http://www.dji.com/drone-dji/1.0/", "http://www.autelrobotics.com/drone/1.0/"])
def test_autel_writes_djis_vocabulary_under_either_namespace(uri):
    """EVO II: the prefix is `drone`, the URI DJI's or Autel's, the longitude misspelt."""
    xmp = packet(
        'drone-dji:GpsLatitude="47.64368732" drone-dji:GpsLongtitude="16.47592717" drone-dji:FlightYawDegree="-148.96"'
        ' drone-dji:AbsoluteAltitude="+513.00" drone-dji:GimbalPitchDegree="-90.00" drone-dji:RtkStdLat="0.01439"'
    )
    xmp = xmp.replace(b"drone-dji:", b"drone:").replace(
        b'xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"', f'xmlns:drone="{uri}"'.encode()
    )
    row = cells(jpeg(xmp_segment(xmp)))
    names = ("gps_latitude_deg", "gps_longitude_deg", "flight_yaw_deg", "absolute_altitude_m", "gimbal_pitch_deg")
    assert [row[name] for name in names] == ["47.64368732", "16.47592717", "-148.96", "513", "-90"]
    assert row["rtk_std_latitude_m"] == "0.01439"


def test_parrot_anafi():
    """Angles of camera and drone, rational heights, serial numbers; the position is in Exif's own form."""
    found = aircraft(
        'exif:GPSLatitude="48,52.7346N" exif:GPSLongitude="2,22.0692E" drone-parrot:CameraRollDegree="-0.322913"'
        ' drone-parrot:CameraPitchDegree="-78.362686" drone-parrot:CameraYawDegree="12.5"'
        ' drone-parrot:DroneYawDegree="13"'
        ' drone-parrot:SerialNumber="PI040384" drone-parrot:CameraSerialNumber="C7"'
        ' Camera:AboveGroundAltitude="4271/100" Camera:GPSXYAccuracy="1.20" Camera:Yaw="99"'
    )
    assert found == {
        "serial_number": "C7",
        "gps_latitude_deg": "48.87891",
        "gps_longitude_deg": "2.36782",
        "gps_horizontal_error_m": "1.2",
        "relative_altitude_m": "42.71",
        "camera_roll_deg": "-0.322913",
        "camera_pitch_deg": "-78.362686",
        "camera_yaw_deg": "12.5",
        "flight_yaw_deg": "13",
        "drone_serial_number": "PI040384",
    }


@pytest.mark.parametrize("form", ["resource", "attributes"])
def test_skydio(form):
    """Structures of angles, as elements (new firmware) or attributes (old); `CameraOrientationFLU` is another frame."""
    angles = {"CameraOrientationNED": (-88.5, 1.5, 146.25), "VehicleOrientationNED": (0.5, -2.25, 61.148805)}
    body = ""
    for name, (pitch, roll, yaw) in angles.items():
        fields = {"Pitch": pitch, "Roll": roll, "Yaw": yaw}
        if form == "resource":
            inner = "".join(f"<drone-skydio:{key}>{value}</drone-skydio:{key}>" for key, value in fields.items())
            body += f'<drone-skydio:{name} rdf:parseType="Resource">{inner}</drone-skydio:{name}>'
        else:
            inner = " ".join(f'drone-skydio:{key}="{value}"' for key, value in fields.items())
            body += f"<drone-skydio:{name} {inner}/>"
    found = aircraft(
        'drone-skydio:Latitude="37.5316" drone-skydio:Longitude="-122.3304" drone-skydio:AbsoluteAltitude="35.1"'
        ' drone-skydio:RelativeAltitude="12.25" drone-skydio:SerialNumber="sim2"',
        body + '<drone-skydio:CameraOrientationFLU drone-skydio:Yaw="1"/>',
    )
    assert found == {
        "gps_latitude_deg": "37.5316",
        "gps_longitude_deg": "-122.3304",
        "relative_altitude_m": "12.25",
        "absolute_altitude_m": "35.1",
        "flight_roll_deg": "-2.25",
        "flight_pitch_deg": "0.5",
        "flight_yaw_deg": "61.148805",
        "camera_roll_deg": "1.5",
        "camera_pitch_deg": "-88.5",
        "camera_yaw_deg": "146.25",
        "drone_serial_number": "sim2",
    }


def test_yuneec():
    """E90 and C23: own names for the same things."""
    found = aircraft(
        'drone-yuneec:GPSAltitude="537.78" drone-yuneec:AboveHomeAltitude="34.40" drone-yuneec:DroneYaw="96.699997"'
        ' drone-yuneec:DronePitch="-3.720000" drone-yuneec:DroneRoll="1.640000" drone-yuneec:GimbalYaw="73.230003"'
        ' drone-yuneec:GimbalPitch="-89.95999" drone-yuneec:GimbalRoll="0.000000" Camera:GPSXYAccuracy="5.000000"'
    )
    assert found == {
        "absolute_altitude_m": "537.78",
        "relative_altitude_m": "34.4",
        "flight_yaw_deg": "96.699997",
        "flight_pitch_deg": "-3.72",
        "flight_roll_deg": "1.64",
        "gimbal_yaw_deg": "73.230003",
        "gimbal_pitch_deg": "-89.95999",
        "gimbal_roll_deg": "0",
        "gps_horizontal_error_m": "5",
    }


def test_early_yuneec_without_description_and_declaration():
    """CGO3+: properties directly in rdf:RDF, under a prefix that is never declared."""
    xmp = (
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><xmp:CameraYaw>-85.580353</xmp:CameraYaw>"
        b"<xmp:CameraPitch>-13.905984</xmp:CameraPitch><xmp:CameraRoll>0.002856</xmp:CameraRoll></rdf:RDF>"
    )
    row = cells(photo(xmp=xmp))
    assert [row[f"camera_{axis}_deg"] for axis in ("yaw", "pitch", "roll")] == ["-85.580353", "-13.905984", "0.002856"]
    assert row["warnings"] == ["xmp: prefixes not declared: xmp"]


def test_sensefly_and_its_platform():
    """EBee: camera angles under senseFly's or Pix4D's namespace, the aircraft under Platform."""
    found = aircraft(
        'sensefly:Yaw="189.428" sensefly:Pitch="12.5908" sensefly:Roll="-3.384" sensefly:GPSXYAccuracy="5.367"'
        ' Platform:Model="eBee X" Platform:SerialNumber="IX-x1-00057"'
    )
    assert found == {
        "camera_yaw_deg": "189.428",
        "camera_pitch_deg": "12.5908",
        "camera_roll_deg": "-3.384",
        "gps_horizontal_error_m": "5.367",
        "drone_model": "eBee X",
        "drone_serial_number": "IX-x1-00057",
    }


@pytest.mark.parametrize("uri", ["http://pix4d.com/camera/1.0", "http://pix4d.com/camera/1.0/"])
def test_pix4d_camera_namespace_of_micasense_sentera_and_sequoia(uri):
    """With or without the closing slash; values as elements or attributes."""
    found = aircraft('Camera:Yaw="-146.946594" Camera:Pitch="13.811229" Camera:Roll="-6.932620"', Camera=uri)
    assert found == {"camera_yaw_deg": "-146.946594", "camera_pitch_deg": "13.811229", "camera_roll_deg": "-6.93262"}


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("http://www.dji.com", ("AbsoluteAltitude", "RelativeAltitude", "GimbalYawDegree", "FlightYawDegree")),
        ("http://www.parrot.com/x/", ("DroneAltitudeEgm96Amsl", None, None, "DroneYawDegree")),
        ("http://www.yuneec.com/h850/", ("GPSAltitude", "AboveHomeAltitude", "GimbalYaw", "DroneYaw")),
        ("http://www.skydio.com/x10/", ("AbsoluteAltitude", "RelativeAltitude", None, None)),
        ("http://ns.flir.com/", (None, "MAVRelativeAltitude", None, "MAVYaw")),
        ("http://www.tealdrones.com/2/", ("AbsoluteAltitude", "RelativeAltitude", "GimbalYawDegree", "PlatformYaw")),
        *(
            (f"http://{maker}/", ("AbsoluteAltitude", "RelativeAltitude", "GimbalYawDegree", "FlightYawDegree"))
            for maker in (
                *("autel.example", "gopro.com", "hasselblad.com", "insta360.com", "micasense.com/altum"),
                *("sentera.com/6x", "ns.wingtra.com"),
            )
        ),
    ],
)
def test_known_names_count_in_any_namespace_of_their_maker(uri, names):
    """N1b: DJI's XT S writes under http://www.dji.com; firmware moves namespaces about, and no value may be lost."""
    columns = ("absolute_altitude_m", "relative_altitude_m", "gimbal_yaw_deg", "flight_yaw_deg")
    given = {column: (name, str(number)) for number, (column, name) in enumerate(zip(columns, names, strict=True), 1)}
    body = "".join(f'<q:{name} xmlns:q="{uri}">{value}</q:{name}>' for name, value in given.values() if name)
    assert aircraft(body=body) == {column: value for column, (name, value) in given.items() if name}


def test_sensefly_under_its_newer_namespace():
    """N2b: all photos of a later eBee."""
    assert aircraft(
        'sensefly:GPSXYAccuracy="5.95" sensefly:Pitch="0.55" sensefly:Roll="12.24" sensefly:Yaw="132.95"',
        sensefly="http://ns.sensefly.com/sensefly/1.0/",
    ) == {
        "gps_horizontal_error_m": "5.95",
        "camera_pitch_deg": "0.55",
        "camera_roll_deg": "12.24",
        "camera_yaw_deg": "132.95",
    }


def test_teal():
    """N2c: angles as quotients under Exif's namespace; those of the camera are against the aircraft."""
    assert aircraft(
        'exif:CameraPitch="-86831/1600" exif:CameraRoll="16501/1000000" exif:CameraYaw="359986359/1000000"'
        ' exif:PlatformPitch="-785007/200000" exif:PlatformRoll="0/1" exif:PlatformYaw="31901593/100000"'
    ) == {
        "camera_pitch_deg": "-54.269375",
        "camera_roll_deg": "0.016501",
        "camera_yaw_deg": "359.986359",
        "flight_pitch_deg": "-3.925035",
        "flight_roll_deg": "0",
        "flight_yaw_deg": "319.01593",
    }


def test_flir_mavlink():
    """Vue Pro: attitude of the aircraft as MAVLink told it."""
    found = aircraft('FLIR:MAVYaw="12.5" FLIR:MAVPitch="-3" FLIR:MAVRoll="1" FLIR:MAVRelativeAltitude="4450/100"')
    assert found == {
        "flight_yaw_deg": "12.5",
        "flight_pitch_deg": "-3",
        "flight_roll_deg": "1",
        "relative_altitude_m": "44.5",
    }


def test_panoramas():
    """GPano: projection, and where the middle of the picture looks."""
    found = aircraft(
        'GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="350.0" GPano:PosePitchDegrees="-2"'
        ' GPano:PoseRollDegrees="0.5"'
    )
    assert found == {
        "projection_type": "equirectangular",
        "camera_yaw_deg": "350",
        "camera_pitch_deg": "-2",
        "camera_roll_deg": "0.5",
    }


def test_an_unknown_maker_stays_in_the_document():
    """What a property of an unknown namespace means is not guessed."""
    xmp = packet(body='<a:RelativeAltitude xmlns:a="http://ns.example.com/acme-drone/1.0/">31.25</a:RelativeAltitude>')
    row = cells(jpeg(xmp_segment(xmp)))
    assert "relative_altitude_m" not in row
    assert row["xmp"] == {"example.com-acme-drone:RelativeAltitude": "31.25"}


def test_djis_maker_note_fills_what_xmp_does_not_say():
    """Phantom 3 writes speeds there only; where both speak, XMP counts."""
    values = {3: 0.1, 4: 0.2, 5: -0.5, 6: 1.2, 7: 41.4, 8: 1.7, 9: -89.9, 10: 43.8, 11: 0.0}
    entries = struct.pack("<HHI4s", 1, ASCII, 4, b"DJI\0")
    entries += b"".join(struct.pack("<HHIf", tag, 11, 1, value) for tag, value in values.items())
    note = bytes_value(struct.pack("<H", 10) + entries + bytes(4))
    row = cells(photo(exif={0x927C: note}, xmp=packet('drone-dji:FlightYawDegree="+40.00"')))
    names = ("flight_x_speed_mps", "flight_y_speed_mps", "flight_z_speed_mps", "flight_yaw_deg", "flight_pitch_deg")
    assert [row[name] for name in names] == ["0.1", "0.2", "-0.5", "40", "1.2"]
    assert [row[f"camera_{axis}_deg"] for axis in ("pitch", "yaw", "roll")] == ["-89.9", "43.8", "0"]
    assert row["exif"]["MakerNotes"]["SpeedZ"] == -0.5


def test_another_makers_note_feeds_no_aircraft():
    """`Pitch` in a note that is not DJI's would be something else."""
    note = bytes_value(struct.pack("<H", 1) + struct.pack("<HHIf", 6, 11, 1, 1.5) + bytes(30))
    row = cells(photo(exif={0x927C: note}, ifd0={271: ascii_value("Canon")}))
    assert "flight_pitch_deg" not in row


AIRCRAFT_COLUMNS = [
    column
    for column in (*precedence.NUMBERS, *precedence.TEXTS, *precedence.INTEGERS)
    if column.startswith(("flight_", "gimbal_", "camera_", "rtk_", "drone_", "relative_", "absolute_", "altitude_"))
]


def of_aircraft() -> dict[str, set[str]]:
    """Each property's name that feeds columns of aircraft, whatever its namespace, with these columns."""
    found: dict[str, set[str]] = {}
    for column in AIRCRAFT_COLUMNS:
        for source in {**precedence.NUMBERS, **precedence.TEXTS, **precedence.INTEGERS}[column]:
            if not source.startswith(("EXIF:", "DJI:", "GPano:")):
                found.setdefault(source.partition(":")[2].partition("/")[0], set()).add(column)
    return found


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")
def test_no_known_property_of_a_real_photo_stays_in_the_document_alone():
    """A namespace that nobody had told of would be silent: the value is in `xmp`, and no column has it."""
    known, fed, silent = of_aircraft(), 0, []
    for path in sorted(PHOTOS.rglob("*.*")):
        if path.suffix in (".md", ".json") or (record := extract(FileSource(path))) is None:
            continue
        row = values_of(record)
        for name, value in row.get("xmp", {}).items():
            # Of the camera, of its receiver, and of a maker that was made up: what that means is not guessed.
            if name.startswith(("tiff:", "aux:", "exif:GPS", "example.com-acme-drone:")):
                continue
            columns = known.get(name.rpartition(":")[2], set())
            if columns and value not in ("", [], {}):
                fed += not columns.isdisjoint(row)
                silent += [(path.name, name)] * columns.isdisjoint(row)
    assert silent == []
    assert fed > 150
