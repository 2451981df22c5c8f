import pytest

from pipelines import cluster
from pipelines.errors import InputError


@pytest.fixture
def resources(monkeypatch):
    """Say what a cluster holds, without one."""
    import ray

    def hold(*machines):
        nodes = [{"Alive": True, "Resources": machine} for machine in machines]
        gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
        monkeypatch.setattr(ray, "nodes", lambda: [*nodes, gone])

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
    resources({"CPU": cpus, "GPU": gpus})
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
    resources({"CPU": cpus, "GPU": gpus})
    workers = cluster.share_out_trials(*asked)
    assert (workers.count, workers.cpus, workers.gpus) == expected


@pytest.mark.parametrize("share_out", [cluster.share_out, cluster.share_out_trials])
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((3, 1, 0), "--workers 3: the cluster has room for 2"),
        ((None, 4, 0), "--cpus-per-worker 4: no machine has more than 2 CPUs"),
        ((None, 1, 1), "--gpus-per-worker 1: no machine has more than 0 GPUs"),
        ((None, 1, 1.5), "--gpus-per-worker 1.5: give a share of one GPU, or a whole number"),
    ],
)
def test_asking_for_more_than_there_is_is_an_error_and_no_hang(resources, share_out, asked, message):
    resources({"CPU": 2.0})
    with pytest.raises(InputError, match=message):
        share_out(*asked)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ((None, 1, 0), 10),
        ((None, 2, 0), 3),
        ((None, 3, 0), 3),
        ((None, 1, 0.3), 6),
        ((None, 1, 0.6), 3),
        ((None, 1, 2), 1),
    ],
)
def test_a_trial_lies_on_one_machine(resources, asked, count):
    resources({"CPU": 3.0}, {"CPU": 3.0, "GPU": 2.0}, {"CPU": 1.0}, {"CPU": 3.0, "GPU": 1.0})
    assert cluster.share_out_trials(*asked).count == count


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((None, 4, 0), "--cpus-per-worker 4: no machine has more than 3 CPUs"),
        ((None, 1, 3), "--gpus-per-worker 3: no machine has more than 2 GPUs"),
        ((None, 3, 1), "--gpus-per-worker 1: no machine with so many has 3 CPUs"),
    ],
)
def test_what_no_machine_has_alone_is_an_error_and_no_hang(resources, asked, message):
    resources({"CPU": 3.0}, {"CPU": 2.0, "GPU": 2.0})
    with pytest.raises(InputError, match=message):
        cluster.share_out_trials(*asked)


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
