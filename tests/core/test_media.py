"""Decoding pictures and texts: closed forms of each conversion, and a reason for each refusal."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from d2v_core.data.audio import decode_audio
from d2v_core.data.image import MAX_PIXELS, decode_image, image_tensor
from d2v_core.data.text import MAX_CHARACTERS, decode_text
from d2v_core.errors import MediaError


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, **({"format": "PNG"} | options))
    return file.getvalue()


def noise(height=6, width=9, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


# --- images


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_bit_for_bit(format):
    pixels = noise()

    np.testing.assert_array_equal(
        decode_image(encoded(Image.fromarray(pixels), format=format)), pixels
    )


def test_a_file_and_its_bytes_decode_alike(tmp_path):
    data = encoded(Image.fromarray(noise()))
    (tmp_path / "a.png").write_bytes(data)

    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), decode_image(data))


def test_transparent_parts_are_laid_over_white():
    """Red of opacity a over white is (255, 255 (1 - a), 255 (1 - a))."""
    rgba = Image.new("RGBA", (1, 1), (255, 0, 0, 51))

    np.testing.assert_array_equal(decode_image(encoded(rgba))[0, 0], [255, 204, 204])


def test_a_transparent_palette_entry_is_white_and_the_others_keep_their_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)

    pixels = decode_image(encoded(image, transparency=0))

    np.testing.assert_array_equal(pixels[0], [[255, 255, 255], [40, 50, 60]])


def test_sixteen_bits_are_scaled_not_cut():
    levels = np.array([[0, 257, 32_768, 65_535]], dtype=np.uint16)

    pixels = decode_image(encoded(Image.fromarray(levels)))

    np.testing.assert_array_equal(pixels[0, :, 0], [0, 1, 128, 255])
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_one_bit_grey_and_cmyk_become_rgb():
    bits = Image.fromarray(np.array([[True, False]]))
    grey = Image.fromarray(np.array([[0, 77]], dtype=np.uint8))
    cyan = Image.new("CMYK", (1, 1), (255, 0, 0, 0))

    np.testing.assert_array_equal(decode_image(encoded(bits))[0], [[255] * 3, [0] * 3])
    np.testing.assert_array_equal(decode_image(encoded(grey))[0], [[0] * 3, [77] * 3])
    np.testing.assert_array_equal(decode_image(encoded(cyan, format="TIFF"))[0, 0], [0, 255, 255])


def test_the_picture_is_turned_upright():
    """EXIF orientation 6 is stored on its side: turned clockwise by a quarter to be seen."""
    pixels = noise()
    exif = Image.Exif()
    exif[0x0112] = 6

    upright = decode_image(encoded(Image.fromarray(pixels), exif=exif))

    np.testing.assert_array_equal(upright, np.rot90(pixels, k=-1))


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]

    pixels = decode_image(encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:]))

    np.testing.assert_array_equal(pixels[0, 0], [255, 0, 0])


def bomb(side):
    """A PNG that says it is side x side pixels and holds none of them."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: 0 bytes"),
        (b"not a picture", "not a picture in a format that can be read"),
        (
            encoded(Image.fromarray(noise(99, 99)))[:9000],
            "truncated: the picture ends before its last row",
        ),
        (
            encoded(Image.fromarray(noise(99, 99)), format="JPEG")[:2000],
            "truncated: the picture ends before its last row",
        ),
        (
            b'<?xml version="1.0"?>\n<svg width="9" height="9"/>',
            "an SVG drawing, which has no pixels of its own; export it as PNG",
        ),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "not a picture in a format that can be read",
        ),
        (
            encoded(Image.fromarray(np.ones((2, 2), np.float32)), format="TIFF"),
            "its pixels are fractions, whose white is not agreed upon; save as 8 bits",
        ),
        (
            encoded(Image.fromarray(np.full((2, 2), 70_000, np.int32)), format="TIFF"),
            "its pixels have 32 bits, whose white is not agreed upon; save as 8 bits",
        ),
        (bomb(7_000), f"7000 x 7000 pixels, more than {MAX_PIXELS:,}; make it smaller"),
        (bomb(10_000), f"10000 x 10000 pixels, more than {MAX_PIXELS:,}; make it smaller"),
        (bomb(20_000), f"more than {MAX_PIXELS:,} pixels; make it smaller"),
        (bomb(2_000), "truncated: the picture ends before its last row"),
    ],
)
def test_a_picture_that_cannot_be_decoded_says_why(data, reason):
    with pytest.raises(MediaError) as caught:
        decode_image(data)

    assert str(caught.value) == reason


def test_any_damage_to_a_picture_is_a_media_error_or_a_picture():
    """Flip bytes anywhere: never another exception, and never the wrong shape."""
    rng = np.random.default_rng(0)
    refused = 0
    for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        whole = np.frombuffer(encoded(Image.fromarray(noise(16, 16)), format=format), np.uint8)
        for _ in range(60):
            data = whole.copy()
            data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
            try:
                assert decode_image(data.tobytes()).shape[2] == 3
            except MediaError:
                refused += 1
    assert refused > 60


def test_a_path_that_is_no_file_is_refused(tmp_path):
    for decode in (decode_image, decode_audio, decode_text):
        with pytest.raises(MediaError, match=r"^no such file$"):
            decode(tmp_path / "missing")
        with pytest.raises(MediaError, match=r"^not a regular file$"):
            decode(tmp_path)


@pytest.mark.parametrize(("level", "value"), [(0, -1.0), (255, 1.0), (51, -0.6)])
def test_levels_become_numbers_from_minus_one_to_one(level, value):
    tensor = image_tensor(np.full((10, 20, 3), level, np.uint8), size=8)

    torch.testing.assert_close(tensor, torch.full((3, 8, 8), value))


def test_the_centre_is_kept_and_channels_come_first():
    """Three squares side by side: only the middle one is seen, whatever the others hold."""
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = noise(8, 8)

    tensor = image_tensor(pixels, size=8)

    expected = torch.from_numpy(pixels[:, 8:16]).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(tensor, expected)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (60, 90), (96, 64), (20, 40), (256, 128)])
def test_resizing_agrees_with_torch(height, width):
    """Resize the shorter side to 32 (bicubic, antialiased), then cut out the centre.

    Sizes are such that the crop falls on whole pixels; levels such that nothing is cut off at 255.
    """
    pixels = 64 + noise(height, width) // 2
    long_sides = [32 * side // min(height, width) for side in (height, width)]
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None].float(),
        size=long_sides,
        mode="bicubic",
        antialias=True,
    )
    top, left = ((side - 32) // 2 for side in long_sides)

    levels = (image_tensor(pixels, size=32) + 1) * 127.5

    expected = resized[0, :, top : top + 32, left : left + 32]
    torch.testing.assert_close(levels, expected, rtol=0, atol=1.5)


def test_a_line_of_pixels_costs_no_memory():
    tensor = image_tensor(np.zeros((1, 3_000_000, 3), np.uint8), size=64)

    assert tensor.shape == (3, 64, 64)


def test_nothing_can_be_made_of_no_pixels():
    with pytest.raises(ValueError, match="cannot make 8 x 8 pixels of 0 x 5"):
        image_tensor(np.zeros((0, 5, 3), np.uint8), size=8)


# --- text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("  A blackbird.\n", "A blackbird."),
        ("ጥቁር ወፍ".encode(), "ጥቁር ወፍ"),
        (b"\xef\xbb\xbfbom", "bom"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("é" * MAX_CHARACTERS, "é" * MAX_CHARACTERS),
    ],
)
def test_text_is_decoded_and_trimmed(source, text, tmp_path):
    assert decode_text(source) == text

    (tmp_path / "a.txt").write_bytes(source.encode() if isinstance(source, str) else source)
    assert decode_text(tmp_path / "a.txt") == text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "empty: no character that is not white space"),
        (" \n\t", "empty: no character that is not white space"),
        (b"a bi\x00rd", "a NUL character at position 4: not a text"),
        (b"caf\xe9", "not UTF-8: byte 0xe9 at 3"),
        ("\ud800", "a lone surrogate, which is no character: the text was decoded wrongly"),
        ("x" * (MAX_CHARACTERS + 1), "longer than 100,000 characters; cut it into pieces"),
        (b"x" * (5 * MAX_CHARACTERS), "longer than 100,000 characters; cut it into pieces"),
    ],
)
def test_a_text_that_cannot_be_decoded_says_why(source, reason):
    with pytest.raises(MediaError) as caught:
        decode_text(source)

    assert str(caught.value) == reason
