"""What a cluster must have before anything is put on it."""

from actors.cluster import gpu_fault
from backends.config import BackendConfig


def test_a_backend_that_needs_a_gpu_is_refused_where_there_is_none():
    """By name, with what is allowed; nobody else needs one."""
    needing, other = BackendConfig("fast", "annealer", {"device": "cuda"}), BackendConfig("plain", "annealer")
    fault = gpu_fault([other, needing], 0)
    assert "'cuda' for backend fast" in fault
    assert "allowed here: auto" in fault
    assert gpu_fault([other, needing], 1) == ""
    assert gpu_fault([other], 0) == ""
