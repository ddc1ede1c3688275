"""The elements of a DICOM header that are looked at: others are passed over, which makes thousands of files fast."""

from __future__ import annotations

from pydicom.tag import BaseTag, Tag

#: Elements that hold pixels: by their tags, what they are called.
PIXEL_TAGS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}

#: What can tell a plane apart from others at the same place, in the order in which it is tried: what it is called, and
#: the keyword of the element.
REPEATS = {
    "temporal position": "TemporalPositionIdentifier",
    "temporal index": "TemporalPositionIndex",
    "cardiac trigger delay": "NominalCardiacTriggerDelayTime",
    "trigger time": "TriggerTime",
    "echo time": "EchoTime",
    "effective echo time": "EffectiveEchoTime",
    "inversion time": "InversionTime",
    "b-value": "DiffusionBValue",
    "gradient": "DiffusionGradientOrientation",
    "flip angle": "FlipAngle",
    "image type": "ImageType",
    "frame type": "FrameType",
    "energy": "KVP",
    "kernel": "ConvolutionKernel",
    "acquisition": "AcquisitionNumber",
    "frame acquisition": "FrameAcquisitionNumber",
    "frame of reference": "FrameOfReferenceUID",
    "time offset": "TemporalPositionTimeOffset",
    "frame reference time": "FrameReferenceTime",
    "acquisition time": "AcquisitionTime",
    "content time": "ContentTime",
}

#: Those of them that are times: how many seconds one unit is.
SECONDS = {"cardiac trigger delay": 1e-3, "trigger time": 1e-3, "frame reference time": 1e-3, "time offset": 1.0}

#: Those of them that may differ from slice to slice, and then only say an order.
ORDERS = (
    "cardiac trigger delay", "trigger time", "time offset", "frame reference time", "acquisition time", "content time",
)  # fmt: skip

_GENERAL = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "InstanceNumber",
)  # fmt: skip

_GEOMETRY = (
    "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "SpacingBetweenSlices", "SliceThickness", "GridFrameOffsetVector",
    "SequenceOfUltrasoundRegions", "DetectorInformationSequence", "TotalPixelMatrixColumns",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip

_TIMES = (
    "NumberOfFrames", "FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate",
    "RecommendedDisplayFrameRate", "TemporalResolution",
)  # fmt: skip

_VALUES = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence", "RealWorldValueMappingSequence",
    "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "AlphaPaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "AlphaPaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip

TAGS: list[BaseTag | int] = [
    Tag(keyword) for keyword in dict.fromkeys((*_GENERAL, *_GEOMETRY, *_TIMES, *_VALUES, *REPEATS.values()))
]
