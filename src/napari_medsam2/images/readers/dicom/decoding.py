"""Compressed pixel data: imagecodecs as a plugin of pydicom, for what pydicom's own plugins leave undone.

pydicom decodes RLE itself, JPEG baseline and JPEG 2000 by Pillow and JPEG-LS by pyjpegls. For lossless and 12-bit JPEG
its plugins need GDCM, or a package under the GPL; the codecs of imagecodecs (libjpeg-turbo, OpenJPEG, OpenJPH) do not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

from ....errors import FrameError

_CODECS = {
    uid.JPEGExtended12Bit: "jpeg8",
    uid.JPEGLossless: "jpeg8",
    uid.JPEGLosslessSV1: "jpeg8",
    uid.JPEG2000Lossless: "jpeg2k",
    uid.JPEG2000: "jpeg2k",
    uid.HTJ2KLossless: "htj2k",
    uid.HTJ2KLosslessRPCL: "htj2k",
    uid.HTJ2K: "htj2k",
}

#: As pydicom asks of a plugin.
DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("imagecodecs",))


def is_available(transfer_syntax: str) -> bool:
    """Whether the plugin decodes a transfer syntax; asked by pydicom."""
    codec = _CODECS.get(uid.UID(transfer_syntax))
    return codec is not None and bool(getattr(getattr(imagecodecs, codec.upper(), None), "available", False))


def decode_frame(source: bytes, runner: Any) -> bytes:
    """Decode one frame; called by pydicom, which makes an array of it by what the ``runner`` is told."""
    decode = getattr(imagecodecs, f"{_CODECS[runner.transfer_syntax]}_decode")
    pixels = np.asarray(decode(source))
    expected = (runner.rows, runner.columns, *([runner.samples_per_pixel] if runner.samples_per_pixel > 1 else []))
    if pixels.shape != expected:
        raise ValueError(f"the compressed image is {pixels.shape}, the header says {expected}")
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    return pixels.tobytes()


def decoder_of(path: Path, transfer_syntax: str) -> Any:
    """pydicom's decoder of a transfer syntax.

    Raises
    ------
    FrameError
        If nothing that is installed decodes it; names the transfer syntax, and the packages that help.
    """
    _register()
    syntax = uid.UID(transfer_syntax)
    named = f"{path.name} is stored as {syntax.name} ({syntax})"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise FrameError(
            f"{named}, which cannot be decoded: convert it, for example with dcmconv or gdcmconv"
        ) from error
    if not decoder.is_available:
        raise FrameError(
            f"{named}, and no package that decodes it is installed: {'; '.join(decoder.missing_dependencies)}"
        )
    return decoder


def plugin_for(transfer_syntax: str) -> str:
    """The plugin that pydicom is to use; empty where it shall try those that it has."""
    # Of JPEG 2000 Pillow reads what imagecodecs does not, and the other way round.
    either = transfer_syntax in (uid.JPEG2000, uid.JPEG2000Lossless)
    return "imagecodecs" if transfer_syntax in _CODECS and not either else ""


@cache
def _register() -> None:
    for transfer_syntax in _CODECS:
        decoder = get_decoder(transfer_syntax)
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, "decode_frame"))
