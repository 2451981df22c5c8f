import pytest

from pipelines import cluster
from pipelines.errors import InputError


@pytest.fixture
def resources(monkeypatch):
    """Say what a cluster holds, without one."""
    import ray

    def hold(**amounts):
        monkeypatch.setattr(ray, "cluster_resources", lambda: amounts)

    return hold


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "expected"),
    [
        (1, 0, (None, 1, 0), (1, 0.5, 0)),
        (2, 0, (None, 1, 0), (2, 0.75, 0)),
        (2, 0, (1, 2, 0), (1, 1, 0)),
        (8, 0, (None, 2, 0), (4, 1, 0)),
        (8, 2, (None, 1, 1), (2, 1, 1)),
        (8, 2, (None, 1, 0.5), (4, 1, 0.5)),
    ],
)
def test_actors_always_leave_a_share_of_the_cpus_to_tasks(resources, cpus, gpus, asked, expected):
    resources(CPU=cpus, GPU=gpus)
    workers = cluster.share_out(*asked)
    assert (workers.count, workers.cpus, workers.gpus) == expected
    assert workers.threads == asked[1]
    assert workers.count * workers.cpus <= cpus - cluster.TASK_CPUS


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "expected"),
    [
        (1, 0, (None, 1, 0), (1, 1, 0)),
        (2, 0, (None, 1, 0), (2, 1, 0)),
        (8, 0, (3, 2, 0), (3, 2, 0)),
        (8, 2, (None, 1, 0.5), (4, 1, 0.5)),
    ],
)
def test_trials_may_take_every_cpu(resources, cpus, gpus, asked, expected):
    resources(CPU=cpus, GPU=gpus)
    workers = cluster.share_out_trials(*asked)
    assert (workers.count, workers.cpus, workers.gpus) == expected


@pytest.mark.parametrize("share_out", [cluster.share_out, cluster.share_out_trials])
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((3, 1, 0), "--workers 3: the cluster has room for 2"),
        ((None, 4, 0), "--cpus-per-worker 4: the cluster has 2 CPUs"),
        ((None, 1, 1), "--gpus-per-worker 1: the cluster has 0 GPUs"),
    ],
)
def test_asking_for_more_than_there_is_is_an_error_and_no_hang(resources, share_out, asked, message):
    resources(CPU=2)
    with pytest.raises(InputError, match=message):
        share_out(*asked)


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    import ray

    def refuse(**_):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(InputError, match=r"RAY_ADDRESS 10\.0\.0\.1:6379: no Ray cluster answers"):
        cluster.connect()


def test_workers_never_see_the_run_and_get_the_code(monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    local = cluster._runtime_environment(shipped=False)
    assert str(cluster.ROOT) in local["env_vars"]["PYTHONPATH"]
    shipped = cluster._runtime_environment(shipped=True)
    assert [path.rsplit("/", 1)[1] for path in shipped["py_modules"]] == ["pipelines", "models", "noise", "gan"]
    assert "MLFLOW_RUN_ID" not in local["env_vars"] | shipped["env_vars"]
