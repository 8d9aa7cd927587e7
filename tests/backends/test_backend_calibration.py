from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from backends.calibration import bundled_snapshot, read_snapshot

DATA = Path(os.environ.get("ISINGLASS_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ibm" / "props"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no calibration snapshots in {DATA}")

DATE = "2025-01-01T00:00:00+00:00"


def value(name, number, unit="", date=DATE):
    return {"name": name, "value": number, "unit": unit, "date": date}


def device(qubits=3, errors=None, readouts=None):
    errors, readouts = errors or {}, readouts or {}
    return {
        "backend_name": "toy",
        "last_update_date": DATE,
        "qubits": [
            [value("T1", 100, "us"), value("T2", 300, "us"), value("readout_error", readouts.get(q, 0.01))]
            for q in range(qubits)
        ],
        "gates": [
            {"gate": "sx", "qubits": [q], "parameters": [value("gate_error", 1e-4), value("gate_length", 30, "ns")]}
            for q in range(qubits)
        ]
        + [
            {"gate": "cz", "qubits": [q, q + 1], "parameters": [value("gate_error", errors.get(q, 0.01))]}
            for q in range(qubits - 1)
        ],
    }


@pytest.fixture
def toy(tmp_path):
    def write(content, packed=False):
        path = tmp_path / ("toy.json.gz" if packed else "toy.json")
        data = json.dumps(content).encode()
        path.write_bytes(gzip.compress(data) if packed else data)
        return path

    return write


def test_units_become_seconds_and_t2_keeps_within_twice_t1(toy):
    snapshot = read_snapshot(toy(device()))
    assert snapshot.qubits[0].t1_s == pytest.approx(1e-4)
    assert snapshot.qubits[0].t2_s == pytest.approx(2e-4)
    assert snapshot.gates["sx", (1,)].length_s == pytest.approx(3e-8)
    assert {v.name for v in snapshot.values} >= {"T1_s", "T2_s", "readout_error", "gate_error", "gate_length_s"}


def test_every_value_keeps_its_own_date(toy):
    content = device()
    content["qubits"][1][0]["date"] = "2024-06-01T12:00:00-05:00"
    values = read_snapshot(toy(content)).values
    (t1,) = [v for v in values if (v.name, v.where) == ("T1_s", "q1")]
    assert t1.date.isoformat() == "2024-06-01T12:00:00-05:00"
    assert all(v.date.tzinfo is not None for v in values)


def test_an_error_of_one_takes_the_coupler_out(toy):
    snapshot = read_snapshot(toy(device(4, errors={1: 1})))
    assert snapshot.coupling == ((0, 1), (2, 3))
    assert len(snapshot.usable) == 2


def test_a_readout_error_of_one_takes_the_qubit_out(toy):
    snapshot = read_snapshot(toy(device(4, readouts={0: 1})))
    assert not snapshot.is_live(0)
    assert snapshot.usable == {1, 2, 3}
    assert snapshot.coupling == ((1, 2), (2, 3))


def test_same_values_same_id_whether_packed_or_not(toy):
    assert read_snapshot(toy(device())).id == read_snapshot(toy(device(), packed=True)).id
    assert read_snapshot(toy(device())).id != read_snapshot(toy(device(readouts={0: 0.02}))).id


@pytest.mark.parametrize("content", [[], {}, {"backend_name": "x", "qubits": [], "gates": 3}])
def test_what_is_no_calibration_is_refused(toy, content):
    with pytest.raises(ValueError, match="BackendProperties"):
        read_snapshot(toy(content))


def test_unknown_bundled_device_is_refused():
    with pytest.raises(ValueError, match="no bundled snapshot"):
        bundled_snapshot("../fez")


def test_bundled_fez_has_a_value_older_than_its_header():
    snapshot = bundled_snapshot("fez")
    assert snapshot.device == "ibm_fez"
    assert len(snapshot.qubits) == 156
    assert min(v.date for v in snapshot.values).isoformat().startswith("2024-12-28")


@needs_data
def test_every_published_snapshot_is_read():
    files = sorted(DATA.glob("*.json.gz"))
    assert files
    for file in files:
        snapshot = read_snapshot(file)
        assert snapshot.values
        assert all(0 <= gate.error < 0.5 for gate in snapshot.gates.values())


@needs_data
@pytest.mark.parametrize(("name", "usable"), [("kyoto_2024-02-28", 1), ("fez_2025-01-22", 4)])
def test_uncalibrated_devices_offer_next_to_nothing(name, usable):
    assert len(read_snapshot(DATA / f"{name}.json.gz").usable) == usable
