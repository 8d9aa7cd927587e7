from __future__ import annotations

from backends.annealer import LocalAnnealer
from backends.backend import Price
from backends.noisy import NoisySimulator
from backends.statevector import StatevectorSimulator
from tests.backends.conformance import BackendConformance

PRICE = Price(300_000, 1_450, 0, source="a test", as_of="2026-01-01")


class TestStatevector(BackendConformance):
    def make(self):
        return StatevectorSimulator()


class TestStatevectorWithAPriceASecond(BackendConformance):
    def make(self):
        return StatevectorSimulator(price=Price(0, 0, 1_000_000, source="a test", as_of="2026-01-01"))


class TestNoisy(BackendConformance):
    def make(self):
        return NoisySimulator("noisy-fez", price=PRICE)


class TestAnnealer(BackendConformance):
    def make(self):
        return LocalAnnealer(max_variables=64)
