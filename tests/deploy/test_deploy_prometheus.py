"""Rules and dashboard speak of metrics and labels that the service exports, and each alert is tested."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from actors.metrics import metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "isinglass.rules.yml"


def _exported() -> dict[str, set[str]]:
    """Labels by the name under which Prometheus stores a metric."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics()).values():
        if not isinstance(metric, MetricWrapperBase):
            continue
        labels = set(metric._labelnames)
        if isinstance(metric, Histogram):
            found[f"{metric._name}_bucket"] = labels | {"le"}
        else:
            found[metric._name + ("_total" if metric._type == "counter" else "")] = labels
    return found


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _expressions() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "isinglass.json").read_text())
    return [rule["expr"] for rule in _rules()] + [t["expr"] for panel in board["panels"] for t in panel["targets"]]


@pytest.mark.parametrize("expression", _expressions())
def test_an_expression_uses_what_is_exported(expression: str) -> None:
    exported = _exported()
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    used = set(re.findall(r"\bisinglass[:_][a-z0-9_:]+", expression))
    assert used or "up{" in expression
    assert used - recorded <= set(exported)
    labels = {label for name in used - recorded for label in exported[name]}
    for selector in re.findall(r"\{([^}]*)\}", expression):
        if 'job="isinglass"' not in selector:
            assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= labels
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {name.strip() for name in grouped.split(",")} <= labels


def test_every_metric_is_on_the_dashboard() -> None:
    text = (DEPLOY / "grafana" / "isinglass.json").read_text()
    assert [name for name in _exported() if name not in text] == []


def test_every_alert_says_what_to_do_and_is_tested_both_ways() -> None:
    cases = yaml.safe_load((DEPLOY / "prometheus" / "isinglass.test.yml").read_text())["tests"]
    fires: dict[str, set[bool]] = {rule["alertname"]: set() for case in cases for rule in case["alert_rule_test"]}
    for case in cases:
        for rule in case["alert_rule_test"]:
            fires[rule["alertname"]].add(bool(rule.get("exp_alerts")))
    alerts = [rule for rule in _rules() if "alert" in rule]
    assert {rule["alert"]: {True, False} for rule in alerts} == fires
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in alerts)


def test_prometheus_own_tool_accepts_and_tests_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", "isinglass.test.yml"]):
        done = subprocess.run(
            [promtool, *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
