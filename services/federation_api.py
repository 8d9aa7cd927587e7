"""FederationService: backends, budgets, usage."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from ray.exceptions import RayError

from actors.names import SCHEDULER, actor
from backends.backend import BackendFacts
from federation.outlook import Outlook, outlook, windows_s
from protos import federation_pb2
from services.convert.times import timestamp
from solvers.errors import BackendUnavailable, FieldViolation, InvalidProblem, PermissionDenied
from store.amounts import MAX_AMOUNT, Amounts, month_of
from store.budgets import Budget, Reservation
from store.keys import Principal, Role
from store.ledger import Scope
from store.spent import spent_by_day, spent_since
from store.store import Store

_MOST_USD = 1_000_000_000


class FederationApi:
    """Handlers of the FederationService; authentication and errors are the gateway's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def backends(self) -> federation_pb2.ListBackendsResponse:
        """Every configured backend as the scheduler sees it."""
        try:
            seen = await asyncio.wait_for(actor(SCHEDULER).backends.remote(), 5.0)
        except (RayError, TimeoutError, ValueError) as error:
            raise BackendUnavailable("scheduler", f"does not answer ({type(error).__name__})") from error
        return federation_pb2.ListBackendsResponse(backends=[_backend(view) for view in seen])

    async def budget(self, principal: Principal, request: federation_pb2.GetBudgetRequest) -> federation_pb2.Budget:
        """Where a budget stands."""
        tenant, period = _tenant(principal, request.tenant), _period(request.period)
        found = await asyncio.to_thread(self._store.budgets.budget, tenant, request.project, period, request.label)
        message = _budget(found)
        if request.outlook:
            _add_outlook(message, await asyncio.to_thread(self._outlook, found))
        return message

    def _outlook(self, budget: Budget) -> Outlook:
        now, database = datetime.now(UTC), self._store.database
        scope = Scope(budget.project, budget.period, budget.label)
        windows = windows_s()
        spent = spent_since(database, budget.tenant, scope, [now - timedelta(seconds=window) for window in windows])
        return outlook(
            budget.period,
            budget.limit.usd_micros,
            budget.reserved.usd_micros,
            spent_by_day(database, budget.tenant, scope),
            dict(zip(windows, spent, strict=True)),
            now,
        )

    async def set_budget(self, principal: Principal, request: federation_pb2.SetBudgetRequest) -> federation_pb2.Budget:
        """Set a limit. Raises `InvalidProblem` naming each amount at fault."""
        tenant, period = _tenant(principal, request.tenant), _period(request.period)
        limit = _limit(request.limit)
        budgets, label = self._store.budgets, request.label
        await asyncio.to_thread(budgets.set_limit, tenant, request.project, period, limit, label)
        return _budget(await asyncio.to_thread(budgets.budget, tenant, request.project, period, label))

    async def usage(
        self, principal: Principal, request: federation_pb2.ListUsageRequest
    ) -> federation_pb2.ListUsageResponse:
        """What was reserved and settled, newest first."""
        page = await asyncio.to_thread(
            self._store.budgets.usage,
            principal.tenant,
            request.project,
            _period(request.period),
            request.page_size,
            request.page_token,
            request.label,
        )
        return federation_pb2.ListUsageResponse(
            entries=[_usage(entry) for entry in page.items], next_page_token=page.next_page_token
        )


def _tenant(principal: Principal, asked: str) -> str:
    if asked and asked != principal.tenant and Role.OPERATOR not in principal.roles:
        raise PermissionDenied(f"tenant {asked!r} is not the key's; another tenant's budget needs role operator")
    return asked or principal.tenant


def _period(asked: str) -> str:
    return asked or month_of(datetime.now(UTC))


def _limit(amounts: federation_pb2.BudgetAmounts) -> Amounts:
    violations = []
    if not 0 <= amounts.usd <= _MOST_USD:
        violations.append(FieldViolation("limit.usd", f"is {amounts.usd}", f"0 - {_MOST_USD} US dollars"))
    if amounts.shots > MAX_AMOUNT:
        violations.append(FieldViolation("limit.shots", f"is {amounts.shots}", f"0 - {MAX_AMOUNT}"))
    seconds = amounts.device_seconds
    if not math.isfinite(seconds) or not 0 <= seconds <= MAX_AMOUNT / 1000:
        violations.append(FieldViolation("limit.device_seconds", f"is {seconds}", f"0 - {MAX_AMOUNT // 1000}"))
    if violations:
        raise InvalidProblem(violations)
    return Amounts(
        usd_micros=round(amounts.usd * 1e6),
        shots=amounts.shots if amounts.HasField("shots") else MAX_AMOUNT,
        device_ms=round(seconds * 1000) if amounts.HasField("device_seconds") else MAX_AMOUNT,
    )


def _amounts(amounts: Amounts, unlimited: Amounts | None = None) -> federation_pb2.BudgetAmounts:
    """As a message; what ``unlimited`` does not limit is left out."""
    message = federation_pb2.BudgetAmounts(usd=amounts.usd_micros / 1e6)
    if unlimited is None or unlimited.shots < MAX_AMOUNT:
        message.shots = amounts.shots
    if unlimited is None or unlimited.device_ms < MAX_AMOUNT:
        message.device_seconds = amounts.device_ms / 1000
    return message


def _budget(budget: Budget) -> federation_pb2.Budget:
    return federation_pb2.Budget(
        tenant=budget.tenant,
        project=budget.project,
        label=budget.label,
        period=budget.period,
        limit=_amounts(budget.limit, budget.limit),
        reserved=_amounts(budget.reserved),
        settled=_amounts(budget.settled),
        free=_amounts(budget.free, budget.limit),
    )


def _add_outlook(message: federation_pb2.Budget, found: Outlook) -> None:
    """Fill in what was asked for."""
    if found.forecast is not None:
        expected = found.forecast
        message.forecast.CopyFrom(
            federation_pb2.BudgetForecast(
                expected_usd=expected.expected,
                low_usd=expected.low,
                high_usd=expected.high,
                exhausted_in_days=expected.exhausted_in_days,
            )
        )
    message.alerts.extend(
        federation_pb2.BurnAlert(
            severity=alert.rule.severity.value,
            factor=alert.rule.factor,
            long_s=alert.rule.long_s,
            short_s=alert.rule.short_s,
            long_rate=alert.long_rate,
            short_rate=alert.short_rate,
        )
        for alert in found.alerts
    )


def _usage(entry: Reservation) -> federation_pb2.UsageEntry:
    return federation_pb2.UsageEntry(
        job_id=entry.job_id,
        backend=entry.backend,
        state=entry.state.value,
        reserved=_amounts(entry.reserved),
        settled=_amounts(entry.settled),
        at=timestamp(entry.at),
    )


def _backend(view: dict[str, Any]) -> federation_pb2.BackendInfo:
    message = federation_pb2.BackendInfo(
        name=view["name"],
        circuit_state=view["circuit_state"],
        unavailable_reason=view["unavailable_reason"],
        health=view["health"],
        group=view["group"],
        traffic_weight=view["traffic_weight"],
    )
    facts: BackendFacts | None = view["facts"]
    if facts is None:
        return message
    message.technology = facts.technology.value
    message.qubits = facts.qubits
    message.available = facts.available and not view["unavailable_reason"]
    message.local = facts.is_local
    message.queue_length = facts.queue_length
    message.max_shots = facts.max_shots
    message.calibration_id = facts.calibration_id
    price = facts.price
    message.price.CopyFrom(
        federation_pb2.BackendPrice(
            per_task_usd=price.per_task_usd_micros / 1e6,
            per_shot_usd=price.per_shot_usd_micros / 1e6,
            per_second_usd=price.per_second_usd_micros / 1e6,
            source=price.source,
            as_of=price.as_of,
        )
    )
    if facts.calibration:
        dates = [value.date for value in facts.calibration]
        message.oldest_calibration.CopyFrom(timestamp(min(dates)))
        message.newest_calibration.CopyFrom(timestamp(max(dates)))
    return message
