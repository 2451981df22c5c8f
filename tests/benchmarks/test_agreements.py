"""The tables of the agreement with peers fit the catalogue: a renamed noise or a new mark does not slip out of them."""

import noise
from benchmarks.agreements import BY_RANK, NOT_COMPARED, PEERS, SEVERITIES
from benchmarks.image_statistics import DISTANCE, INNER, STATISTICS

CHECKS = [check for table in (SEVERITIES, PEERS) for checks in table.values() for check in checks]


def test_every_noise_and_statistic_is_known():
    assert {name for name, _ in PEERS} <= set(noise.catalogue())
    assert {check.statistic for check in CHECKS} <= {*STATISTICS, DISTANCE, INNER}
    assert all(check.tolerance > 0 for check in CHECKS)


def test_every_corruption_with_marks_is_compared_or_named():
    marked = {kind.corruption for kind in noise.catalogue().values() if kind.severities}
    assert marked - {"elastic_transform"} == set(SEVERITIES)
    assert "elastic_transform's severities" in NOT_COMPARED
    assert set(SEVERITIES) >= BY_RANK


def test_no_noise_is_excused_from_all_that_it_is_compared_by():
    compared = {name for name, _ in PEERS}
    counted = {name for (name, _), checks in PEERS.items() if not all(check.by_design for check in checks)}
    counted |= {name for name, kind in noise.catalogue().items() if kind.severities and kind.corruption in SEVERITIES}
    assert compared <= counted
