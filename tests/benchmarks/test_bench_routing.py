"""What the routing benchmark makes of its rows."""

import pytest

from benchmarks.routing import find_instances, instance_row, summary_of, table
from benchmarks.routing_sets import SETS, VARIANTS


def _row(instance, engine, seed, gap):
    return {
        "instance": instance,
        "stops": 9,
        "best_known": 100.0,
        "load": 1.0,
        "engine": engine,
        "seed": seed,
        "gap": gap,
    }


def _result(rows, engines, **more):
    names = sorted({row["instance"] for row in rows})
    per_instance = [instance_row(name, engines, rows) for name in names]
    head = {"seconds": 1.0, "clock": "wall", "seeds": [1, 2, 3], "cores": 2, "rows": rows, "instances": per_instance}
    return {**head, "summary": summary_of(engines, per_instance), **more}


def test_gaps_are_medians_over_seeds_and_their_means_are_compared():
    rows = [_row("a", "annealing", s, g) for s, g in enumerate((0.01, 0.03, 0.02))]
    rows += [_row("a", "pyvrp", s, g) for s, g in enumerate((0.08, 0.01, 0.04))]
    result = _result(rows, ("annealing", "pyvrp"))
    assert result["summary"]["mean_gap"] == pytest.approx({"annealing": 0.02, "pyvrp": 0.04})
    assert "annealing / pyvrp: 0.50" in table(result)


def test_an_instance_with_an_infeasible_answer_is_not_averaged():
    rows = [_row("a", "service", 1, 0.01), _row("b", "service", 1, None)]
    result = _result(rows, ("service",), late=0, infeasible=1)
    assert result["summary"]["instances"] == 1
    assert "0 replies late, 1 infeasible, of 2" in table(result)


def test_every_set_is_measured_by_name_and_variants_are_sets():
    assert set(VARIANTS) <= set(SETS)
    assert len(SETS["xxl"].names) == 5
    assert SETS["xxl"].by_service
    assert not SETS["x"].by_service


def test_missing_instances_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="X-none"):
        find_instances(tmp_path, ("X-none",))
