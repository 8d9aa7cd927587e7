"""The QOBLIB benchmark checks plans by arithmetic of its own and counts what really sampled."""

from __future__ import annotations

import pytest

from benchmarks import qoblib
from benchmarks.data import data_folder

TEXT = """NAME : T-n4-k2
TYPE : CVRP
DIMENSION : 5
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
4 -3 4
5 -6 8
DEMAND_SECTION
1 0
2 5
3 5
4 5
5 5
DEPOT_SECTION
 1
 -1
EOF
"""


@pytest.fixture
def instance(tmp_path):
    path = tmp_path / "T-n4-k2.vrp"
    path.write_text(TEXT)
    return qoblib.Instance.read(path, 40)


def test_an_instance_is_read_with_its_fleet_and_priced_in_rounded_distances(instance):
    assert instance.vehicles == 2
    assert instance.cost([[1, 2], [3, 4]]) == 40


@pytest.mark.parametrize("routes", [[[1, 2], [3]], [[1, 2, 3], [4]], [[1], [2], [3, 4]], [[1, 2], [3, 4, 4]]])
def test_what_is_no_plan_is_refused(instance, routes):
    with pytest.raises(ValueError, match="T-n4-k2"):
        instance.cost(routes)


def contribution(backend, samples=10, control=10, outcome="OK"):
    lift = {"samples": samples, "control_samples": control}
    return {"backend": backend, "outcome": outcome, "lift": lift if outcome == "OK" else None}


def test_only_a_quantum_backend_with_both_arms_counts():
    assert qoblib.has_control({"contributions": [contribution("statevector")]})
    assert not qoblib.has_control({"contributions": [contribution("local-annealer")]})
    assert not qoblib.has_control({"contributions": [contribution("statevector", control=0)]})
    assert not qoblib.has_control({"contributions": [contribution("statevector", outcome="FAILED")]})


def test_all_public_instances_are_read_with_the_costs_of_their_published_plans():
    try:
        found = qoblib.instances()
    except FileNotFoundError as error:
        pytest.skip(f"no benchmark data: {error}")
    assert len(found) == 55
    for instance in found:
        solution = next(
            (data_folder(qoblib.FOLDER) / qoblib.FOLDER / "solutions").glob(f"{instance.name}.*.sol")
        ).read_text()
        routes = [[int(n) for n in line.split(":")[1].split()] for line in solution.splitlines() if ":" in line]
        assert instance.vehicles == 4
        assert instance.cost(routes) == instance.optimum
