"""The findings of a drill for people, with what they must be."""

from __future__ import annotations

from typing import Any

MUST = {
    "detect_p95_s": 1.0,
    "switch_p95_s": 0.1,
    "answers_lost": 0,
    "deadlines_missed": 0,
    "usd_over_budget": 0.0,
    "attempts_most": 5,
}


def table(found: dict[str, Any]) -> str:
    """One line a figure, then one line a round."""
    load = found["load"]
    rounds = found["rounds"]
    slow = _slow(found)
    lines = [
        f"{len(rounds)} faults under {load['per_s']:g} requests/s of small invoice plans, deadline "
        f"{load['deadline_s']:g} s, profile {load['profile']}: {found['sent']} sent, {found['answered']} answered",
        "",
        f"{'':46}{'found':>12}  must",
        _time("time to detect, p95", found["detect"], None if slow else MUST["detect_p95_s"]),
        _time("time to switch (work handed to another), p95", found["switch"], MUST["switch_p95_s"]),
        _time("  and sent to it, kernel included, p95", found["sent_elsewhere"], None),
        _count("faults not detected", found["undetected"], None if slow else 0),
        _count("answers lost", found["answers_lost"], MUST["answers_lost"]),
        _count("deadlines missed", found["deadlines_missed"], MUST["deadlines_missed"]),
        _count("US dollars over budget", found["usd_over_budget"], MUST["usd_over_budget"]),
        _count(
            f"attempts sent to the {'slow' if slow else 'dead'} backend, most",
            found["attempts_most"],
            None if slow else MUST["attempts_most"],
        ),
        _count("probes after that, all faults", found["probes"], None),
        _count("US dollars for attempts that brought nothing", round(found["cost_of_failed_attempts_usd"], 6), None),
        f"{'quality lost, mean and most':46}{100 * found['quality_lost']['mean']:>10.3f} %  "
        f"({100 * found['quality_lost']['most']:.3f} %)",
        f"{'divergence of who answers (Jensen-Shannon)':46}"
        + ("" if found["divergence_bits"] is None else f"{found['divergence_bits']:>8.3f} bits"),
        _time("time to answer, p95", found["seconds"], load["deadline_s"]),
        f"service levels: calm {_levels(found['levels']['calm'])}; fault {_levels(found['levels']['fault'])}",
        *(f"error: {text} ({count} x)" for text, count in found["errors"]),
        "",
        "fault      backend           detected  by                              attempts  probes  handed over",
    ]
    lines += [
        f"{one['kind']:10} {one['backend']:16} {_ms(one['detected_s']):>9}  {one['detected_by']:30}  "
        f"{one['attempts']:>8}  {one['probes']:>6}  {', '.join(_ms(s) for s in one['handed_over_s']) or '-'}"
        for one in rounds
    ]
    return "\n".join(lines)


def met(found: dict[str, Any]) -> bool:
    """Whether every figure is what it must be."""
    slow = _slow(found)
    return (
        (slow or not found["undetected"])
        and found["detect"].get("p95_s", 0.0 if slow else float("inf")) <= MUST["detect_p95_s"]
        and found["switch"].get("p95_s", 0.0) <= MUST["switch_p95_s"]
        and (slow or found["attempts_most"] <= MUST["attempts_most"])
        and all(found[name] <= MUST[name] for name in ("answers_lost", "deadlines_missed"))
        and found["usd_over_budget"] <= 1e-9
    )


def _slow(found: dict[str, Any]) -> bool:
    """Whether backends were slowed down only: slow is not down, it is to be lived with."""
    return all(one["kind"] == "latency" for one in found["rounds"])


def _time(name: str, seconds: dict[str, Any], must_s: float | None) -> str:
    if not seconds["n"]:
        return f"{name:46}{'none':>12}" + ("" if must_s is None else f"  <= {_ms(must_s)}")
    low, high = (("?" if bound is None else _ms(bound)) for bound in seconds["p95_interval_s"])
    must = "" if must_s is None else f"  <= {_ms(must_s)}"
    return (
        f"{name:46}{_ms(seconds['p95_s']):>12}{must}"
        f"  (n {seconds['n']}, p50 {_ms(seconds['p50_s'])}, 95 % of p95 {low} - {high}, most {_ms(seconds['max_s'])})"
    )


def _count(name: str, value: float, must: float | None) -> str:
    return f"{name:46}{value:>12g}" + ("" if must is None else f"  <= {must:g}")


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{1e3 * seconds:.0f} ms"


def _levels(levels: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(levels.items())) or "none"
