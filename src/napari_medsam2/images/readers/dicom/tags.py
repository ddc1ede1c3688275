"""The elements of a DICOM header that are looked at: others are passed over, which makes thousands of files fast."""

from __future__ import annotations

#: Elements that hold pixels: by their tags, what they are called.
PIXEL_TAGS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}

#: What can tell a plane apart from others at the same place, in the order in which it is tried: what it is called, the
#: element, and the functional group that it is in where there are such groups.
REPEATS = {
    "temporal position": ("TemporalPositionIdentifier", "FrameContentSequence"),
    "temporal index": ("TemporalPositionIndex", "FrameContentSequence"),
    "cardiac trigger delay": ("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence"),
    "trigger time": ("TriggerTime", ""),
    "echo time": ("EchoTime", ""),
    "effective echo time": ("EffectiveEchoTime", "MREchoSequence"),
    "inversion time": ("InversionTime", ""),
    "b-value": ("DiffusionBValue", "MRDiffusionSequence"),
    "gradient": ("DiffusionGradientOrientation", "MRDiffusionSequence"),
    "flip angle": ("FlipAngle", "MRTimingAndRelatedParametersSequence"),
    "image type": ("ImageType", ""),
    "frame type": ("FrameType", "MRImageFrameTypeSequence"),
    "energy": ("KVP", ""),
    "kernel": ("ConvolutionKernel", ""),
    "acquisition": ("AcquisitionNumber", ""),
    "frame reference time": ("FrameReferenceTime", ""),
    "acquisition time": ("AcquisitionTime", ""),
    "content time": ("ContentTime", ""),
}

#: Those of them that are times: how many seconds one unit is.
SECONDS = {"cardiac trigger delay": 1e-3, "trigger time": 1e-3, "frame reference time": 1e-3}

#: Those of them that may differ from slice to slice, and then only say an order.
ORDERS = ("cardiac trigger delay", "trigger time", "frame reference time", "acquisition time", "content time")

_GENERAL = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "InstanceNumber", "FrameOfReferenceUID",
)  # fmt: skip

_GEOMETRY = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
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

TAGS = (*_GENERAL, *_GEOMETRY, *_TIMES, *_VALUES, *dict.fromkeys(keyword for keyword, _ in REPEATS.values()))
