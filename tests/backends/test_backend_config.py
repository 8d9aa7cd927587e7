from __future__ import annotations

import pytest

from backends.backend import Price
from backends.config import (
    TYPES,
    BackendConfig,
    BackendsConfig,
    backends_from_tables,
    default_backends,
    make_backend,
    needs_gpu,
)
from backends.statevector import StatevectorSimulator
from solvers.errors import InvalidProblem

TABLE = {
    "name": "mine",
    "type": "statevector",
    "options": {"max_variables": 9},
    "price": {"per_task_usd_micros": 5, "source": "a list", "as_of": "2026-02-03"},
}


def paths_of(tables):
    with pytest.raises(InvalidProblem) as caught:
        backends_from_tables(tables)
    return {violation.path for violation in caught.value.violations}


def test_defaults_have_an_annealer_a_simulator_and_a_metered_one():
    config = default_backends()
    assert [b.name for b in config.backends] == ["local-annealer", "statevector", "noisy-fez"]
    metered = config.backends[2].price
    assert metered is not None
    assert metered.per_task_usd_micros > 0
    assert "simulated" in metered.source
    assert metered.as_of
    assert backends_from_tables(None) == config


@pytest.mark.parametrize("config", default_backends().backends, ids=lambda c: c.name)
def test_every_default_can_be_made_under_its_name(config):
    backend = make_backend(config)
    assert backend.facts().name == config.name
    if config.price is not None:
        assert backend.facts().price == config.price


def test_one_table_is_one_backend():
    (config,) = backends_from_tables([TABLE]).backends
    assert config == BackendConfig("mine", "statevector", {"max_variables": 9}, Price(5, 0, 0, "a list", "2026-02-03"))
    backend = make_backend(config)
    assert isinstance(backend, StatevectorSimulator)
    assert backend.facts().qubits == 9


def test_file_and_environment_name_backends(tmp_path, monkeypatch):
    file = tmp_path / "backends.toml"
    file.write_text(
        '[[backends]]\nname = "x"\ntype = "statevector"\n[backends.price]\nsource = "s"\nas_of = 2026-01-31\n'
    )
    expected = BackendsConfig((BackendConfig("x", "statevector", {}, Price(source="s", as_of="2026-01-31")),))
    assert BackendsConfig.load(file) == expected
    monkeypatch.setenv("ISINGLASS_BACKENDS", str(file))
    assert BackendsConfig.load() == expected
    monkeypatch.delenv("ISINGLASS_BACKENDS")
    assert BackendsConfig.load() == default_backends()


@pytest.mark.parametrize("text", ["backends = 3 [", "[[backends]]\nname = 1\n"])
def test_broken_file_is_refused(tmp_path, text):
    file = tmp_path / "backends.toml"
    file.write_text(text)
    with pytest.raises(InvalidProblem):
        BackendsConfig.load(file)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "abacus"}, "backends[0].type"),
        ({"type": None}, "backends[0].type"),
        ({"name": ""}, "backends[0].name"),
        ({"colour": "red"}, "backends[0].colour"),
        ({"options": {"qubits": 3}}, "backends[0].options.qubits"),
        ({"options": {"price": 3}}, "backends[0].options.price"),
        ({"options": 3}, "backends[0].options"),
        ({"price": 3}, "backends[0].price"),
        ({"price": {**TABLE["price"], "per_shot_usd_micros": -1}}, "backends[0].price.per_shot_usd_micros"),
        ({"price": {**TABLE["price"], "per_shot_usd_micros": 0.5}}, "backends[0].price.per_shot_usd_micros"),
        ({"price": {**TABLE["price"], "source": ""}}, "backends[0].price.source"),
        ({"price": {**TABLE["price"], "as_of": "soon"}}, "backends[0].price.as_of"),
        ({"price": {**TABLE["price"], "tax": 1}}, "backends[0].price.tax"),
    ],
)
def test_wrong_entries_are_refused_by_path(change, path):
    assert paths_of([{**TABLE, **change}]) == {path}


def test_every_wrong_table_is_named_at_once():
    assert paths_of([{**TABLE, "type": "abacus"}, TABLE, {**TABLE, "options": {"x": 1}}, "no table"]) == {
        "backends[0].type",
        "backends[1].name",
        "backends[2].name",
        "backends[2].options.x",
        "backends[3]",
    }


def test_refused_option_values_are_told():
    with pytest.raises(InvalidProblem, match="max_variables is 99"):
        make_backend(BackendConfig("mine", "statevector", {"max_variables": 99}))


def test_each_type_names_a_class_in_this_floor():
    assert all(where.startswith("backends.") for where in TYPES.values())


def test_a_device_that_cannot_be_is_refused_with_its_path(monkeypatch):
    table = {"name": "mine", "type": "annealer", "options": {"device": "tpu"}}
    assert paths_of([table]) == {"backends[0].options.device"}
    monkeypatch.setattr("backends.config.find_spec", lambda name: None)
    table["options"] = {"device": "cuda"}
    with pytest.raises(InvalidProblem, match=r"needs torch, not installed here.*isinglass\[gpu\]"):
        backends_from_tables([table])
    table["options"] = {"device": "auto"}
    assert not needs_gpu(backends_from_tables([table]).backends[0])


def test_only_an_annealer_that_says_so_needs_a_gpu():
    assert needs_gpu(BackendConfig("x", "annealer", {"device": "cuda"}))
    assert not needs_gpu(BackendConfig("x", "annealer"))
    assert not needs_gpu(BackendConfig("x", "ibm", {"device": "cuda"}))
