"""What README.md says of GANs: how good they are, what enters them, how they fail, and what their scores see."""

import json
from collections.abc import Callable
from math import factorial
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).resolve().parents[1] / "results"


def gans() -> list[str]:
    """A paragraph an experiment, each from the files that its command wrote; none of what has not been measured."""
    paragraphs: dict[str, Callable[[dict[str, Any]], str]] = {
        "gan_quality": _quality,
        "gtsrb/gan_search/best": _search,
        "gan_inputs": _inputs,
        "gan_failures": _failures,
        "gan_noisy_data": _noisy_data,
        "score_disturbances": _disturbances,
        "gan_scores": _scores,
        "gan_throughput": _throughput,
    }
    files = {name: RESULTS / f"{name}.json" for name in paragraphs}
    return [
        paragraph(json.loads(files[name].read_text())) for name, paragraph in paragraphs.items() if files[name].exists()
    ]


def _quality(found: dict[str, Any]) -> str:
    (one, plain, _), (every, *_, real) = found["one_class"], found["all_classes"]
    covered = real[f"coverage_of_all_{found['extractor']}"]["mean"]
    other = plain["name"].removeprefix("by ")
    against = next(target for target in found["targets"] if f"kd over that of {other}" in target["what"])
    return (
        f"**Generated signs** ({_seeds(found)}). The GAN of one class ({found['class']}) takes {_time(one)}, and the "
        f"classifier calls {_mean(one['called'], '.1%')} of its samples by their class; its kernel distance is at "
        f"most {against['measured']:.0%} of that of {other} (one seed) after as many steps. The GAN of all classes "
        f"takes {_time(every)}; of its samples {_mean(every['called'], '.1%')} are called by the class "
        "that was asked for, and a network that has learned from samples alone names "
        f"{_mean(every['accuracy_score'], '.1%')} of the real test signs (classification accuracy score)."
        f"{_missed(found)} Real training signs in the samples' place cover {covered:.3f} of them. None of the samples "
        "below is chosen.\n\n"
        "![Generated signs of one class](results/gan_quality_one_class.png)\n\n"
        "![Generated signs of all classes, a row a class](results/gan_quality.png)\n\n"
        + _details("Scores, with floors", _table("gan_quality"), found)
    )


def _search(found: dict[str, Any]) -> str:
    trials = pd.read_csv(RESULTS / "gtsrb/gan_search/trials.csv")
    ended = trials[trials["status"] == "finished"]
    took = json.loads((RESULTS / "gtsrb/gan_search/gan_search.json").read_text())["seconds"] / 60
    chosen = ", ".join(f"{name}={_short(value)}" for name, value in found["parameters"].items())
    return (
        f"**Search of GANs.** The command under [Use it](#use-it) tried {len(trials)} GANs of stop signs in {took:.0f} "
        f"minutes and stopped {len(trials) - len(ended)} of them early. Chosen for the least kernel distance to "
        f"validation signs, {found['distance']:.3g}, was {chosen}; the median of the {len(ended)} that ended is "
        f"{ended['distance'].median():.3g}. The distance that chose the best of {len(trials)} flatters it (winner's "
        "curse): it is no estimate of how good that GAN is, and one search of one seed does not say that another finds "
        "it again ([how they learned](results/gtsrb/gan_search/learning_curves.png), "
        "[what seemed to matter](results/gtsrb/gan_search/importance.png))."
    )


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _inputs(found: dict[str, Any]) -> str:
    return (
        f"**What enters a generator, what it minimises, and how it is built** (at {found['steps']:,} steps each and "
        f"the rates of the recipe `dcgan`, {_seeds(found)}). Inputs that are images are made of real validation signs: "
        f"their distances say how well a sign is restored, not how well signs are invented."
        f"{_one_each(found, 'intervals are over samples, and another seed may bring another order')}\n\n"
        f"{_points(found['findings'])}\n"
        "![Samples by input, and what entered](results/gan_inputs.png)\n\n"
        "![Samples by loss, and the way from one latent to another](results/gan_losses.png)\n\n"
        "![Samples by generator, and the way from one latent to another](results/gan_generators.png)\n\n"
        + _details("Scores by input, by loss and by generator", _table("gan_inputs"), found)
    )


def _failures(found: dict[str, Any]) -> str:
    return (
        f"**How GANs fail**, on purpose, and with a cure ({_seeds(found)}; the rules are in `gan/health.py`)."
        f"{_one_each(found, 'how often a failure comes, or a cure works, is not measured')}\n\n"
        f"{_table('gan_failures')}\n\n"
        "![Each failure, and the same training with its cure](results/gan_failures.png)\n\n"
        f"Command: `{found['command']}`."
    )


def _noisy_data(found: dict[str, Any]) -> str:
    clean, *noisy = found["findings"]
    return (
        f"**GANs that learn noisy signs** ({_seeds(found)}; the levels are thresholds of this one classifier). "
        f"{clean}\n\n{_points(noisy)}\n"
        "![Training signs, and what GANs make of them](results/gan_noisy_data.png)\n\n"
        + _details("All numbers", _table("gan_noisy_data"), found)
    )


def _disturbances(found: dict[str, Any]) -> str:
    alike = ", ".join(f"{name} {tau:.2f}" for name, tau in found.get("kendall_tau_of_generators", {}).items())
    if alike:
        kinds = [row["disturbance"] for row in next(iter(found["rows"].values()))]
        generators = [kind.removeprefix("generator ").replace("_", " ") for kind in kinds if "generator" in kind]
        alike = (
            f" How alike they rank generators ({', '.join(generators)}) by Kendall's tau: {alike}. These are "
            f"{len(generators)} states of one training, too few for an interval: two orders drawn by chance are the "
            f"same in one of {factorial(len(generators))} cases."
        )
    return (
        f"**What a score sees** of real signs that are more and more spoilt, by {len(found['extractors'])} "
        f"extractors.{alike}{_missed(found)}\n\n"
        "![Every score under every disturbance](results/score_disturbances.png)\n\n"
        + _details("From which level on", _table("score_disturbances"), found)
    )


def _missed(found: dict[str, Any]) -> str:
    """How many of the targets hold, and what was measured of the others."""
    targets = found["targets"]
    missed = [target for target in targets if not target["met"]]
    said = "; ".join(f"{target['what']} ({target['measured']:.3g} for {_bar(target)})" for target in missed)
    return f" {len(targets) - len(missed)} of {len(targets)} targets are met" + (f"; missed: {said}." if said else ".")


def _bar(target: dict[str, Any]) -> str:
    return f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"


def _scores(found: dict[str, Any]) -> str:
    speeds = "; ".join(
        f"{target['what'].split(':')[0].replace('_', ' ')} {target['measured']:.1f}"
        for target in found["targets"]
        if "speed" in target["what"]
    )
    return (
        f"**Scores against their peers** (torchmetrics, and prdc for neighbours; {found['samples']:,} samples of "
        f"{found['dimension']:,} dimensions, {found['threads']} threads): the same numbers to 1e-9, but that with "
        f"spread, which is theirs of subsets and ours of all; at so many times the speed, median of {found['rounds']} "
        f"rounds: {speeds} ([each](results/gan_scores.json); `{found['command']}`).{_missed(found)}"
    )


def _throughput(found: dict[str, Any]) -> str:
    recipes = found["recipes"]
    outside = ", ".join(
        f"{each['outside']:.1%} of a step of `{name}` ({each['images_a_second']['ours']:.0f} images a second)"
        for name, each in recipes.items()
    )
    peer = "".join(
        f" The networks of TensorFlow's DCGAN tutorial learn from {each['median_of_turns']:.2f} times as many images a "
        f"second as in its own loop in the median of {len(each['turns'])} turns, which are {min(each['turns']):.2f} to "
        f"{max(each['turns']):.2f}, and from {each['ratio']:.2f} times as many over all the time."
        for each in recipes.values()
        if "ratio" in each
    )
    return f"**Speed of GAN training** (`{found['command']}`). Time outside the networks' own passes: {outside}.{peer}"


def _points(findings: list[str]) -> str:
    return "".join(f"- {finding}\n" for finding in findings)


def _table(name: str) -> str:
    return (RESULTS / f"{name}.md").read_text().strip()


def _details(title: str, content: str, found: dict[str, Any]) -> str:
    return (
        f"<details><summary>{title}</summary>\n\n{content}\n\nCommand: `{found['command']}` (networks that judge are "
        "given as files).\n\n</details>"
    )


def _one_each(found: dict[str, Any], so: str) -> str:
    """Of one training each: what does not follow from it."""
    return "" if found["seeds"] > 1 else f" One training each: {so}."


def _seeds(found: dict[str, Any]) -> str:
    return "one seed" if found["seeds"] == 1 else f"{found['seeds']} seeds, mean [95%]"


def _time(row: dict[str, Any]) -> str:
    cores = "1 core" if row["cores"] == 1 else f"{row['cores']} cores"
    return f"{_mean(row['minutes'], '.1f')} minutes on {cores}"


def _mean(value: dict[str, Any], form: str) -> str:
    ends = "" if value["low"] is None else f" [{value['low']:{form}}, {value['high']:{form}}]"
    return f"{value['mean']:{form}}{ends}"
