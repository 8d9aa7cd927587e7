import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from federation.drift import DriftConfig, DriftDetector, alarms


def daily(column):
    root = os.environ.get("ISINGLASS_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = Path(root) / "ibm" / "ibm_perth_daily_summary.csv"
    if not path.is_file():
        pytest.skip(f"needs the daily ibm_perth series; {path} is absent")
    with path.open(encoding="utf-8") as rows:
        return [(row["snapshot"], math.log(float(row[column]))) for row in csv.DictReader(rows) if row[column]]


def test_a_lasting_shift_is_found_soon_with_its_start_and_direction():
    rng = np.random.default_rng(0)
    delays = []
    for _ in range(50):
        series = np.concatenate([rng.normal(10, 1, 60), rng.normal(13, 1, 40)])
        found = [alarm for alarm in alarms(series) if alarm.index >= 60]
        assert found, "the shift was missed"
        assert found[0].direction == 1
        delays.append(found[0].index - 60)
    assert np.median(delays) <= 5


def test_noise_alone_raises_few_alarms():
    rng = np.random.default_rng(1)
    per_half_year = np.mean([len(alarms(rng.normal(10, 1, 180))) for _ in range(200)])
    assert per_half_year < 1


def test_one_outlier_is_no_drift():
    series = [10.0 + 0.1 * (i % 3) for i in range(60)]
    series[40] = 1000.0
    assert alarms(series) == []


def test_a_slow_drift_is_found_too():
    rng = np.random.default_rng(2)
    series = rng.normal(10, 1, 120) + np.concatenate([np.zeros(40), np.linspace(0, 5, 80)])
    found = [alarm for alarm in alarms(series) if alarm.index >= 40]
    assert found
    assert found[0].direction == 1
    assert found[0].index < 100


def test_after_an_alarm_the_new_level_is_learned():
    rng = np.random.default_rng(3)
    series = np.concatenate([rng.normal(10, 0.3, 50), rng.normal(20, 0.3, 50)])
    found = alarms(series)
    assert len(found) == 1
    detector = DriftDetector()
    for value in series:
        detector.update(value)
    assert detector.update(20.1) is None


def test_the_real_changes_of_perths_readout_are_found():
    """Optimal segmentation of the half year puts level changes at 03-03, 04-09 and 04-20; no other is as large."""
    series = daily("median_readout_error")
    found = alarms([value for _, value in series])
    days = [(series[alarm.index][0], alarm.direction) for alarm in found]
    for truth, latest, direction in (
        ("2023-03-03", "2023-03-10", 1),
        ("2023-04-09", "2023-04-12", 1),
        ("2023-04-20", "2023-04-27", -1),
    ):
        assert any(truth <= day <= latest and way == direction for day, way in days), (truth, days)
    assert len(found) <= 5


def test_perths_coherence_times_only_scatter():
    for column in ("median_T1_us", "median_T2_us"):
        assert alarms([value for _, value in daily(column)]) == []


@pytest.mark.parametrize("bad", [{"baseline": 3}, {"slack": -1.0}, {"smoothing": 0.0}, {"limit": 0.0}, {"clip": 0.0}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        DriftConfig(**bad)


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        DriftDetector().update(math.nan)
