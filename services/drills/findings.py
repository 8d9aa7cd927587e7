"""What a drill found: times to detect and to switch, what was lost, late, overspent, and how decisions changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from federation.drills import jensen_shannon, quantile
from federation.watch import Event, Happened
from services.drills.load import Answer, Load

_SHARES = (0.5, 0.95)
_QUALITY = 1e-6
"""Relative difference of objectives below which two answers are equally good."""


@dataclass(frozen=True)
class Round:
    """One fault: Unix times of its beginning, its end, and of the backend's first answer after it."""

    kind: str
    backend: str
    began_s: float
    ended_s: float
    recovered_s: float


def findings(
    rounds: Sequence[Round],
    happened: Sequence[Happened],
    load: Load,
    groups: Mapping[str, str],
    spent: Mapping[str, float],
) -> dict[str, Any]:
    """Everything that the table shows, and the rounds one by one.

    Parameters
    ----------
    rounds
        In order of time.
    happened
        The scheduler's log.
    load
        After its stop.
    groups
        Name of the group of each backend.
    spent
        ``limit``, ``settled`` and ``reserved`` of the budget charged, in US dollars.
    """
    each = [_round(one, happened, groups) for one in rounds]
    detected = [one["detected_s"] for one in each if one["detected_s"] is not None]
    switched = [seconds for one in each for seconds in one["handed_over_s"]]
    resent = [seconds for one in each for seconds in one["sent_elsewhere_s"]]
    answers, deadline_s = load.answers, load.config.deadline_s
    during = [a for a in answers if any(r.began_s <= a.sent_s <= r.recovered_s for r in rounds)]
    before = [a for a in answers if a not in during]
    cost_usd = [a.report.cost_usd for a in answers if a.report is not None]
    over = max(0.0, spent["settled"] + spent["reserved"] - spent["limit"]) if load.config.budget_usd else sum(cost_usd)
    over += sum(max(0.0, usd - load.config.budget_usd) for usd in cost_usd)
    return {
        "name": "drill",
        "rounds": [asdict(one) | found for one, found in zip(rounds, each, strict=True)],
        "load": asdict(load.config),
        "detect": _quantiles(detected),
        "undetected": len(each) - len(detected),
        "switch": _quantiles(switched),
        "sent_elsewhere": _quantiles(resent),
        "attempts_most": max((one["attempts"] for one in each), default=0),
        "probes": sum(one["probes"] for one in each),
        "sent": load.sent,
        "answered": len(answers),
        "answers_lost": load.sent - len(answers) + sum(a.lost for a in answers),
        "deadlines_missed": sum(a.late(deadline_s) for a in answers),
        "usd_over_budget": over,
        "cost_usd": sum(cost_usd),
        "cost_of_failed_attempts_usd": sum(_failed_cost(a) for a in answers),
        "levels": {"calm": _levels(before), "fault": _levels(during)},
        "quality_lost": _quality_lost(before, during),
        "divergence_bits": _divergence(before, during),
        "seconds": _quantiles([a.took_s for a in answers]),
        "errors": Counter(a.error for a in answers if a.error).most_common(5),
    }


def _round(one: Round, happened: Sequence[Happened], groups: Mapping[str, str]) -> dict[str, Any]:
    """Times and counts of one fault."""
    within = [entry for entry in happened if one.began_s <= entry.at_s <= one.recovered_s]
    own = [entry for entry in within if entry.backend == one.backend]
    down = [entry for entry in own if entry.event in (Event.DOWN, Event.OPENED)]
    detected_s = down[0].at_s if down else None
    sent = [entry for entry in own if entry.event is Event.SENT]
    # What it was sent before it was known to be down; after that each one is a probe.
    attempts = [entry for entry in sent if detected_s is None or entry.at_s < detected_s]
    handed, resent = [], []
    if detected_s is not None:
        group = groups[one.backend]
        others = [e for e in within if e.backend != one.backend and groups[e.backend] == group]
        moved = {e.detail: e.at_s for e in own if e.event is Event.MOVED}
        for job, at_s in moved.items():
            since_s = _lost_at(job, own, at_s)
            if since_s is None:
                continue
            handed.append(at_s - since_s)
            later = [e.at_s for e in others if e.event is Event.SENT and e.detail == job and e.at_s >= at_s]
            resent += [min(later) - since_s] if later else []
    return {
        "detected_s": None if detected_s is None else detected_s - one.began_s,
        "detected_by": down[0].detail if down else "",
        "attempts": len(attempts),
        "probes": len(sent) - len(attempts),
        "handed_over_s": handed,
        "sent_elsewhere_s": resent,
    }


def _lost_at(job: str, own: Sequence[Happened], moved_s: float) -> float | None:
    """When it was known that the struck backend would not do ``job``: its own failure, or the last time it went down.

    A backend that was heard again takes a probe, whose time counts from when it was sent.
    """
    own = [entry for entry in own if entry.at_s <= moved_s]
    mine = [entry for entry in own if entry.detail == job]
    failed = [entry.at_s for entry in mine if entry.event in (Event.FAILED, Event.HELD)]
    if failed:
        return max(failed)
    down = [entry.at_s for entry in own if entry.event in (Event.DOWN, Event.OPENED)]
    probed = [entry.at_s for entry in mine if entry.event is Event.SENT and down and entry.at_s >= down[0]]
    return max([*down, *probed], default=None)


def _quantiles(seconds: Sequence[float]) -> dict[str, Any]:
    """n, mean, p50 and p95 with their intervals, and the largest, in seconds."""
    if not seconds:
        return {"n": 0}
    found: dict[str, Any] = {"n": len(seconds), "mean_s": sum(seconds) / len(seconds), "max_s": max(seconds)}
    for share in _SHARES:
        value = quantile(seconds, share)
        bounds = [bound if abs(bound) < float("inf") else None for bound in (value.low, value.high)]
        found[f"p{round(100 * share)}_s"] = value.value
        found[f"p{round(100 * share)}_interval_s"] = bounds
    return found


def _levels(answers: Sequence[Answer]) -> dict[str, int]:
    from protos.common_pb2 import ServiceLevel

    return dict(Counter(ServiceLevel.Name(a.report.service_level) for a in answers if a.report is not None))


def _failed_cost(answer: Answer) -> float:
    """What was charged for attempts that brought nothing, in US dollars."""
    if answer.report is None:
        return 0.0
    return float(sum(c.cost_usd for c in answer.report.contributions if c.backend and c.outcome != "OK"))


def _quality_lost(before: Sequence[Answer], during: Sequence[Answer]) -> dict[str, float]:
    """Mean and largest relative worsening of the same problems' objectives during the faults."""
    usual: dict[int, float] = {}
    for answer in before:
        if not answer.lost:
            old = usual.get(answer.problem, float("inf"))
            usual[answer.problem] = min(old, answer.report.objective)
    lost = []
    for answer in during:
        best = usual.get(answer.problem)
        if best is not None and not answer.lost:
            worse = (answer.report.objective - best) / max(1.0, abs(best))
            lost.append(worse if worse > _QUALITY else 0.0)
    return {"mean": sum(lost) / len(lost) if lost else 0.0, "most": max(lost, default=0.0), "n": float(len(lost))}


def _divergence(before: Sequence[Answer], during: Sequence[Answer]) -> float | None:
    """Jensen-Shannon divergence, in bits, of which backends answered; ``None`` where none did."""
    counts = [_served_by(answers) for answers in (before, during)]
    return jensen_shannon(*counts) if all(counts) else None


def _served_by(answers: Sequence[Answer]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for answer in answers:
        if answer.report is not None:
            found.update(c.backend for c in answer.report.contributions if c.backend and c.outcome == "OK")
    return {name: float(count) for name, count in found.items()}
