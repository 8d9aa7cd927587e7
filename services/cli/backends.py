"""``isinglass backends`` and ``isinglass budget``: what may take part, and what it may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from services.cli.output import EXIT_OK, message_json, number_text, print_json, print_table, time_text
from services.cli.session import Session

if TYPE_CHECKING:
    from protos.federation_pb2 import BackendInfo, Budget

_UNITS = ("usd", "shots", "device_seconds")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def backends(session: Session, as_json: bool) -> int:
    """Devices and simulators: health, queue, price, age of the calibration."""
    with session.client() as client:
        from protos.federation_pb2 import ListBackendsRequest

        answer = client.call(client.federation.ListBackends, ListBackendsRequest())
    if as_json:
        print_json(message_json(answer))
        return EXIT_OK
    headers = (
        "backend",
        "technology",
        "qubits",
        "state",
        "queue",
        "$/task",
        "$/shot",
        "$/s",
        "price as of",
        "calibrated",
    )
    rows = (
        (
            info.name,
            f"{info.technology}{', local' if info.local else ''}",
            str(info.qubits),
            _state(info),
            str(info.queue_length),
            number_text(info.price.per_task_usd, 6),
            number_text(info.price.per_shot_usd, 6),
            number_text(info.price.per_second_usd, 6),
            info.price.as_of,
            time_text(info.oldest_calibration),
        )
        for info in answer.backends
    )
    print_table("", headers, rows, numeric=("qubits", "queue", "$/task", "$/shot", "$/s"))
    return EXIT_OK


def _state(info: BackendInfo) -> str:
    if info.available:
        return "available" if info.circuit_state in ("", "CLOSED") else info.circuit_state.lower().replace("_", " ")
    return f"unavailable: {info.unavailable_reason}" if info.unavailable_reason else "unavailable"


@click.group(invoke_without_command=True)
@click.option("--project", default="", help="A project of the tenant; default: the tenant as a whole.")
@click.option("--period", default="", help='A month, "2026-11", or "total". Default: this month.')
@click.option("--tenant", default="", help="Another tenant; needs role operator.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def budget(context: click.Context, project: str, period: str, tenant: str, as_json: bool) -> int | None:
    """What may be spent on metered backends: limit, reserved, settled, free."""
    if context.invoked_subcommand is not None:
        return None
    with context.ensure_object(Session).client() as client:
        from protos.federation_pb2 import GetBudgetRequest

        request = GetBudgetRequest(project=project, period=period, tenant=tenant)
        _show_budget(client.call(client.federation.GetBudget, request), as_json)
    return EXIT_OK


@budget.command("set")
@click.option("--usd", type=click.FloatRange(0), help="US dollars.")
@click.option("--shots", type=click.IntRange(0, 2**53 - 1), help="Shots on quantum backends.")
@click.option("--device-seconds", type=click.FloatRange(0), help="Seconds of device time.")
@click.option("--project", default="", help="A project of the tenant; default: the tenant as a whole.")
@click.option("--period", default="", help='A month, "2026-11", or "total". Default: this month.')
@click.option("--tenant", default="", help="Another tenant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def set_budget(
    session: Session,
    *,
    usd: float | None,
    shots: int | None,
    device_seconds: float | None,
    project: str,
    period: str,
    tenant: str,
    as_json: bool,
) -> int:
    """Set limits (role operator). A limit that is not given keeps its value."""
    given = {"usd": usd, "shots": shots, "device_seconds": device_seconds}
    if all(value is None for value in given.values()):
        raise click.UsageError("nothing to set; give --usd, --shots or --device-seconds")
    with session.client() as client:
        from protos.federation_pb2 import GetBudgetRequest, SetBudgetRequest

        current = client.call(
            client.federation.GetBudget, GetBudgetRequest(project=project, period=period, tenant=tenant)
        )
        request = SetBudgetRequest(project=project, period=period, tenant=tenant, limit=current.limit)
        for unit, value in given.items():
            if value is not None:
                setattr(request.limit, unit, value)
        _show_budget(client.call(client.federation.SetBudget, request), as_json)
    return EXIT_OK


def _show_budget(answer: Budget, as_json: bool) -> None:
    if as_json:
        print_json(message_json(answer))
        return
    scope = answer.tenant + (f"/{answer.project}" if answer.project else "")
    parts = ("limit", "reserved", "settled", "free")
    rows = (
        [unit.replace("_", " "), *(number_text(getattr(getattr(answer, part), unit), 6) for part in parts)]
        for unit in _UNITS
    )
    print_table(f"Budget of {scope}, {answer.period}", ("unit", *parts), rows, numeric=parts)
