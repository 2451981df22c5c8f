"""No option is dropped in silence beside another: it is refused in one line, or what overrules it is said."""

import logging

import pytest

from pipelines.gan import SMOKE as SMOKE_GAN
from pipelines.gan import GanSettings, gan
from pipelines.main import main
from pipelines.noise_grid import NoiseGridSettings, noise_grid, read_levels
from pipelines.train import SMOKE, TrainSettings, train
from pipelines.tune import TuneSettings, tune

REFUSED = [
    (tune, "--algorithm pbt --scheduler asha", "--scheduler asha: --algorithm pbt stops no trial"),
    (tune, "--scheduler none --grace 3", "--grace 3: no trial of this search is stopped early; add --scheduler asha"),
    (tune, "--algorithm grid --grace 3", "--grace 3: no trial of this search is stopped early; add --scheduler asha"),
    (tune, "--objective threshold --grace 2", "--grace 2: no trial of this search is stopped early"),
    (tune, "--grace 9 --epochs 4", "--grace 9: no trial has more than --epochs 4; give less"),
    (tune, "--family cnn --scores-every 200", "--scores-every 200: only --family dcgan has it"),
    (noise_grid, "--noise gaussian:0:0.5:3 --preset standard", "--preset standard: --noise gaussian:0:0.5:3 gives the"),
    (noise_grid, "--json", "--json true: it is the form in which --list prints; give --list beside it"),
    (main, "--noise gaussian:0:0.5:3 --preset weather", "--preset weather: --noise gaussian:0:0.5:3 gives the grid"),
    (train, "--champion --register-model false", "--champion true: --register-model false registers nothing"),
    (train, "--verbose --quiet", "--quiet true: --verbose asks for the opposite"),
    (gan, "-v -q", "--quiet true: --verbose asks for the opposite"),
]


@pytest.mark.parametrize(("entry", "options", "line"), REFUSED)
def test_what_would_have_no_effect_is_refused(entry, options, line, tracked, capsys):
    with pytest.raises(SystemExit) as ended:
        entry.command([*options.split(), "--output", str(tracked / "out")])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"error: {line}" in said
    assert said.count("\n") == 1
    assert not (tracked / "out").exists()


@pytest.mark.parametrize("option", ["patience", "holdout"])
def test_nothing_chooses_an_epoch_where_all_tracks_are_learned(option):
    given = {option: {"patience": 3, "holdout": "frames"}[option]}
    for more in ({"network": "best"}, {"all_tracks": True}):
        with pytest.raises(ValueError, match=f"--{option} {given[option]}: with --all-tracks true"):
            TrainSettings(**given, **more).recipe()
    assert TrainSettings(**given, network="best", all_tracks=False).recipe().all_tracks is False


@pytest.mark.parametrize(
    ("settings", "changes", "said"),
    [
        (TrainSettings(epochs=50, limit=7), SMOKE, ["--limit 7 has no effect: --smoke-test makes it 1290",
                                                    "--epochs 50 has no effect: --smoke-test makes it 4"]),
        (TrainSettings(champion=True), SMOKE, ["--champion True has no effect: --smoke-test makes it None"]),
        (TrainSettings(epochs=4, limit=None), SMOKE, []),
        (GanSettings(steps=900, samples=48), SMOKE_GAN, ["--steps 900 has no effect: --smoke-test makes it 20"]),
        (NoiseGridSettings(preset="all"), {"preset": "quick"},
         ["--preset all has no effect: --smoke-test makes it quick"]),
    ],
)  # fmt: skip
def test_what_a_smoke_test_overrules_is_said(settings, changes, said, caplog):
    changed = settings.replaced("--smoke-test", changes)
    assert [record.message for record in caplog.records] == said
    assert all(getattr(changed, name) == value for name, value in changes.items())


def test_a_smoke_test_of_a_search_says_what_it_overrules(caplog):
    tiny = TuneSettings(trials=40, epochs=9, smoke_test=True).as_smoke_test()
    assert (tiny.trials, tiny.epochs) == (3, 2)
    assert [record.message for record in caplog.records] == [
        "--epochs 9 has no effect: --smoke-test makes it 2",
        "--trials 40 has no effect: --smoke-test makes it 3",
    ]


def test_the_presets_of_nobody_stay_what_they_were(caplog):
    with caplog.at_level(logging.WARNING):
        names = {part.kind.name for part in read_levels(NoiseGridSettings())}
    assert len(names) == 20
    assert {part.kind.name for part in read_levels(NoiseGridSettings(smoke_test=True))} < names
    assert not caplog.records
