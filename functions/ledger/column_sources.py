"""Where each column's value comes from, best source first.

A test holds these texts to `image_processor.columns.precedence`.

`EXIF:` is a tag of the main image, `IPTC:` a dataset of IPTC-IIM, `PNG:` a text keyword, `DJI:` a field of DJI's maker
note; the others are XMP properties under their well-known prefix, whatever prefix the file uses. Any namespace with a
maker's name in its host or path is that maker's. What is said of `drone-dji` holds for the same properties in the
namespaces of Autel, GoPro, Hasselblad, Insta360, MicaSense, Sentera, Teal and Wingtra, too, and what is said of Teal's
properties under `exif` in its own.
"""

_SIZE = "the image data: frame header, IHDR, VP8, ispe, ImageWidth and ImageLength; of a raw its raw picture"

SOURCES: dict[str, str] = {
    "ingested_at": "the first write",
    "etag": "S3",
    "revision": "the table",
    "bucket": "S3",
    "key": "S3",
    "size_bytes": "S3",
    "copies": "the table",
    "content_type": "the first bytes",
    "last_modified": "S3",
    "width_px": _SIZE,
    "height_px": _SIZE,
    "orientation": "EXIF:Orientation; tiff:Orientation",
    "color_space": "EXIF:ColorSpace; exif:ColorSpace",
    "make": "EXIF:Make; tiff:Make",
    "model": "EXIF:Model; tiff:Model; EXIF:UniqueCameraModel",
    "serial_number": (
        "EXIF:BodySerialNumber; EXIF:CameraSerialNumber; exifEX:BodySerialNumber; aux:SerialNumber; "
        "drone-dji:CameraSerialNumber; drone-parrot:CameraSerialNumber"
    ),
    "lens_make": "EXIF:LensMake; exifEX:LensMake",
    "lens_model": "EXIF:LensModel; exifEX:LensModel; aux:Lens",
    "lens_serial_number": "EXIF:LensSerialNumber; exifEX:LensSerialNumber; aux:LensSerialNumber",
    "software": "EXIF:Software; tiff:Software; xmp:CreatorTool; PNG:Software",
    "captured_at": (
        "EXIF:DateTimeOriginal with EXIF:SubSecTimeOriginal and EXIF:OffsetTimeOriginal; exif:DateTimeOriginal; "
        "EXIF:DateTimeDigitized with EXIF:SubSecTimeDigitized and EXIF:OffsetTimeDigitized; "
        "exif:DateTimeDigitized; photoshop:DateCreated; IPTC:DateCreated with IPTC:TimeCreated; xmp:CreateDate"
    ),
    "exposure_time_s": "EXIF:ExposureTime; exif:ExposureTime",
    "f_number": "EXIF:FNumber; exif:FNumber",
    "iso": (
        "EXIF:ISOSpeedRatings; exif:ISOSpeedRatings; exifEX:PhotographicSensitivity; "
        "EXIF:RecommendedExposureIndex; EXIF:ISOSpeed; EXIF:StandardOutputSensitivity"
    ),
    "exposure_bias_ev": "EXIF:ExposureBiasValue; exif:ExposureBiasValue",
    "exposure_program": "EXIF:ExposureProgram; exif:ExposureProgram",
    "metering_mode": "EXIF:MeteringMode; exif:MeteringMode",
    "flash_fired": "EXIF:Flash (bit 0); exif:Flash/exif:Fired",
    "white_balance": "EXIF:WhiteBalance; exif:WhiteBalance",
    "focal_length_mm": "EXIF:FocalLength; exif:FocalLength",
    "focal_length_35mm_mm": "EXIF:FocalLengthIn35mmFilm; exif:FocalLengthIn35mmFilm (0 as stored: unknown)",
    "digital_zoom_ratio": "EXIF:DigitalZoomRatio; exif:DigitalZoomRatio (0 as stored: not used; 0/0 is empty)",
    "subject_distance_m": "EXIF:SubjectDistance; exif:SubjectDistance (infinity is empty)",
    "gps_latitude_deg": (
        "EXIF:GPSLatitude; exif:GPSLatitude; drone-dji:GpsLatitude; drone-dji:Latitude; drone-skydio:Latitude; "
        "drone-parrot:DroneLatitude (without a usable hemisphere reference the next source; 0, 0 is no fix)"
    ),
    "gps_longitude_deg": (
        "EXIF:GPSLongitude; exif:GPSLongitude; drone-dji:GpsLongitude; drone-dji:GpsLongtitude; "
        "drone-dji:Longitude; drone-skydio:Longitude; drone-parrot:DroneLongitude (as gps_latitude_deg)"
    ),
    "gps_altitude_m": (
        "EXIF:GPSAltitude with EXIF:GPSAltitudeRef; exif:GPSAltitude with exif:GPSAltitudeRef; 1 and 3 are below"
    ),
    "gps_altitude_ref": "EXIF:GPSAltitudeRef; exif:GPSAltitudeRef",
    "gps_datetime": "EXIF:GPSDateStamp with EXIF:GPSTimeStamp; exif:GPSTimeStamp",
    "gps_speed_mps": "EXIF:GPSSpeed with EXIF:GPSSpeedRef; exif:GPSSpeed with exif:GPSSpeedRef (K, M or N)",
    "gps_track_deg": "EXIF:GPSTrack; exif:GPSTrack",
    "gps_image_direction_deg": "EXIF:GPSImgDirection; exif:GPSImgDirection",
    "gps_dop": "EXIF:GPSDOP; exif:GPSDOP",
    "gps_horizontal_error_m": (
        "EXIF:GPSHPositioningError; exif:GPSHPositioningError; Camera:GPSXYAccuracy; sensefly:GPSXYAccuracy"
    ),
    "gps_satellites": "EXIF:GPSSatellites; exif:GPSSatellites",
    "gps_status": "EXIF:GPSStatus; exif:GPSStatus; drone-dji:GpsStatus",
    "gps_map_datum": "EXIF:GPSMapDatum; exif:GPSMapDatum",
    "relative_altitude_m": (
        "drone-dji:RelativeAltitude; drone-skydio:RelativeAltitude; drone-yuneec:AboveHomeAltitude; "
        "FLIR:MAVRelativeAltitude; Camera:AboveGroundAltitude"
    ),
    "absolute_altitude_m": (
        "drone-dji:AbsoluteAltitude; drone-skydio:AbsoluteAltitude; drone-yuneec:GPSAltitude; "
        "drone-parrot:DroneAltitudeEgm96Amsl; drone-parrot:DroneAltitudeWgs84Ellipsoid"
    ),
    "altitude_type": "drone-dji:AltitudeType",
    "flight_roll_deg": (
        "drone-dji:FlightRollDegree; drone-parrot:DroneRollDegree; drone-yuneec:DroneRoll; "
        "drone-skydio:VehicleOrientationNED/Roll; FLIR:MAVRoll; exif:PlatformRoll; DJI:Roll"
    ),
    "flight_pitch_deg": (
        "drone-dji:FlightPitchDegree; drone-parrot:DronePitchDegree; drone-yuneec:DronePitch; "
        "drone-skydio:VehicleOrientationNED/Pitch; FLIR:MAVPitch; exif:PlatformPitch; DJI:Pitch"
    ),
    "flight_yaw_deg": (
        "drone-dji:FlightYawDegree; drone-parrot:DroneYawDegree; drone-yuneec:DroneYaw; "
        "drone-skydio:VehicleOrientationNED/Yaw; FLIR:MAVYaw; exif:PlatformYaw; DJI:Yaw"
    ),
    "gimbal_roll_deg": "drone-dji:GimbalRollDegree; drone-yuneec:GimbalRoll",
    "gimbal_pitch_deg": "drone-dji:GimbalPitchDegree; drone-yuneec:GimbalPitch",
    "gimbal_yaw_deg": "drone-dji:GimbalYawDegree; drone-yuneec:GimbalYaw",
    "camera_roll_deg": (
        "drone-parrot:CameraRollDegree; drone-skydio:CameraOrientationNED/Roll; Camera:Roll; sensefly:Roll; "
        "xmp:CameraRoll; exif:CameraRoll (Teal: against the aircraft); DJI:CameraRoll; GPano:PoseRollDegrees"
    ),
    "camera_pitch_deg": (
        "drone-parrot:CameraPitchDegree; drone-skydio:CameraOrientationNED/Pitch; Camera:Pitch; sensefly:Pitch; "
        "xmp:CameraPitch; exif:CameraPitch (as camera_roll_deg); DJI:CameraPitch; GPano:PosePitchDegrees"
    ),
    "camera_yaw_deg": (
        "drone-parrot:CameraYawDegree; drone-skydio:CameraOrientationNED/Yaw; Camera:Yaw; sensefly:Yaw; "
        "xmp:CameraYaw; exif:CameraYaw (as camera_roll_deg); DJI:CameraYaw; GPano:PoseHeadingDegrees"
    ),
    "flight_x_speed_mps": "drone-dji:FlightXSpeed; DJI:SpeedX",
    "flight_y_speed_mps": "drone-dji:FlightYSpeed; DJI:SpeedY",
    "flight_z_speed_mps": "drone-dji:FlightZSpeed; DJI:SpeedZ",
    "rtk_flag": "drone-dji:RtkFlag",
    "rtk_std_latitude_m": "drone-dji:RtkStdLat",
    "rtk_std_longitude_m": "drone-dji:RtkStdLon",
    "rtk_std_height_m": "drone-dji:RtkStdHgt",
    "drone_model": "drone-dji:DroneModel; drone-dji:ProductName; Platform:Model",
    "drone_serial_number": (
        "drone-dji:DroneSerialNumber; drone-parrot:SerialNumber; drone-skydio:SerialNumber; Platform:SerialNumber"
    ),
    "title": "dc:title; IPTC:ObjectName; EXIF:XPTitle; EXIF:ImageTitle; PNG:Title",
    "description": "EXIF:ImageDescription; dc:description; IPTC:Caption-Abstract; PNG:Description",
    "author": "EXIF:Artist; dc:creator; IPTC:By-line; EXIF:XPAuthor; EXIF:Photographer; PNG:Author",
    "copyright": "EXIF:Copyright; dc:rights; IPTC:CopyrightNotice; PNG:Copyright",
    "comment": "EXIF:UserComment; exif:UserComment; EXIF:XPComment; PNG:Comment; the comment of a JPEG or GIF",
    "keywords": (
        "all of dc:subject; lr:hierarchicalSubject; IPTC:Keywords; EXIF:XPKeywords (split at semicolons), each "
        "word once"
    ),
    "rating": "EXIF:Rating; xmp:Rating",
    "projection_type": "GPano:ProjectionType; GSpherical:ProjectionType",
    "xmp_packets": "the container",
    "user_metadata": "the object's x-amz-meta headers: names in lower case, values decoded (RFC 2047)",
    "reader_version": "the reader",
    "warnings": "the reading of the image",
    "exif": (
        "EXIF blocks: directory, tag name, value; arrays above 64 elements and binary values as type and length; "
        "MakerNotes"
    ),
    "xmp": "XMP packets: union, the first in file order wins; prefixes by namespace URI",
}
