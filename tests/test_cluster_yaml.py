"""cluster.yaml is what Ray's own schema and `ray up` accept."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).resolve().parent.parent / "cluster.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CLUSTER.read_text())
    return loaded


def test_rays_schema_accepts_it(config: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)


def test_it_is_accepted_as_ray_up_prepares_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    assert prepared["max_workers"] == len(config["provider"]["worker_ips"])


def test_rays_schema_is_really_asked(config: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(config))
    with pytest.raises(jsonschema.ValidationError, match="no_such_setting"):
        validate_config({**prepared, "no_such_setting": 1})


def test_every_node_sets_rays_authentication_explicitly(config: dict[str, Any]) -> None:
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert len(commands) == 2
    assert all("RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=" in command for command in commands)
    assert not any("ray stop" in command for command in commands)
