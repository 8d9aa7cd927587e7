from __future__ import annotations

import json
import math

import pytest

from benchmarks import quantum, quantum_peers


def test_bytes_moved_count_each_pass_once():
    assert quantum.bytes_moved(16, 0) == 24 << 16
    assert quantum.bytes_moved(16, 1) - quantum.bytes_moved(16, 0) == 20 << 16
    assert quantum.bytes_moved(20, 1) - quantum.bytes_moved(20, 0) == 36 << 20


def test_kernels_have_twenty_variables_and_a_valid_start():
    for seed in range(20):
        bqm, groups, warm = quantum.one_hot_kernel(seed)
        assert bqm.num_variables == 20 == sum(len(group) for group in groups)
        assert all(sum(warm[v] for v in group) == 1 for group in groups)


@pytest.mark.long
def test_quick_run_is_one_json_object_with_a_verdict_on_every_target():
    result = quantum.run(quick=True)
    json.dumps(result)
    assert set(result["targets"]) == set(quantum.TARGETS)
    assert result["targets"]["aer_difference"]["met"]
    assert result["targets"]["kernels"]["met"]
    assert all(not math.isnan(row["aer_difference"]) for row in result["expectation"])
    assert "Isinglass" in quantum.table(result)
    assert set(quantum_peers.PEERS) == {"aer", "lightning", "qulacs"}
