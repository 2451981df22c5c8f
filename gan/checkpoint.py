"""The state of a training in one file, from which it continues as if it had never stopped."""

import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, list[NDArray[Any]]]


def save_checkpoint(path: Path, settings: dict[str, Any], state: dict[str, Any], arrays: Arrays) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: The file.
        settings: All that the training depends on, as JSON has it.
        state: Numbers and texts, as JSON has them.
        arrays: Lists of arrays by name.
    """
    named: dict[str, Any] = {
        f"{name}/{place}": value for name, values in arrays.items() for place, value in enumerate(values)
    }
    about = json.dumps({"settings": settings, "state": state, "counts": {name: len(arrays[name]) for name in arrays}})
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{uuid4().hex}.part.{path.name}")
    with beside.open("wb") as file:
        np.savez(file, about=np.array(about), **named)
    beside.replace(path)


def load_checkpoint(path: Path, settings: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
    """State and arrays of a checkpoint that was made with these settings.

    Raises:
        ValueError: The file is damaged, or it was made with other settings.
    """
    remedy = "remove it, or begin anew without --resume"
    try:
        with np.load(path) as saved:
            about = json.loads(str(saved["about"]))
            counts: dict[str, int] = about["counts"]
            arrays = {name: [saved[f"{name}/{place}"] for place in range(count)] for name, count in counts.items()}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a checkpoint, or a damaged one ({error}); {remedy}") from None
    if differing := _differences(about["settings"], json.loads(json.dumps(settings))):
        raise ValueError(f"{path}: the checkpoint of a training with {differing}; give the same options, or {remedy}")
    return about["state"], arrays


def _differences(saved: dict[str, Any], asked: dict[str, Any]) -> str:
    """What differs, in words; empty if nothing does."""
    keys = [key for key in {**saved, **asked} if saved.get(key) != asked.get(key)]
    return ", ".join(f"{key} {saved.get(key)}, not {asked.get(key)}" for key in keys)
