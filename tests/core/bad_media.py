"""Pictures, sounds and texts that want to break a decoder, made from nothing but this script.

Each has the reason that a person is to read, or None where there is nothing wrong with it.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import soundfile
from PIL import Image

RATE = 16_000
TRUNCATED = "truncated: the picture ends before its last row"
NO_PICTURE = "not a picture in a format that can be read"
NO_SOUND = "not a recording in a format that can be read"
NOT_NUMBERS = "holds values that are not numbers (NaN or infinite)"
TOO_LARGE = "more than 40,000,000 pixels; make it smaller"


class Media(NamedTuple):
    """A file: its bytes, made when asked for, and how its reason begins (None: it decodes)."""

    make: Callable[[], bytes]
    reason: str | None


def picture(format="PNG", mode="RGB", size=(40, 30), **options):
    """Return a picture of noise, the same each time."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands) if bands > 1 else (size[1], size[0])
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return saved(Image.frombytes(mode, size, pixels.tobytes()), format=format, **options)


def saved(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def recorded(samples, rate=RATE, format="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, dtype=float), rate, format=format, subtype=subtype)
    return file.getvalue()


def tone(seconds=0.5, hz=440.0):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(int(RATE * seconds)) / RATE)


# --- pictures


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, *, depth=8, colour=2, data=b"", before=b""):
    """Return a PNG that says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def swollen_text():
    """A comment of 200 MB in a few hundred kilobytes."""
    text = chunk(b"zTXt", b"c\x00\x00" + zlib.compress(bytes(200_000_000), 9))
    return png(2, 2, data=zlib.compress(bytes(14)), before=text)


def patched(data, at, format, *values):
    """Return bytes with numbers written over them."""
    new = struct.pack(format, *values)
    return data[:at] + new + data[at + len(new) :]


def huge_bmp():
    return patched(picture("BMP"), 18, "<ii", 2**31 - 1, 2**31 - 1)


def huge_gif():
    """Screen and frame are 65,535 pixels wide and high."""
    data = patched(picture("GIF", "L"), 6, "<HH", 65_535, 65_535)
    return patched(data, data.index(b",\0\0\0\0", 13) + 5, "<HH", 65_535, 65_535)


def huge_tiff():
    data = picture("TIFF")
    start = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, start)[0]):
        at = start + 2 + 12 * n
        if struct.unpack_from("<H", data, at)[0] in (256, 257):
            data = patched(data, at + 2, "<HII", 4, 1, 2**31 - 1)
    return data


def looping_tiff():
    """The directory that follows the first is the first."""
    data = picture("TIFF")
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    return patched(data, start + 2 + 12 * count, "<I", start)


def huge_webp():
    """A canvas of 16,383 x 16,383 around a small animation."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    at = data.index(b"VP8X") + 12
    return data[:at] + (16_382).to_bytes(3, "little") * 2 + data[at + 6 :]


def many_scans():
    """A progressive JPEG of 36 million pixels whose last scan is there 3,000 times."""
    data = saved(Image.new("L", (6_000, 6_000), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 300 + data[-2:]


def turned(orientation):
    """A picture of 40 x 30 with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture("JPEG", exif=exif)


def broken_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 100
    data = picture("JPEG", exif=exif)
    at = data.index(b"Exif\0\0") + 14
    return data[:at] + b"\xff" * 60 + data[at + 60 :]


def palette():
    image = Image.new("P", (4, 4))
    image.putpalette([10, 20, 30, 40, 50, 60])
    return saved(image, transparency=0)


def animated(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    return saved(frames[0], format, save_all=True, append_images=frames[1:])


def tiff(data, **tags):
    """Return a grey TIFF of 40 x 30 pixels in one packed strip that says what it likes."""
    said = {
        "width": (256, 40), "height": (257, 30), "bits": (258, 8), "packing": (259, 8),
        "meaning": (262, 1), "strip": (273, 200), "samples": (277, 1), "rows_per_strip": (278, 30),
        "strip_bytes": (279, len(data)), "tile_width": (322, None), "tile_height": (323, None),
        "tile": (324, None), "tile_bytes": (325, None),
    }  # fmt: skip
    values = {said[name][0]: value for name, value in tags.items()}
    entries = [(tag, values.get(tag, value)) for tag, value in said.values()]
    written = [
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries if value is not None
    ]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(written)) + b"".join(written) + bytes(4)
    return head.ljust(200, b"\0") + data


ROWS = zlib.compress(bytes(40 * 30))
MOST = 2**32 - 1


def in_tiles(across, down, **tags):
    """Return a TIFF in tiles in place of strips."""
    tiles = {"tile_width": across, "tile_height": down, "tile": 200, "tile_bytes": len(ROWS)}
    return tiff(ROWS, strip=None, strip_bytes=None, rows_per_strip=None, **tiles, **tags)


def bomb():
    """Fifty megabytes of nothing in fifty kilobytes."""
    return zipped("bomb.txt", bytes(50_000_000))


def runs(width, height):
    """A BMP whose rows are runs of one level."""
    lines = (b"\xff\x01" * (width // 255) + b"\0\0") * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(lines), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    about = b"BM" + struct.pack("<IHHI", start + len(lines), 0, 0, start)
    return about + header + bytes(1024) + lines


def zipped(name="a.txt", data=b"x"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


PICTURES = {
    "empty.png": Media(lambda: b"", "empty: 0 bytes"),
    "cut-mark.png": Media(lambda: picture()[:7], NO_PICTURE),
    "cut-header.png": Media(lambda: picture()[:20], TRUNCATED),
    "cut-after-header.png": Media(lambda: picture()[:33], NO_PICTURE),
    "cut-data.png": Media(lambda: picture()[:1_000], TRUNCATED),
    "cut-header.jpg": Media(lambda: picture("JPEG")[:3], NO_PICTURE),
    "cut-tables.jpg": Media(lambda: picture("JPEG")[:200], ""),
    "cut-data.jpg": Media(lambda: picture("JPEG")[:900], TRUNCATED),
    "cut-mark.gif": Media(lambda: picture("GIF", "L")[:6], NO_PICTURE),
    "cut-palette.gif": Media(lambda: picture("GIF", "L")[:100], ""),
    "cut-data.gif": Media(lambda: picture("GIF", "L")[:-300], TRUNCATED),
    "cut-mark.webp": Media(lambda: picture("WEBP")[:12], ""),
    "cut-data.webp": Media(lambda: picture("WEBP")[:-100], ""),
    "cut.bmp": Media(lambda: picture("BMP")[:-200], TRUNCATED),
    "cut.tif": Media(lambda: picture("TIFF")[:60], ""),
    "cut.ppm": Media(lambda: picture("PPM")[:-9], TRUNCATED),
    "sound.png": Media(lambda: recorded(tone()), NO_PICTURE),
    "page.jpg": Media(lambda: b"<!doctype html><title>404</title>", NO_PICTURE),
    "archive.png": Media(zipped, NO_PICTURE),
    "drawing.png": Media(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "program.png": Media(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n", NO_PICTURE),
    "huge.png": Media(lambda: png(100_000, 100_000), TOO_LARGE),
    "wide.png": Media(lambda: png(2**31 - 1, 1), TOO_LARGE),
    "none-wide.png": Media(lambda: png(0, 10), ""),
    "false.png": Media(lambda: png(6_000, 6_000, data=zlib.compress(b"\0" * 99)), TRUNCATED),
    "depth.png": Media(lambda: png(4, 4, depth=77), ""),
    "swollen-text.png": Media(swollen_text, "damaged: "),
    "huge.bmp": Media(huge_bmp, ""),
    "huge.gif": Media(huge_gif, TOO_LARGE),
    "huge.tif": Media(huge_tiff, ""),
    "huge.webp": Media(huge_webp, ""),
    "huge.ppm": Media(lambda: b"P6 99999999 99999999 255\n", TOO_LARGE),
    "many-scans.jpg": Media(many_scans, "a JPEG of more than 50 scans"),
    "large-tile.tif": Media(
        lambda: in_tiles(12_000, 12_000, width=1, height=1), "a TIFF of tiles of 12000 x 12000"
    ),
    "thin-tile.tif": Media(
        lambda: in_tiles(16, 2**31 - 16), "a TIFF of tiles of 16 x 2147483632 pixels"
    ),
    "false-tile.tif": Media(lambda: in_tiles(6_000, 6_000), "damaged: "),
    "no-tile.tif": Media(lambda: in_tiles(0, 0), "damaged: "),
    "no-rows-per-strip.tif": Media(lambda: tiff(ROWS, rows_per_strip=0), "damaged: "),
    "few-rows-per-strip.tif": Media(lambda: tiff(ROWS, rows_per_strip=1), "damaged: "),
    "tall-strip.tif": Media(
        lambda: tiff(ROWS, width=1, height=39_000_000, rows_per_strip=MOST), "damaged: "
    ),
    "strip-bytes.tif": Media(lambda: tiff(ROWS, strip_bytes=MOST), "damaged: "),
    "strip-place.tif": Media(lambda: tiff(ROWS, strip=MOST), "damaged: "),
    "many-samples.tif": Media(lambda: tiff(ROWS, samples=65_535), NO_PICTURE),
    "many-bits.tif": Media(lambda: tiff(ROWS, bits=65_535), NO_PICTURE),
    "bomb.png": Media(bomb, NO_PICTURE),
    "plain.ppm": Media(lambda: b"P3 2000 1500 255\n", "2000 x 1500 pixels in a way of writing PPM"),
    "runs.bmp": Media(lambda: runs(2_550, 1_000), "2550 x 1000 pixels in a way of writing BMP"),
    "fractions.tif": Media(lambda: saved(Image.new("F", (3, 3), 0.5), "TIFF"), "its pixels are"),
    "looping.tif": Media(looping_tiff, None),
    "strip.tif": Media(lambda: tiff(ROWS), None),
    "all-rows-per-strip.tif": Media(lambda: tiff(ROWS, rows_per_strip=MOST), None),
    "swollen-strip.tif": Media(lambda: tiff(zlib.compress(bytes(200_000_000), 9)), None),
    "small-plain.ppm": Media(lambda: b"P3 2 1 255\n" + b"7 " * 6, None),
    "small-runs.bmp": Media(lambda: runs(255, 10), None),
    "one.png": Media(lambda: picture(size=(1, 1)), None),
    "line.png": Media(lambda: picture(size=(1, 20_000)), None),
    "row.webp": Media(lambda: picture("WEBP", size=(16_000, 1)), None),
    "ink.jpg": Media(lambda: picture("JPEG", "CMYK"), None),
    "deep.png": Media(lambda: png(2, 1, depth=16, data=zlib.compress(bytes(13))), None),
    "palette.png": Media(palette, None),
    "veil.png": Media(lambda: picture(mode="LA"), None),
    "animated.gif": Media(lambda: animated("GIF"), None),
    "animated.webp": Media(lambda: animated("WEBP"), None),
    "animated.png": Media(lambda: animated("PNG"), None),
    "wrong-suffix.png": Media(lambda: picture("JPEG"), None),
    "broken-exif.jpg": Media(broken_exif, None),
    **{f"turned-{n}.jpg": Media(lambda n=n: turned(n), None) for n in (0, 3, 6, 8, 99)},
}

# --- sounds


def wav(*, rate=RATE, channels=1, bits=16, kind=1, promised=None, data=b"", align=None):
    """Return a WAV file that says what it likes."""
    align = channels * bits // 8 if align is None else align
    fmt = struct.pack("<HHIIHH", kind, channels, rate, rate * align % 2**32, align % 2**16, bits)
    size = len(data) if promised is None else promised
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flac(length=None, keep=None):
    """Return a FLAC; its header may promise another length (36 bits from byte 21 on)."""
    data = bytearray(recorded(tone(), format="FLAC"))
    if length is not None:
        data[21] = data[21] & 0xF0 | length >> 32
        data[22:26] = struct.pack(">I", length & 0xFFFFFFFF)
    return bytes(data[:keep])


SOUNDS = {
    "empty.wav": Media(lambda: b"", "empty: 0 bytes"),
    "no-samples.wav": Media(wav, "holds no samples"),
    "no-samples.flac": Media(lambda: recorded([], format="FLAC"), ""),
    "no-samples.ogg": Media(lambda: recorded([], format="OGG"), ""),
    "nan.wav": Media(lambda: recorded([0.1, np.nan], subtype="FLOAT"), NOT_NUMBERS),
    "infinite.wav": Media(lambda: recorded([0.1, np.inf], subtype="DOUBLE"), NOT_NUMBERS),
    "loud.wav": Media(lambda: recorded([0.1, 1e300], subtype="DOUBLE"), ""),
    "long.flac": Media(lambda: recorded(np.zeros(61 * RATE), format="FLAC"), "lasts 61.0 s"),
    "4-gib.wav": Media(lambda: wav(promised=2**32 - 1), "holds no samples"),
    "2-gib.wav": Media(lambda: wav(promised=2**31 - 2**16, data=bytes(90)), "truncated: 90 of"),
    "cut-data.wav": Media(lambda: recorded(tone())[:-100], "truncated: "),
    "cut-header.wav": Media(lambda: recorded(tone())[:30], ""),
    "cut-mark.wav": Media(lambda: recorded(tone())[:8], ""),
    "no-rate.wav": Media(lambda: wav(rate=0, data=bytes(90)), ""),
    "high-rate.wav": Media(lambda: wav(rate=2**31 - 1, data=bytes(90)), ""),
    "no-channels.wav": Media(lambda: wav(channels=0, data=bytes(90)), ""),
    "all-channels.wav": Media(lambda: wav(channels=65_535, data=bytes(131_070)), ""),
    "no-align.wav": Media(lambda: wav(align=0, data=bytes(90)), None),
    "kind.wav": Media(lambda: wav(kind=0x1234, data=bytes(90)), ""),
    "no-length.flac": Media(lambda: flac(length=0), "its header does not say"),
    "long-header.flac": Media(lambda: flac(length=2**36 - 1), "lasts 4294967.3 s"),
    "false-length.flac": Media(lambda: flac(length=16_000), "truncated"),
    "cut-mark.flac": Media(lambda: flac(keep=4), ""),
    "cut-header.flac": Media(lambda: flac(keep=30), ""),
    "cut-data.flac": Media(lambda: flac(keep=4_000), "truncated"),
    "cut-mark.ogg": Media(lambda: recorded(tone(), format="OGG")[:4], ""),
    "cut-header.ogg": Media(lambda: recorded(tone(), format="OGG")[:100], ""),
    "cut-data.ogg": Media(lambda: recorded(tone(5), format="OGG")[:-200], "truncated: "),
    "cut-data.mp3": Media(lambda: recorded(tone(), format="MP3")[:-500], "truncated: "),
    "cut-head.mp3": Media(lambda: recorded(tone(), format="MP3")[:3], ""),
    "garbage.mp3": Media(lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(500), NO_SOUND),
    "picture.wav": Media(picture, NO_SOUND),
    "bomb.wav": Media(bomb, NO_SOUND),
    "page.au": Media(lambda: b"<!doctype html><title>404</title>" * 99, NO_SOUND),
    "words.mp3": Media(lambda: b"A blackbird sings at dawn.", ""),
    "cut-data.aiff": Media(lambda: recorded(tone(), format="AIFF")[:-500], "truncated: "),
    "cut-data.au": Media(lambda: recorded(tone(), format="AU")[:-500], "truncated: "),
    "integers.wav": Media(lambda: recorded(2e9 * tone(), subtype="FLOAT"), None),
    "one.wav": Media(lambda: recorded([0.5]), None),
    "silence.wav": Media(lambda: recorded(np.zeros(4_000)), None),
    "constant.wav": Media(lambda: recorded(np.full(4_000, 0.5)), None),
    "wrong-suffix.wav": Media(lambda: recorded(tone(), format="FLAC"), None),
    "many-channels.wav": Media(lambda: recorded(np.tile(tone(0.01)[:, None], 64)), None),
}

# --- texts

TEXTS = {
    "empty.txt": Media(lambda: b"", "empty: "),
    "white.txt": Media(lambda: b" \n\t\xc2\xa0", "empty: "),
    "mark-only.txt": Media(lambda: b"\xef\xbb\xbf", "empty: "),
    "nul.txt": Media(lambda: b"a bi\0rd", "a NUL character at position 4"),
    "latin.txt": Media(lambda: "un café".encode("latin-1"), "not UTF-8: byte 0xe9 at 6"),
    "utf-16.txt": Media(lambda: "A bird.".encode("utf-16"), "not UTF-8: byte 0xff at 0"),
    "surrogate.txt": Media(lambda: b"a \xed\xa0\x80 bird", "not UTF-8: byte 0xed at 2"),
    "long.txt": Media(lambda: b"A bird. " * 1_250_000, "longer than 100,000 characters"),
    "bomb.txt": Media(bomb, "not UTF-8: byte 0x"),
    "sound.txt": Media(lambda: recorded(tone()), ""),
    "marked.txt": Media(lambda: "\ufeffA bird.".encode(), None),
    "right-to-left.txt": Media(lambda: "ציפור שרה עם שחר، طائر".encode(), None),
    "turned-round.txt": Media(lambda: "a \u202edrib\u202c".encode(), None),
    "family.txt": Media(lambda: "👩‍👩‍👧 with a 🐦‍⬛".encode(), None),
    "stacked.txt": Media(lambda: ("a" + "\u0301" * 5_000).encode(), None),
}

MEDIA: dict[str, Media] = {**PICTURES, **SOUNDS, **TEXTS}
