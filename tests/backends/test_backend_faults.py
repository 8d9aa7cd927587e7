from __future__ import annotations

import pytest

from benchmarks import vendor_faults
from tests.emulators.backends import missing

pytestmark = pytest.mark.skipif(
    bool(missing("dwave") or missing("braket")), reason="the extras dwave and braket are not installed"
)


def test_every_class_of_fault_pays_once_ends_in_time_and_has_a_class():
    result = vendor_faults.run(submissions=3 * len(vendor_faults._CASES), seed=3)
    totals = result["totals"]
    assert totals["submissions"] == 3 * len(vendor_faults._CASES)
    assert {row["fault"] for row in result["rows"]} == set(vendor_faults._CASES)
    assert (totals["duplicates"], totals["late"], totals["unclassified"]) == (0, 0, [])
    assert totals["answered"] > 0.7 * totals["submissions"]
    assert "0 paid twice" in vendor_faults.table(result)


def test_a_double_payment_would_show(monkeypatch):
    from backends.dwave_session import SapiSession

    monkeypatch.setattr(vendor_faults, "_SHARES", {"dwave": 1})
    monkeypatch.setattr(
        vendor_faults,
        "_CASES",
        {"submit: answer lost after the job was created": ((("submit", ("RESET_AFTER",)),), "")},
    )
    monkeypatch.setattr(SapiSession, "find", lambda self, tag: None)  # an adapter that does not look
    result = vendor_faults.run(submissions=2, workers=1)
    assert result["totals"]["duplicates"] >= 2
