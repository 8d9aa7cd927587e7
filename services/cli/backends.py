"""``isinglass backends``: what may take part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from services.cli.output import EXIT_OK, message_json, number_text, print_json, print_table, time_text
from services.cli.session import Session

if TYPE_CHECKING:
    from protos.federation_pb2 import BackendInfo


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
        "health",
        "traffic",
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
            number_text(info.health, 3),
            f"{number_text(100 * info.traffic_weight, 1)} % of {info.group}" if info.group else "",
            str(info.queue_length),
            number_text(info.price.per_task_usd, 6),
            number_text(info.price.per_shot_usd, 6),
            number_text(info.price.per_second_usd, 6),
            info.price.as_of,
            time_text(info.oldest_calibration),
        )
        for info in answer.backends
    )
    print_table("", headers, rows, numeric=("qubits", "health", "queue", "$/task", "$/shot", "$/s"), wrap=("state",))
    return EXIT_OK


def _state(info: BackendInfo) -> str:
    if info.available:
        return "available" if info.circuit_state in ("", "CLOSED") else info.circuit_state.lower().replace("_", " ")
    return f"unavailable: {info.unavailable_reason}" if info.unavailable_reason else "unavailable"
