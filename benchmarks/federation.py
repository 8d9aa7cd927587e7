"""All that federation has to show: the outage drill, reservations under kills, selection on the trace, decisions."""

from __future__ import annotations

from typing import Any

from benchmarks import drill, drill_reservations, selection


def run(quick: bool = False) -> dict[str, Any]:
    """Each part's own figures; the drill starts a service of its own."""
    return {
        "name": "federation",
        "drill": drill.run(quick),
        "reservations": drill_reservations.run(quick),
        "selection": selection.run(quick),
    }


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    parts = (("drill", drill), ("reservations", drill_reservations), ("selection", selection))
    return "\n\n".join(module.table(result[name]) for name, module in parts)


if __name__ == "__main__":
    import sys

    print(table(run(quick="--quick" in sys.argv)))
