"""Which registered classifier is the champion: the better by validation on the same data, never the last by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipelines.masking import masked

REGISTERED_MODEL = "signs"
CHAMPION = "champion"
DIGEST, DATA, SCORE, IMAGES = "data_digest", "data", "validation_f1_macro", "validation_images"
"""Tags of a registered version; the score is absent where the network has learned the validation tracks."""


@dataclass(frozen=True)
class Candidate:
    """A network that may become the champion.

    Attributes:
        data: Name of the data set that it learned.
        digest: sha256 of that.
        score: Macro-F1 on validation tracks that it has not learned; None where it has learned them.
        images: Of validation, which `--limit` cuts.
    """

    data: str
    digest: str
    score: float | None
    images: int

    @property
    def tags(self) -> dict[str, str]:
        """What the next candidate is compared by."""
        known = {DATA: masked(self.data), DIGEST: self.digest, IMAGES: str(self.images)}
        return known if self.score is None else known | {SCORE: repr(float(self.score))}


def decide(candidate: Candidate, before: dict[str, str] | None, asked: bool | None) -> tuple[bool, str]:
    """Whether a network becomes the champion, and why.

    Args:
        candidate: the network.
        before: tags of the champion that there is; None: there is none.
        asked: what `--champion` says; None: nothing.
    """
    if asked is not None:
        return asked, f"--champion {str(asked).lower()} says so"
    if before is None:
        return True, "there was none"
    told = "--champion true makes it the champion"
    if DIGEST not in before:
        return False, f"what data that one learned is not known; {told}"
    if before[DIGEST] != candidate.digest:
        return True, f"it learned other data, {candidate.data} ({candidate.digest[:8]}) and not {_named(before)}"
    known = candidate.score
    old = float(before.get(SCORE, "nan"))
    if known is None or math.isnan(old):
        which = "it has" if known is None else "that one has"
        return False, f"{which} learned the validation tracks, so that validation compares nothing; {told}"
    if before.get(IMAGES, str(candidate.images)) != str(candidate.images):
        return False, f"it was validated on {candidate.images} images and that one on {before[IMAGES]}; {told}"
    verb = "is above" if known > old else "is not above"
    return known > old, f"its macro-F1 on validation of the same data, {known:.4f}, {verb} {old:.4f}" + (
        "" if known > old else f"; {told}"
    )


def crown(version: str, candidate: Candidate, asked: bool | None) -> str:
    """Make a registered version the champion where it should be; returns what happened and why, in one line."""
    import mlflow

    client = mlflow.MlflowClient()
    for key, value in candidate.tags.items():
        client.set_model_version_tag(REGISTERED_MODEL, version, key, value)
    holder = _holder(client)
    moves, why = decide(candidate, None if holder is None else dict(holder.tags), asked)
    if moves:
        client.set_registered_model_alias(REGISTERED_MODEL, CHAMPION, version)
    before = f"version {holder.version}" if holder is not None else "none"
    if moves:
        return f"champion      version {version} of {REGISTERED_MODEL}, before it {before}: {why}"
    return f"champion      stays {before} of {REGISTERED_MODEL}, this is version {version}: {why}"


def _holder(client: Any) -> Any:
    """The version that is the champion, or None."""
    found = client.get_registered_model(REGISTERED_MODEL).aliases.get(CHAMPION)
    return None if found is None else client.get_model_version(REGISTERED_MODEL, found)


def _named(tags: dict[str, str]) -> str:
    return f"{tags.get(DATA, 'data')} ({tags[DIGEST][:8]})"
