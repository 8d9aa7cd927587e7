"""The helpers of `binary_models` as fixtures."""

import pytest
from binary_models import brute_force, random_problem


@pytest.fixture(scope="session")
def make_problem():
    return random_problem


@pytest.fixture(scope="session")
def by_brute_force():
    return brute_force
