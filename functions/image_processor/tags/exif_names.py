"""Names of Exif tags: exifread's tables, and the standards' names where it has others or none."""

from collections.abc import Mapping
from functools import cache

from exifread.tags.exif import EXIF_TAGS, GPS_TAGS, INTEROP_TAGS

from image_processor.formats import panasonic

_TIFF = {
    0x000B: "ProcessingSoftware",
    0x010A: "FillOrder",
    0x0129: "PageNumber",
    0x02BC: "XMLPacket",
    0x4749: "RatingPercent",
    0x800D: "ImageID",
    0x830E: "ModelPixelScaleTag",
    0x8482: "ModelTiepointTag",
    0x8568: "AFCP_IPTC",
    0x85D8: "ModelTransformationTag",
    0x8649: "ImageResources",
    0x87AF: "GeoKeyDirectoryTag",
    0x87B0: "GeoDoubleParamsTag",
    0x87B1: "GeoAsciiParamsTag",
    0x920E: "FocalPlaneXResolution",
    0x920F: "FocalPlaneYResolution",
    0x9210: "FocalPlaneResolutionUnit",
    0x9217: "SensingMethod",
    0x935C: "ImageSourceData",
    0xA480: "GDAL_METADATA",
    0xA481: "GDAL_NODATA",
}
"""TIFF 6.0 and its supplements, GeoTIFF 1.1, Adobe Photoshop TIFF Technical Notes, Microsoft and GDAL."""

_EXIF = {
    0x8831: "StandardOutputSensitivity",
    0x8834: "ISOSpeedLatitudeyyy",
    0x8835: "ISOSpeedLatitudezzz",
    0x9400: "Temperature",
    0x9401: "Humidity",
    0x9402: "Pressure",
    0x9403: "WaterDepth",
    0x9404: "Acceleration",
    0x9405: "CameraElevationAngle",
    0xA002: "PixelXDimension",
    0xA003: "PixelYDimension",
    0xA302: "CFAPattern",
    0xA436: "ImageTitle",
    0xA437: "Photographer",
    0xA438: "ImageEditor",
    0xA439: "CameraFirmware",
    0xA43A: "RAWDevelopingSoftware",
    0xA43B: "ImageEditingSoftware",
    0xA43C: "MetadataEditingSoftware",
    0xA460: "CompositeImage",
    0xA461: "SourceImageNumberOfCompositeImage",
    0xA462: "SourceExposureTimesOfCompositeImage",
}
"""Exif 2.31 and 3.0 (CIPA DC-008)."""

_DNG = {
    0xC612: "DNGVersion",
    0xC613: "DNGBackwardVersion",
    0xC614: "UniqueCameraModel",
    0xC615: "LocalizedCameraModel",
    0xC616: "CFAPlaneColor",
    0xC617: "CFALayout",
    0xC618: "LinearizationTable",
    0xC619: "BlackLevelRepeatDim",
    0xC61A: "BlackLevel",
    0xC61B: "BlackLevelDeltaH",
    0xC61C: "BlackLevelDeltaV",
    0xC61D: "WhiteLevel",
    0xC61E: "DefaultScale",
    0xC61F: "DefaultCropOrigin",
    0xC620: "DefaultCropSize",
    0xC621: "ColorMatrix1",
    0xC622: "ColorMatrix2",
    0xC623: "CameraCalibration1",
    0xC624: "CameraCalibration2",
    0xC625: "ReductionMatrix1",
    0xC626: "ReductionMatrix2",
    0xC627: "AnalogBalance",
    0xC628: "AsShotNeutral",
    0xC629: "AsShotWhiteXY",
    0xC62A: "BaselineExposure",
    0xC62B: "BaselineNoise",
    0xC62C: "BaselineSharpness",
    0xC62D: "BayerGreenSplit",
    0xC62E: "LinearResponseLimit",
    0xC62F: "CameraSerialNumber",
    0xC630: "LensInfo",
    0xC631: "ChromaBlurRadius",
    0xC632: "AntiAliasStrength",
    0xC633: "ShadowScale",
    0xC634: "DNGPrivateData",
    0xC635: "MakerNoteSafety",
    0xC65A: "CalibrationIlluminant1",
    0xC65B: "CalibrationIlluminant2",
    0xC65C: "BestQualityScale",
    0xC65D: "RawDataUniqueID",
    0xC68B: "OriginalRawFileName",
    0xC68C: "OriginalRawFileData",
    0xC68D: "ActiveArea",
    0xC68E: "MaskedAreas",
    0xC68F: "AsShotICCProfile",
    0xC6BF: "ColorimetricReference",
    0xC6F3: "CameraCalibrationSignature",
    0xC6F4: "ProfileCalibrationSignature",
    0xC6F6: "AsShotProfileName",
    0xC6F7: "NoiseReductionApplied",
    0xC6F8: "ProfileName",
    0xC6F9: "ProfileHueSatMapDims",
    0xC6FC: "ProfileToneCurve",
    0xC6FD: "ProfileEmbedPolicy",
    0xC6FE: "ProfileCopyright",
    0xC714: "ForwardMatrix1",
    0xC715: "ForwardMatrix2",
    0xC716: "PreviewApplicationName",
    0xC717: "PreviewApplicationVersion",
    0xC719: "PreviewSettingsDigest",
    0xC71A: "PreviewColorSpace",
    0xC71B: "PreviewDateTime",
    0xC71C: "RawImageDigest",
    0xC740: "OpcodeList1",
    0xC741: "OpcodeList2",
    0xC74E: "OpcodeList3",
    0xC761: "NoiseProfile",
    0xC763: "TimeCodes",
    0xC764: "FrameRate",
    0xC7A1: "CameraLabel",
    0xC7A3: "ProfileHueSatMapEncoding",
    0xC7A5: "BaselineExposureOffset",
    0xC7A6: "DefaultBlackRender",
    0xC7A7: "NewRawImageDigest",
    0xC7B5: "DefaultUserCrop",
}
"""Digital Negative specification 1.7."""

_GPS = {0x001D: "GPSDateStamp", 0x001F: "GPSHPositioningError"}


class _Names(dict[int, str]):
    """Names by tag number; a tag that no standard has is named by its number."""

    def __missing__(self, number: int) -> str:
        return f"Tag 0x{number:04X}"


_MAIN_NAMES = _Names({number: entry[0] for number, entry in EXIF_TAGS.items()} | _TIFF | _EXIF | _DNG)
_GPS_NAMES = _Names({number: entry[0] for number, entry in GPS_TAGS.items()} | _GPS)
_INTEROP_NAMES = _Names({number: entry[0] for number, entry in INTEROP_TAGS.items()})
_PANASONIC_NAMES = _Names(panasonic.NAMES)

_EXIF_NUMBERS = (0x829A, 0x829D, *range(0x8822, 0x8836), *range(0x9000, 0x9500), *range(0xA000, 0xA480))
_PRIVATE = frozenset(_MAIN_NAMES[number] for number in _EXIF_NUMBERS if number in _MAIN_NAMES)
"""Exif's own tags (Exif 2.32, tables 7 and 8); all others of the main image are TIFF's, or of who adds to TIFF."""


@cache
def places_of(name: str) -> tuple[str, ...]:
    """Return the directories in which the main image's tag of that name may stand, the standard's first.

    Programs have mistaken IFD0 and ExifIFD, and editors then change the one that they know of. The names are those that
    columns are made of, so that all answers are kept.
    """
    if name.startswith("GPS"):
        return ("GPS",)
    return ("ExifIFD", "IFD0") if name in _PRIVATE else ("IFD0", "ExifIFD")


def names_of(directory: str) -> Mapping[int, str]:
    """Return the names of a directory's tags by number: `Tag 0x1234` for those that no standard has.

    Args:
        directory: `IFD0`, `ExifIFD`, `GPS`, `InteropIFD`, ...
    """
    if directory == panasonic.DIRECTORY:
        return _PANASONIC_NAMES
    if directory.startswith("GPS"):
        return _GPS_NAMES
    return _INTEROP_NAMES if directory.startswith("Interop") else _MAIN_NAMES
