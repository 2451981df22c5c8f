import io
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.sources.images import cut, decode, load_files, resize
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


def test_alpha_and_palettes_are_converted():
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 128, np.uint8)])
    np.testing.assert_array_equal(decode(saved(Image.fromarray(opaque), "PNG")), PIXELS)
    two = Image.fromarray(np.where(PIXELS > 127, 255, 0).astype(np.uint8)).quantize(8)
    np.testing.assert_array_equal(decode(saved(two, "PNG")), np.asarray(two.convert("RGB")))


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
