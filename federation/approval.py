"""Approval: what a request may spend unasked, and what of it waits for an operator."""

from __future__ import annotations

from dataclasses import replace

from federation.attack import Attack
from federation.policy import Policy
from federation.reasons import Reason

_FOR_MONEY = frozenset({Reason.BUDGET_REQUEST_LIMIT, Reason.NO_BUDGET})


def unapproved(policy: Policy, limit_usd_micros: int | None, approved: bool) -> Policy:
    """The policy to plan by: without an approval no more is spent than ``limit_usd_micros`` (``None``: no limit)."""
    if approved or limit_usd_micros is None or policy.budget_usd_micros <= limit_usd_micros:
        return policy
    return replace(policy, budget_usd_micros=limit_usd_micros)


def explained(attack: Attack, asked: Policy, planned: Policy) -> Attack:
    """The attack with ``APPROVAL_NEEDED`` where ``planned`` could not pay for what ``asked`` might have."""
    if planned.budget_usd_micros == asked.budget_usd_micros:
        return attack
    skipped = tuple(
        replace(one, reason=Reason.APPROVAL_NEEDED, wanted=True) if one.reason in _FOR_MONEY else one
        for one in attack.skipped
    )
    return replace(attack, skipped=skipped)
