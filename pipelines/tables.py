"""Tables as files: each is written beside its final name first, so that none is ever half there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.output_folder import written_beside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write tables under `folder` as CSV or Parquet, by the ending of their names; returns their paths."""
    for name, table in tables.items():
        with written_beside(folder / name) as beside:
            if name.endswith(".csv"):
                table.to_csv(beside, index=False)
            else:
                table.to_parquet(beside, index=False)
    return [folder / name for name in tables]
