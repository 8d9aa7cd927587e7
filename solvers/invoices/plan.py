"""A plan: for every item (an invoice, or an instalment of one) when and from which account it is paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NEVER = -1


@dataclass(frozen=True, eq=False)
class InvoicePlan:
    """Payment run and account of every item, in the order of `solvers.invoices.columns.Columns`.

    Parameters
    ----------
    date_index
        Shape (items,), int16: index into ``payment_run_days``, or `NEVER` for not within the horizon.
    account_index
        Shape (items,), int16: index into ``bank_accounts``, or `NEVER` where ``date_index`` is.
    """

    date_index: npt.NDArray[np.int16]
    account_index: npt.NDArray[np.int16]

    def __post_init__(self) -> None:
        for name in ("date_index", "account_index"):
            values = np.ascontiguousarray(getattr(self, name), dtype=np.int16)
            if values.ndim != 1:
                raise ValueError(f"{name} has {values.ndim} dimensions; allowed: 1")
            if values.flags.writeable:
                values = values.copy()
                values.flags.writeable = False
            object.__setattr__(self, name, values)
        if len(self.date_index) != len(self.account_index):
            raise ValueError("date_index and account_index differ in length")

    def __len__(self) -> int:
        return len(self.date_index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InvoicePlan):
            return NotImplemented
        return np.array_equal(self.date_index, other.date_index) and np.array_equal(
            self.account_index, other.account_index
        )

    def __hash__(self) -> int:
        return hash((self.date_index.tobytes(), self.account_index.tobytes()))
