"""Run one small grid on a Ray of a stated size, in a process of its own (called by test_grid_on_ray.py)."""

import sys
from pathlib import Path


def main(folder: Path, data: Path, model: Path, cpus: int, gpus: int, workers: int) -> None:
    import ray

    from noise.levels import by_name, read_grid
    from pipelines import grid
    from pipelines.classifier import open_classifier
    from pipelines.cluster import share_out
    from pipelines.signs import open_signs

    environment = {"env_vars": {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}}
    ray.init(num_cpus=cpus, num_gpus=gpus, include_dashboard=False, runtime_env=environment, logging_level="ERROR")
    signs = open_signs(data)
    classifier = open_classifier(str(model), signs.read("test"), signs.class_names)
    levels = read_grid("gaussian:0:0.5:4,black_rows:0:1:3,low_light__rain:0:1:3,elastic:0:0.1:3")
    units = grid.plan(classifier, signs, levels, seed=0)
    pool = share_out(workers, 1, 1.0 if gpus else 0.0)
    grid.run(units, classifier, pool, folder=folder / "units", batch_size=16)
    grid.compact(units, folder / "units", folder / "predictions", by_name(levels))


if __name__ == "__main__":
    output, prepared, classifier_file, *sizes = sys.argv[1:]
    main(Path(output), Path(prepared), Path(classifier_file), *map(int, sizes))
