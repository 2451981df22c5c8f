"""What README.md says of experiments on training: the training set, fine-tuning, dropout, recipes, and searches."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.intervals import t_interval, wilson_interval
from pipelines.reports.effects import ENOUGH

RESULTS = Path(__file__).resolve().parents[1] / "results"
TUNED = {0.0: "its head alone", 0.5: "half of it", 1.0: "all of it"}
AS_GOOD = 0.01
"""Of macro-F1: networks as near to each other as this have learned as much."""
KINDS = {"unit": "single units", "gaussian": "units by a Gaussian factor", "spatial": "whole maps"}


def experiments() -> list[str]:
    """A paragraph an experiment, each from the files that its command wrote; none of what has not been measured."""
    needs = {
        _learning_curve: "gtsrb/learning_curve/trials.csv",
        _holdout: "gtsrb/holdout/tracks/scores.json",
        _fine_tuning: "gtsrb/fine_tuning/random/trials.csv",
        _dropout: "gtsrb/dropout/trials.csv",
        _recipes: "recipe_selection.json",
        _search: "gtsrb/search/champion/scores.json",
        _budget: "search_budget.json",
        _time: "epoch_speed.json",
    }
    return [paragraph() for paragraph, file in needs.items() if (RESULTS / file).exists()]


def _learning_curve() -> str:
    trials = _finished("learning_curve")
    rows = []
    for share, group in trials.groupby("param/tracks"):
        cells = [_over_seeds(group[name]) for name in ("f1_macro", "threshold")]
        rows.append(f"| {share:.0%} | {' | '.join(cells)} |")
    return (
        "**On part of the data.** The default network learned a share of the training *tracks* for equally many steps "
        f"({_size('learning_curve')}; {_seeds(trials)}). The threshold of these networks is where accuracy is halved, "
        "as a share of the noise's range, mean over the four noises of preset `quick` "
        "([figure](results/gtsrb/learning_curve/effects.png)).\n\n"
        "| training tracks | macro-F1 on validation tracks | noise threshold |\n| --- | --- | --- |\n" + "\n".join(rows)
    )


def _holdout() -> str:
    said = []
    for what in ("frames", "tracks"):
        scores = _read(f"gtsrb/holdout/{what}/scores.json")
        history = pd.read_csv(RESULTS / f"gtsrb/holdout/{what}/history.csv")
        best = float(history["val_accuracy"].iloc[int(scores["best_epoch"])])
        low, high = wilson_interval(scores["wrong"] / scores["test_images"], scores["test_images"])
        said.append((1 - best, f"{1 - scores['accuracy']:.2%} [{low:.2%}, {high:.2%}]", 1 - scores["accuracy"]))
    (frames, frames_test, frames_share), (tracks, tracks_test, _) = said
    return (
        f"**How a naive split flatters.** Held out by *frame*, validation promises {frames:.2%} errors, and the test "
        f"images give {frames_test}: {frames_share / frames:.0f} times as many. Held out by *track* it promises "
        f"{tracks:.2%}, and the test gives {tracks_test} (default network, {scores['epochs']} epochs: `train --holdout "
        "frames`). One training each: intervals are over the test images alone, and another training gives other "
        "ratios."
    )


def _fine_tuning() -> str:
    tables = {weights: _finished(f"fine_tuning/{weights}") for weights in ("imagenet", "random")}
    head = int(tables["imagenet"]["param/head_epochs"].iloc[0])
    rows = []
    for share, words in TUNED.items():
        cells = [f"{table.loc[table['param/trainable'] == share, 'f1_macro'].item():.3f}" for table in tables.values()]
        rows.append(f"| {words} | {' | '.join(cells)} |")
    return (
        "**What ImageNet is worth.** Macro-F1 of MobileNetV2 at 96 x 96 on the validation tracks after equally many "
        f"epochs ({_size('fine_tuning/imagenet')}, the first {head} of the head alone). One training each, without an "
        "interval: other seeds give other numbers, so only large differences say something.\n\n"
        "| fine-tuned | from ImageNet weights | from random weights |\n| --- | --- | --- |\n" + "\n".join(rows)
    )


def _dropout() -> str:
    trials = _finished("dropout")
    rates = sorted(trials["param/dropout"].unique())
    none, most = (trials[trials["param/dropout"] == rate] for rate in (rates[0], rates[-1]))
    none = none.drop_duplicates("param/seed")  # nothing dropped is the same network, of whatever kind the dropout is
    dropped = {KINDS[str(kind)]: group for kind, group in most.groupby("param/dropout_kind")}
    names = ("load/importance_gini", "load/importance_top5", "threshold", "f1_macro")
    rows = [
        f"| {what} | {' | '.join(_over_seeds(group[name]) for name in names)} |"
        for what, group in ({"nothing": none} | dropped).items()
    ]
    return (
        f"**Does dropout spread the load?** At rate {rates[-1]:g} and equally many steps ({_size('dropout')}; "
        f"{_seeds(trials)}). Importance of a unit is by how much the loss rises when it is set to zero; a lower Gini "
        f"coefficient is an evener load. {_answer(none, dropped)}\n\n"
        "| dropped | Gini coefficient of importance | load on the top 5% of units | noise threshold | macro-F1 |\n"
        "| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n\n"
        "![Load, accuracy and thresholds against the rate of dropout, by its kind](results/gtsrb/dropout/effects.png)"
    )


def _answer(none: pd.DataFrame, dropped: dict[str, pd.DataFrame]) -> str:
    """Which of these networks have learned as much as those without dropout: load is compared between these alone."""
    least = none["f1_macro"].mean() - AS_GOOD
    equal = [what for what, group in dropped.items() if group["f1_macro"].mean() >= least]
    if not equal:
        return (
            "**No answer:** none of the networks with dropout comes within "
            f"{AS_GOOD:g} of the macro-F1 without, so less load on few units may be less learning."
        )
    return f"Only where the macro-F1 is within {AS_GOOD:g} of that without can loads be compared: {', '.join(equal)}."


def _recipes() -> str:
    found = _read("recipe_selection.json")
    rows = [
        f"| {row['candidate']} | {row['precision']} | {row['seeds']} | "
        f"{_percent(row, '{:.2%}', 'accuracy', 'low', 'high')} | "
        f"{_percent(row, '{:+.2%}', 'gain', 'gain_low', 'gain_high')} |"
        for row in found["table"]
    ]
    first = found["candidates"][0]
    before = _read("recipe_selection_of_default.json")["candidates"]
    earlier = ", ".join(f"{row['candidate']} {row['accuracy']:.2%}" for row in before)
    return (
        "**What helps a recipe.** Each candidate is a change of what `best` was, learned "
        f"{found['share_of_tracks']:.0%} of the training tracks for {found['steps']} steps and was asked for "
        f"{first['tracks']} others. Intervals are of 95%, over seeds and tracks; a single training has none, and "
        "decides nothing (`python -m benchmarks.recipe_selection`).\n\n"
        "| candidate | precision | trainings | accuracy | gain |\n| --- | --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + f"\n\nEarlier, as changes of `default` without drawn signs, one training each: {earlier}."
    )


def _percent(row: dict[str, Any], form: str, value: str, low: str, high: str) -> str:
    """A share with its interval, as far as there are any."""
    if row.get(value) is None:
        return ""
    interval = f" [{form.format(row[low])}, {form.format(row[high])}]" if row[low] is not None else ""
    return form.format(row[value]) + interval


def _search() -> str:
    champion = _read("gtsrb/search/champion/scores.json")
    trials = pd.read_csv(RESULTS / "gtsrb/search/trials.csv")
    best = _read("gtsrb/search/best.json")["parameters"]
    low, high = wilson_interval(1 - champion["wrong"] / champion["test_images"], champion["test_images"])
    return (
        f"**Search.** The command under [Use it](#use-it) tried {len(trials)} trials in "
        f"{_read('gtsrb/search/search.json')['seconds'] / 60:.0f} minutes, its champion's training on all images "
        f"included, which names {champion['accuracy']:.2%} [{low:.2%}, {high:.2%}] of the test images (one search, one "
        "training; the interval is over images alone) with "
        f"{champion['parameters'] / 1e6:.2f} million parameters after {champion['epochs']} epochs "
        f"({best['architecture'].replace('_', '-')}, {best['activation']}, {best['contrast']} contrast; "
        "[what seemed to matter](results/gtsrb/search/importance.png), "
        "[how they learned](results/gtsrb/search/learning_curves.png))."
    )


def _budget() -> str:
    rows = []
    for path in sorted(RESULTS.glob("search_budget*.json")):
        found = _read(path.name)
        pairs = [(row["asha_f1_macro"], row["random_f1_macro"]) for row in found["repetitions"]]
        ours, theirs = (", ".join(f"{score:.3f}" for score in scores) for scores in zip(*pairs, strict=True))
        gain, low, high = t_interval([own - other for own, other in pairs])
        matched = sum(row["asha_epochs_to_match"] is not None for row in found["repetitions"])
        cells = [
            f"{found['trials']['random']} of {found['epochs_of_a_trial']} epochs, {theirs}",
            f"{found['trials']['asha']}, {ours}",
            f"{found['share_of_all_epochs']:.2f}",
            f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]",
            f"{matched} of {len(pairs)}",
            f"{found['share_of_epochs_to_match']:.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
    return (
        "**What a search saves.** Optuna with ASHA against random search whose trials all end, by the best validation "
        f"macro-F1 of each repetition, on {found['images']:,} images (`python -m benchmarks.search_budget --trials N "
        "--epochs N`). The best of many by validation flatters both; the gain is the mean of the repetitions' "
        "differences with Student's t interval, and few repetitions say little where it holds 0. The last column is "
        "the share of the random search's epochs after which its best was matched, all of our own where it never "
        "was: a mean of so few repetitions, without an interval.\n\n"
        "| random: trials, best | Optuna and ASHA: trials, best | their epochs, of random's | gain [95%] | matched | "
        "after |\n| --- | --- | --- | --- | --- | --- |\n" + "".join(rows)
    ).rstrip()


def _time() -> str:
    ratio = _read("epoch_speed.json")["targets"][0]["measured"]
    said = f"**Training time.** An epoch of the default network takes {ratio:.2f} of the time of a bare Keras loop"
    if (RESULTS / "tune_overhead.json").exists():
        overhead = _read("tune_overhead.json")["targets"][0]["measured"]
        said += f"; a search by Ray Tune takes {1 + overhead:.2f} of that of the same trainings one after the other"
    return f"{said} (`make bench`)."


def _finished(folder: str) -> pd.DataFrame:
    """The finished trials of a search."""
    table = pd.read_csv(RESULTS / "gtsrb" / folder / "trials.csv")
    return table[table["status"] == "finished"]


def _size(folder: str) -> str:
    """Epochs and images of a search, from the command that ran it."""
    [about] = (RESULTS / "gtsrb" / folder).glob("*.json")
    words = json.loads(about.read_text())["command"].split()
    given = {name: int(words[words.index(name) + 1]) for name in ("--epochs", "--limit")}
    return f"{given['--epochs']} epochs on {given['--limit']:,} images"


def _read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / path).read_text())
    return found


def _seeds(trials: pd.DataFrame) -> str:
    """How `_over_seeds` is to be read."""
    count = trials["param/seed"].nunique()
    return f"each of {count} seeds, too few for an interval" if count < ENOUGH else f"{count} seeds, mean [95%]"


def _over_seeds(values: "pd.Series[float]") -> str:
    if len(values) < ENOUGH:
        return ", ".join(f"{value:.3f}" for value in values)
    mean, low, high = t_interval(values)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"
