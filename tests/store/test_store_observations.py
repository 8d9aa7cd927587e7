from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from store.observations import Observation
from store.store import Store


@pytest.fixture
def seen(now: datetime) -> Observation:
    return Observation(
        kind="routing",
        strategy="qaoa",
        backend="metered",
        features={"size": 200.0, "density": 1.0, "tightness": 0.9},
        improvement=12.5,
        seconds=0.75,
        cost_usd_micros=350_000,
        quantum_lift={"mean_difference": -0.5, "samples": 512},
        outcome="OK",
        at=now,
    )


def test_observations_read_back_whole_newest_first(store: Store, seen: Observation) -> None:
    classical = replace(seen, strategy="savings", backend="", quantum_lift=None, improvement=0.0)
    store.observations.record(seen, classical)
    store.observations.record(replace(seen, kind="invoices"))
    assert store.observations.recent("routing") == (classical, seen)
    assert store.observations.recent("routing", limit=1) == (classical,)
    assert [one.kind for one in store.observations.recent_of_backend("metered")] == ["invoices", "routing"]
    assert store.observations.recent("binary") == ()


@pytest.mark.parametrize("broken", [{"improvement": float("inf")}, {"seconds": float("nan")}])
def test_what_selection_could_not_learn_from_is_refused(
    store: Store, seen: Observation, broken: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="finite"):
        store.observations.record(seen, replace(seen, **broken))
    with pytest.raises(ValueError, match="JSON"):
        store.observations.record(replace(seen, features={"size": float("inf")}))
    assert store.observations.recent("routing") == ()


def test_no_observations_are_no_transaction(store: Store) -> None:
    store.observations.record()
    assert store.observations.recent("routing") == ()


def test_a_calibration_is_kept_once_with_a_date_for_each_value(store: Store, now: datetime) -> None:
    values = [{"name": "readout_error", "where": "q17", "value": 0.0077, "date": "2026-11-19T03:00:00Z"}]
    store.observations.record_calibration("metered", "sha256:1", values, now)
    store.observations.record_calibration("metered", "sha256:1", [], now + timedelta(hours=1))
    store.observations.record_calibration("metered", "sha256:2", [], now + timedelta(hours=2))
    kept = store.observations.calibration("metered", "sha256:1")
    assert kept is not None
    assert (list(kept.values), kept.at) == (values, now)
    assert [one.calibration_id for one in store.observations.recent_calibrations("metered")] == ["sha256:2", "sha256:1"]
    assert store.observations.calibration("other", "sha256:1") is None
