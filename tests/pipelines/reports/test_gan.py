import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from gan.health import Record, Samples
from pipelines.reports.figures import WRONG, save_png
from pipelines.reports.gan import (
    BAND,
    GAP,
    animated_gif,
    animation_frames,
    image_grid,
    samples_figure,
    training_figure,
)


def records(count, **values):
    random = np.random.default_rng(0)
    made = [Record(10 * place, *random.uniform(0.5, 1, 6)) for place in range(count)]
    return [replace(record, **values) if place >= count // 2 else record for place, record in enumerate(made)]


def reports(count):
    return [Samples(200 * place, (5, 5), 0.4, 0.5, 0.0 if place < count // 2 else 0.9) for place in range(count)]


def marks(figure):
    """Steps marked in each panel, and the names that stand beside them."""
    found = {}
    for axes in figure.axes:
        lines = [line for line in axes.lines if to_hex(line.get_color()) == WRONG]
        found[axes.get_title(loc="left")] = (
            sorted(int(line.get_xdata()[0]) for line in lines),
            [text.get_text() for text in axes.texts],
        )
    return found


def test_a_sound_training_has_curves_and_no_marks(tmp_path):
    figure = training_figure(records(40), reports(4), "ours")
    assert [text.get_text() for text in figure.texts] == ["ours", "no failure found"]
    assert marks(figure) == {
        name: ([], []) for name in ("Losses", "Gradient norms", "Discriminator's accuracy", "Samples")
    }
    labels = [axes.get_legend_handles_labels()[1] for axes in figure.axes]
    assert labels[0] == labels[1] == ["generator", "discriminator"]
    assert labels[2:] == [["real", "generated"], ["recall", "coverage", "duplicates"]]
    assert save_png(figure, tmp_path / "training.png", dpi=50).stat().st_size > 1000


def test_a_training_too_short_to_tell_says_so():
    figure = training_figure(records(4), reports(2))
    said = "not enough reports to tell: vanishing gradient, discriminator wins, mode collapse"
    assert figure.texts[1].get_text() == said
    failed = training_figure(records(4, generator_loss=np.nan), reports(4))
    assert failed.texts[1].get_text() == (
        "diverged at step 20; not enough reports to tell: vanishing gradient, discriminator wins"
    )


def test_failures_are_marked_in_all_panels_and_named_in_their_own():
    failed = records(40, generator_gradient=1e-6, real_accuracy=1.0, fake_accuracy=1.0)
    failed[-1] = replace(failed[-1], discriminator_loss=np.nan)
    figure = training_figure(failed, reports(20))
    steps = {"vanishing gradient": 220, "discriminator wins": 220, "diverged": 390, "mode collapse": 2400}
    assert marks(figure) == {
        "Losses": (sorted(steps.values()), ["diverged"]),
        "Gradient norms": (sorted(steps.values()), ["vanishing gradient"]),
        "Discriminator's accuracy": (sorted(steps.values()), ["discriminator wins"]),
        "Samples": (sorted(steps.values()), ["mode collapse"]),
    }
    assert figure.texts[1].get_text() == "; ".join(f"{name} at step {step:,}" for name, step in steps.items())


def test_a_blow_up_does_not_flatten_the_losses_before_it():
    exploded = records(40)
    exploded[30:] = [replace(record, generator_loss=1e6) for record in exploded[30:]]
    low, high = training_figure(exploded).axes[0].get_ylim()
    assert 0 <= low < 0.5 < 1 < high < 2


@pytest.mark.parametrize("values", [{}, {"real_accuracy": np.nan, "fake_accuracy": np.nan}, {"generator_loss": np.inf}])
@pytest.mark.parametrize("count", [0, 1, 3, 60])
def test_trainings_of_any_length_are_drawn_without_a_warning(values, count, tmp_path):
    made = [replace(record, **values) for record in records(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_png(training_figure(made), tmp_path / "training.png", dpi=40)


def images(count, size=8):
    return np.random.default_rng(0).integers(0, 200, (count, size, size, 3), dtype=np.uint8)


def test_grids_hold_images_in_rows_on_white():
    made = images(7)
    grid = image_grid(made, 3)
    assert grid.shape == (3 * 8 + 2 * GAP, 3 * 8 + 2 * GAP, 3)
    for place, image in enumerate(made):
        top, left = (place // 3) * (8 + GAP), (place % 3) * (8 + GAP)
        np.testing.assert_array_equal(grid[top : top + 8, left : left + 8], image)
    assert (grid[-8:, -16:] == 255).all()


def test_sample_sheets_name_their_rows(tmp_path):
    figure = samples_figure(images(12), ["Stop", "Yield"], "asked for", columns=6)
    assert [text.get_text() for text in figure.texts] == ["Stop", "Yield", "asked for"]
    stop, yielded, _ = (text.get_position()[1] for text in figure.texts)
    assert stop > yielded
    assert save_png(figure, tmp_path / "samples.png", dpi=50).stat().st_size > 1000
    assert [text.get_text() for text in samples_figure(images(12), title="one").texts] == ["one"]


def test_frames_show_the_samples_under_their_step():
    made = [images(4), images(4) // 2]
    frames = animation_frames(made, [0, 1500], columns=2, scale=3)
    assert {frame.shape for frame in frames} == {(BAND + 3 * (16 + GAP), 3 * (16 + GAP), 3)}
    for frame, samples in zip(frames, made, strict=True):
        np.testing.assert_array_equal(frame[BAND:][::3, ::3], image_grid(samples, 2))
        assert (frame[:BAND] != 255).any()
    assert not np.array_equal(frames[0][:BAND], frames[1][:BAND])


def test_animations_repeat_and_stay_on_the_last_frame():
    frames = animation_frames([images(4), images(4) // 2, images(4) // 3], [0, 10, 20], columns=2)
    with Image.open(io.BytesIO(animated_gif(frames, seconds=3))) as animation:
        durations = []
        for place in range(animation.n_frames):
            animation.seek(place)
            durations.append(animation.info["duration"])
            shown = np.asarray(animation.convert("RGB"), int)
            assert np.abs(shown - frames[place]).mean() < 6
        assert animation.info["loop"] == 0
    assert durations == [1000, 1000, 3000]
