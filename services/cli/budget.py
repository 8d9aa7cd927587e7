"""``isinglass budget``: what may be spent on metered backends, and what was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from services.cli.output import EXIT_OK, message_json, number_text, print_json, print_table, time_text
from services.cli.parameters import Limit
from services.cli.session import Session

if TYPE_CHECKING:
    from protos.federation_pb2 import Budget, BudgetAmounts

_UNITS = ("usd", "shots", "device_seconds")


@click.group(invoke_without_command=True)
@click.option("--project", default="", help="A project of the tenant; default: the tenant as a whole.")
@click.option("--label", default="", metavar="KEY=VALUE", help="What jobs with this label spend; default: all jobs.")
@click.option("--period", default="", help='A month, "2026-11", or "total". Default: this month.')
@click.option("--tenant", default="", help="Another tenant; needs role operator.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def budget(context: click.Context, project: str, label: str, period: str, tenant: str, as_json: bool) -> int | None:
    """What may be spent on metered backends: limit, reserved, settled, free; where the month is heading."""
    if context.invoked_subcommand is not None:
        return None
    with context.ensure_object(Session).client() as client:
        from protos.federation_pb2 import GetBudgetRequest

        request = GetBudgetRequest(project=project, label=label, period=period, tenant=tenant, outlook=True)
        _show_budget(client.call(client.federation.GetBudget, request), as_json)
    return EXIT_OK


@budget.command("set")
@click.option("--usd", type=click.FloatRange(0), help="US dollars.")
@click.option("--shots", type=Limit(whole=True), help='Shots on quantum backends, or "unlimited".')
@click.option("--device-seconds", type=Limit(), help='Seconds of device time, or "unlimited".')
@click.option("--project", default="", help="A project of the tenant; default: the tenant as a whole.")
@click.option("--label", default="", metavar="KEY=VALUE", help="What jobs with this label spend; default: all jobs.")
@click.option("--period", default="", help='A month, "2026-11", or "total". Default: this month.')
@click.option("--tenant", default="", help="Another tenant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def set_budget(
    session: Session,
    *,
    usd: float | None,
    shots: float | None,
    device_seconds: float | None,
    project: str,
    label: str,
    period: str,
    tenant: str,
    as_json: bool,
) -> int:
    """Set limits (role operator).

    A limit that is not given keeps its value; in a budget that is set for the first time it is unlimited.
    """
    given = {"usd": usd, "shots": shots, "device_seconds": device_seconds}
    if all(value is None for value in given.values()):
        raise click.UsageError("nothing to set; give --usd, --shots or --device-seconds")
    with session.client() as client:
        from protos.federation_pb2 import GetBudgetRequest, SetBudgetRequest

        asked = GetBudgetRequest(project=project, label=label, period=period, tenant=tenant)
        current = client.call(client.federation.GetBudget, asked).limit
        request = SetBudgetRequest(project=project, label=label, period=period, tenant=tenant)
        if any(getattr(current, unit) for unit in _UNITS):
            request.limit.CopyFrom(current)
        for unit, value in given.items():
            if value is not None:
                _set(request.limit, unit, value)
        _show_budget(client.call(client.federation.SetBudget, request), as_json)
    return EXIT_OK


def _set(limit: BudgetAmounts, unit: str, value: float) -> None:
    if math.isinf(value):
        limit.ClearField(unit)  # type: ignore[arg-type]
    else:
        setattr(limit, unit, int(value) if unit == "shots" else value)


@budget.command("usage")
@click.option("--project", default="", help="A project of the tenant; default: the tenant as a whole.")
@click.option("--label", default="", metavar="KEY=VALUE", help="What jobs with this label spend; default: all jobs.")
@click.option("--period", default="", help='A month, "2026-11", or "total". Default: this month.')
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
@click.option("--page", "page_token", default="", help="Where the last list ended (next_page_token).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def usage(
    session: Session, *, project: str, label: str, period: str, limit: int, page_token: str, as_json: bool
) -> int:
    """What was reserved and settled by job and backend, newest first."""
    with session.client() as client:
        from protos.federation_pb2 import ListUsageRequest

        request = ListUsageRequest(project=project, label=label, period=period, page_size=limit, page_token=page_token)
        answer = client.call(client.federation.ListUsage, request)
    if as_json:
        print_json(message_json(answer))
        return EXIT_OK
    headers = ("at (UTC)", "job", "backend", "state", "reserved $", "settled $", "shots", "device s")
    rows = (
        (
            time_text(entry.at),
            entry.job_id,
            entry.backend,
            entry.state,
            number_text(entry.reserved.usd, 6),
            number_text(entry.settled.usd, 6),
            str(entry.settled.shots),
            number_text(entry.settled.device_seconds, 3),
        )
        for entry in answer.entries
    )
    print_table("", headers, rows, numeric=headers[4:])
    if answer.next_page_token:
        click.echo(f"more: --page {answer.next_page_token}")
    return EXIT_OK


def _show_budget(answer: Budget, as_json: bool) -> None:
    if as_json:
        print_json(message_json(answer))
        return
    scope = answer.tenant + (f"/{answer.project}" if answer.project else "")
    scope += f", label {answer.label}" if answer.label else ""
    parts = ("limit", "reserved", "settled", "free")
    rows = ([unit.replace("_", " "), *(_amount_text(getattr(answer, part), unit) for part in parts)] for unit in _UNITS)
    print_table(f"Budget of {scope}, {answer.period}", ("unit", *parts), rows, numeric=parts)
    for line in outlook_lines(answer):
        click.echo(line)


def outlook_lines(answer: Budget) -> list[str]:
    """Forecast and alerts, one a line; empty where the answer holds none."""
    lines = []
    if answer.HasField("forecast"):
        found = answer.forecast
        line = f"by the end of the month: ${number_text(found.expected_usd)}"
        line += f" (80 %: {number_text(found.low_usd)} - {number_text(found.high_usd)})"
        if found.HasField("exhausted_in_days"):
            days = found.exhausted_in_days
            line += f"; the limit is reached in {number_text(days, 1)} days" if days > 0 else "; the limit is reached"
        lines.append(line)
    for alert in answer.alerts:
        hours = f"{number_text(alert.long_s / 3600, 1)} h and {number_text(alert.short_s / 3600, 2)} h"
        rates = f"{number_text(alert.long_rate, 1)} and {number_text(alert.short_rate, 1)} times an even rate"
        lines.append(
            f"{alert.severity.lower()}: spent over {hours} at {rates}; allowed: {number_text(alert.factor, 1)}"
        )
    return lines


def _amount_text(amounts: BudgetAmounts, unit: str) -> str:
    limited = unit == "usd" or amounts.HasField(unit)  # type: ignore[arg-type]
    return number_text(getattr(amounts, unit), 6) if limited else "unlimited"
