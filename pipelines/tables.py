"""Tables as files: each is written beside its final name first, so that none is ever half there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write tables under `folder` as CSV or Parquet, by the ending of their names; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        beside = folder / f".{name}.part"
        if name.endswith(".csv"):
            table.to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)
        os.replace(beside, folder / name)
    return [folder / name for name in tables]
