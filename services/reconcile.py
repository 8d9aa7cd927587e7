"""InvoiceService.ReconcileOutage: what to confirm, reverse and catch up after an outage."""

from __future__ import annotations

from typing import Any

from store.keys import Principal


async def reconcile_outage(principal: Principal, request: Any, correlation_id: str) -> Any:
    """Refused: not there yet."""
    raise NotImplementedError("ReconcileOutage is not implemented yet; PrioritizeInvoices is")
