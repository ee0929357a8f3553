"""Images: from a file to pixels, from pixels to the tensor a model sees."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from d2v_core.data.jpeg_scans import count_scans
from d2v_core.errors import MediaError

MAX_PIXELS = 40_000_000
"""Larger pictures are refused before a pixel is decoded: a small file can unpack to gigabytes."""

MAX_BYTES = 400_000_000
"""More than MAX_PIXELS of 16 bits and four channels; some decoders read the whole file at once."""

MAX_SCANS = 50
"""A progressive JPEG has about ten. Each is work over all pixels, however few bytes it has."""

MAX_SLOW_PIXELS = 2_000_000
"""Of a picture that is decoded in Python and not in C: plain or deep PPM, packed BMP."""

_TILE_WIDTH, _TILE_HEIGHT = 322, 323
"""Tags of TIFF. Tiles are decoded whole, however small the picture is that is cut from them."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats asked of Pillow. Others are left out on purpose: EPS, for one, runs a program."""

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged files. (Its "broken PNG file" is a SyntaxError.)"""

_IMPOLITE = (LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError)
"""What they raise, less politely, on damaged directories and palettes."""

_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def decode_image(source: Path | bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Return the pixels of a picture as RGB.

    Turned upright as its EXIF orientation says. Transparent parts are laid over white. Palettes,
    grey levels, CMYK and 16 bits become 8-bit RGB. Of an animation the first frame is taken.

    Raises:
        MediaError: if it is no picture, damaged, truncated, over MAX_PIXELS, MAX_BYTES or
            MAX_SCANS, a drawing (SVG), or has pixels of 32 bits, whose white is not agreed upon.
    """
    file = _open(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture is read or refused, nothing between
            with file, Image.open(file, formats=_FORMATS) as image:
                _check_size(image)
                _check_scans(image, file)
                image.load()
                return np.array(_to_rgb(ImageOps.exif_transpose(image)), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise MediaError("not a picture in a format that can be read") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"more than {MAX_PIXELS:,} pixels; make it smaller") from error
    except _DAMAGED as error:
        raise MediaError(_reason(error)) from error
    except MemoryError as error:
        raise MediaError("asks for more memory than there is: damaged, or too large") from error
    except _IMPOLITE as error:
        raise MediaError(f"damaged: {error}") from error


def image_tensor(
    pixels: UInt8[np.ndarray, "height width 3"], *, size: int
) -> Float[Tensor, "3 {size} {size}"]:
    """Return the centre square of a picture, `size` pixels wide, as numbers from -1 to 1.

    (height, width, 3) → (3, size, size). As if the shorter side were resized to `size` (bicubic,
    antialiased) and the centre cut out; done in one step, so that a picture of 1 x 1,000,000
    pixels costs no memory. Then level 0 becomes -1 and level 255 becomes 1: mean 0.5, standard
    deviation 0.5 in each channel.

    Raises:
        ValueError: if `size` is not positive or the picture has no pixels.
    """
    height, width = pixels.shape[:2]
    if size < 1 or min(height, width) < 1:
        raise ValueError(f"cannot make {size} x {size} pixels of {height} x {width}")
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    square = Image.fromarray(pixels).resize(
        (size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )
    levels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    return levels.to(torch.float32) / 127.5 - 1.0


def _open(source: Path | bytes) -> io.BytesIO | io.BufferedReader:
    """Return an open file, or say why there is none."""
    if isinstance(source, bytes):
        start = source[:512]
        file = io.BytesIO(source)
    else:
        if not source.is_file():  # a pipe would block, a device never end
            raise MediaError("no such file" if not source.exists() else "not a regular file")
        try:
            if source.stat().st_size > MAX_BYTES:
                raise MediaError(f"more than {MAX_BYTES / 1e6:,.0f} MB; make it smaller")
            file = source.open("rb")
            start = file.read(512)
            file.seek(0)
        except OSError as error:
            raise MediaError(f"cannot be read: {error.strerror}") from error
    if not start:
        file.close()
        raise MediaError("empty: 0 bytes")
    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    if b"<svg" in start or suffix in {".svg", ".svgz"}:
        file.close()
        raise MediaError("an SVG drawing, which has no pixels of its own; export it as PNG")
    return file


def _check_size(image: Image.Image) -> None:
    """Raise MediaError for more pixels than we decode; only the header has been read so far."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MediaError(f"{width} x {height} pixels, more than {MAX_PIXELS:,}; make it smaller")
    is_slow = any(part[0] in Image.DECODERS for part in getattr(image, "tile", ()))
    if is_slow and width * height > MAX_SLOW_PIXELS:
        raise MediaError(
            f"{width} x {height} pixels in a way of writing {image.format} that is slow to read, "
            f"more than {MAX_SLOW_PIXELS:,}; save it as PNG"
        )
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
        across, down = (int(tags.get(tag, 1)) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
        if across * down > MAX_PIXELS:
            raise MediaError(
                f"a TIFF of tiles of {across} x {down} pixels, more than {MAX_PIXELS:,}; save it "
                "anew"
            )


def _check_scans(image: Image.Image, file: io.BytesIO | io.BufferedReader) -> None:
    """Raise MediaError for a JPEG that would take minutes; the place in the file stays."""
    if image.format not in ("JPEG", "MPO"):
        return
    place = file.tell()
    file.seek(0)
    count = count_scans(file, most=MAX_SCANS)
    file.seek(place)
    if count > MAX_SCANS:
        raise MediaError(f"a JPEG of more than {MAX_SCANS} scans; save it anew")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise MediaError("its pixels are fractions, whose white is not agreed upon; save as 8 bits")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(levels: np.ndarray) -> np.ndarray:
    if levels.min() < 0 or levels.max() > 65_535:
        raise MediaError("its pixels have 32 bits, whose white is not agreed upon; save as 8 bits")
    return np.round(levels / 257.0).astype(np.uint8)  # 65,535 = 257 · 255


def _reason(error: Exception) -> str:
    """Say in our words what Pillow found."""
    text = str(error).lower()
    if isinstance(error, EOFError) or "truncated" in text or "unexpected end" in text:
        return "truncated: the picture ends before its last row"
    return f"damaged: {error}"
