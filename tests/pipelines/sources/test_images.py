import io
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.sources.images import cut, load_files, resize
from pipelines.sources.pixels import BACKGROUND, decode, read_pixels
from pipelines.sources.plan import SignFile

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def saved(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["PPM", "PNG", "BMP", "TIFF"])
def test_lossless_files_come_back_exactly(kind):
    np.testing.assert_array_equal(decode(saved(Image.fromarray(PIXELS), kind)), PIXELS)


def test_jpeg_comes_back_nearly():
    smooth = cv2.resize(PIXELS[:2, :2], (16, 16), interpolation=cv2.INTER_LINEAR)
    decoded = decode(saved(Image.fromarray(smooth), "JPEG", quality=95, subsampling=0))
    assert np.abs(decoded.astype(int) - smooth).mean() < 4


def test_grey_images_get_three_equal_channels():
    decoded = decode(saved(Image.fromarray(PIXELS[..., 0]), "PNG"))
    np.testing.assert_array_equal(decoded, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_sixteen_bit_images_keep_their_high_byte():
    deep = PIXELS[..., 0].astype(np.uint16) * 256 + 77
    decoded = decode(saved(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(decoded, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_sixteen_bit_colour_ppm_is_scaled_to_eight():
    deep = (PIXELS.astype(">u2") * 257).tobytes()
    np.testing.assert_array_equal(decode(b"P6 10 12 65535\n" + deep), PIXELS)


def hidden(mode):
    """One opaque pixel and one fully transparent one that hides a bright colour."""
    if mode in ("P", "L", "RGB", "I;16"):
        values = {"RGB": [[[9, 20, 30], [250, 10, 10]]], "I;16": [[9 * 256, 250 * 256]]}.get(mode, [[9, 250]])
        image = Image.fromarray(np.array(values, np.uint16 if mode == "I;16" else np.uint8))
        if mode == "P":
            image = image.convert("P")
        key = {"RGB": (250, 10, 10), "I;16": 250 * 256}.get(mode, 250)
        return saved(image, "PNG", transparency=key)
    values = [[[9, 255], [250, 0]]] if mode == "LA" else [[[9, 9, 9, 255], [250, 250, 250, 0]]]
    return saved(Image.fromarray(np.array(values, np.uint8), mode), "PNG")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "I;16"])
def test_colours_under_full_transparency_do_not_come_through(mode):
    opaque, through = decode(hidden(mode))[0]
    assert tuple(through) == BACKGROUND
    assert tuple(opaque) == ((9, 20, 30) if mode == "RGB" else (9, 9, 9))


def test_half_transparent_colours_are_mixed_with_the_background():
    half = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 128, np.uint8)])
    mixed = (PIXELS.astype(float) * 128 + np.array(BACKGROUND) * 127) / 255
    assert np.abs(decode(saved(Image.fromarray(half), "PNG")) - mixed).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_bits_that_are_used_fill_the_scale(kind, bits):
    grey = PIXELS[..., 0].copy()
    grey[0, 0] = 255
    deep = grey.astype(np.uint16) << (bits - 8)
    image, white = read_pixels(saved(Image.fromarray(deep), kind), {})
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))
    assert white == {"16-bit": 2**bits - 1}


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "ppm"])
def test_so_they_do_in_colour_where_pillow_keeps_the_high_byte(kind, bits):
    colours = PIXELS.copy()
    colours[0, 0] = 255
    deep = cv2.imencode(f".{kind}", colours[..., ::-1].astype(np.uint16) << (bits - 8))[1].tobytes()
    np.testing.assert_array_equal(decode(deep), colours)


def test_deep_colour_under_transparency_does_not_come_through():
    deep = np.array([[[9, 20, 30, 255], [250, 250, 10, 0]]], np.uint16) * 257
    image = decode(cv2.imencode(".png", deep)[1].tobytes())
    assert image.tolist() == [[[30, 20, 9], list(BACKGROUND)]]


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_int32_files_fill_the_scale(top):
    values = np.array([[0, top // 2, top]], np.int32)
    assert decode(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_files_fill_the_scale(top):
    values = np.array([[0, 0.2 * top, top]], np.float32)
    assert decode(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 51, 255]


@pytest.mark.parametrize(
    "values",
    [np.array([[-1, 5]], np.int32), np.array([[0, 70_000]], np.int32)]
    + [np.array([[0, value]], np.float32) for value in (-0.5, 1.5, 300.0, np.nan, np.inf)],
    ids=str,
)
def test_values_of_an_unclear_scale_are_refused(values):
    with pytest.raises(ValueError, match=r"values from .* save it as 8-bit PNG"):
        decode(saved(Image.fromarray(values), "TIFF"))


def test_a_dark_file_is_read_by_the_white_of_its_data_set():
    dark = saved(Image.fromarray(np.full((2, 2), 160, np.uint16)), "PNG")
    assert decode(dark).max() == 160
    assert read_pixels(dark, {"16-bit": 4095, "float": 255})[0].max() == 10
    assert read_pixels(saved(Image.fromarray(np.full((2, 2), 1, np.float32)), "TIFF"), {"float": 255})[0].max() == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(kind, orientation):
    quarters = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 8), np.uint8))
    upright = np.repeat(quarters[..., None], 3, axis=2)
    undo = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}
    turned = upright.transpose(1, 0, 2)
    undo |= {5: turned, 6: turned[::-1], 7: turned[::-1, ::-1], 8: turned[:, ::-1]}
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(undo[orientation])), kind, exif=exif, quality=95)
    assert np.abs(decode(content).astype(int) - upright).max() < 24


def test_print_colours_bits_and_palettes_are_converted():
    flat = np.full((4, 4, 4), [0, 255, 255, 0], np.uint8)
    red = Image.fromarray(flat, "CMYK")
    for kind in ("JPEG", "TIFF"):
        assert np.abs(decode(saved(red, kind)).astype(int) - [255, 0, 0]).max() < 4
    bits = Image.fromarray(PIXELS[..., 0] > 127)
    np.testing.assert_array_equal(decode(saved(bits, "PNG"))[..., 0], (PIXELS[..., 0] > 127) * 255)
    two = Image.fromarray(np.where(PIXELS > 127, 255, 0).astype(np.uint8)).quantize(8)
    np.testing.assert_array_equal(decode(saved(two, "PNG")), np.asarray(two.convert("RGB")))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_files_of_several_images_are_refused(kind):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    with pytest.raises(ValueError, match="2 frames: a sign is one image"):
        decode(saved(frames[0], kind, save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"this is no image", "not an image"),
        (saved(Image.fromarray(PIXELS), "PPM")[:-20], "truncated"),
        (saved(Image.fromarray(PIXELS), "PNG")[:-40], ""),
        (saved(Image.fromarray(PIXELS), "JPEG")[:-60], "truncated"),
    ],
    ids=["empty", "text", "cut PPM", "cut PNG", "cut JPEG"],
)
def test_damaged_files_give_an_error_that_names_them(tmp_path, content, reason):
    path = tmp_path / "sign.png"
    path.write_bytes(content)
    (loaded,) = load_files([asdict(SignFile("a", "train", 0, "", "", str(path)))], size=8, crop=False)
    assert loaded.image is None
    assert loaded.error.startswith(f"{path}: ")
    assert reason in loaded.error


def test_an_image_of_the_wanted_size_is_untouched():
    assert resize(PIXELS[:10], 10) is not None
    np.testing.assert_array_equal(resize(PIXELS[:10], 10), PIXELS[:10])


def test_shrinking_is_the_mean_of_each_area():
    blocks = PIXELS[:10].reshape(5, 2, 5, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize(PIXELS[:10], 5) - blocks).max() <= 0.5


@pytest.mark.parametrize("shape", [(4, 40), (40, 4), (3, 3), (1, 1)])
def test_any_shape_becomes_square_and_a_flat_image_stays_flat(shape):
    resized = resize(np.full((*shape, 3), 93, np.uint8), 16)
    assert resized.shape == (16, 16, 3)
    assert (resized == 93).all()


def test_regions_are_inclusive_and_scaled_to_the_file():
    np.testing.assert_array_equal(cut(PIXELS, (2, 3, 7, 9), (10, 12)), PIXELS[3:10, 2:8])
    np.testing.assert_array_equal(cut(PIXELS, (4, 6, 15, 19), (20, 24)), PIXELS[3:10, 2:8])


def test_a_region_is_never_empty():
    assert cut(PIXELS, (55, 55, 55, 55), (120, 120)).size


@pytest.mark.parametrize("roi", [(-1, 0, 3, 3), (0, 0, 10, 3), (5, 0, 4, 3)])
def test_a_region_outside_is_refused(roi):
    with pytest.raises(ValueError, match="not inside 10 x 12"):
        cut(PIXELS, roi, (10, 12))
