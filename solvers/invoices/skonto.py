"""Cash discounts written into payment terms (BT-20) as XRechnung wants them: ``#SKONTO#TAGE=14#PROZENT=2.00#``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

_LINE = re.compile(r"#(?P<kind>[A-Z]+)#(?P<rest>.*)")
_SKONTO = re.compile(
    r"TAGE=(?P<days>\d{1,3})#PROZENT=(?P<percent>\d{1,3}\.\d{2})#(?:BASISBETRAG=(?P<base>\d+\.\d{2})#)?"
)
FORM = "#SKONTO#TAGE=14#PROZENT=2.00# with BASISBETRAG=1000.00# at most"


@dataclass(frozen=True)
class Skonto:
    """A discount for payment within ``days`` of the issue date: ``percent`` of ``base``, of all when ``None``."""

    days: int
    percent: Decimal
    base: Decimal | None = None

    def percent_of(self, amount: Decimal) -> Decimal:
        """Per cent of ``amount`` (> 0) that the discount is worth, at most 100, rounded down to four decimals."""
        share = self.percent if self.base is None else self.percent * self.base / amount
        return min(share, Decimal(100)).quantize(Decimal("0.0001"), ROUND_DOWN)


def parse_skonto(text: str) -> tuple[list[Skonto], list[str]]:
    """(discounts, lines that start as structured terms but are none that can be honoured); other text is prose."""
    found: list[Skonto] = []
    bad: list[str] = []
    for line in text.splitlines():
        structured = _LINE.fullmatch(line.strip())
        if structured is None:
            if line.strip().startswith("#"):
                bad.append(line.strip())
            continue
        match = _SKONTO.fullmatch(structured["rest"]) if structured["kind"] == "SKONTO" else None
        if match is None or Decimal(match["percent"]) > 100:
            bad.append(line.strip())
            continue
        base = None if match["base"] is None else Decimal(match["base"])
        found.append(Skonto(int(match["days"]), Decimal(match["percent"]), base))
    return found, bad
