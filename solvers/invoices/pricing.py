"""Every item decides alone, given prices of cash and of the caps."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _decide(cost, never, cash, price, currency, fee, best, second, choice):  # type: ignore[no-untyped-def]
    """Cheapest and second cheapest option of each item; returns the sum of the cheapest."""
    total = 0.0
    for item in range(cost.shape[0]):
        first, next_, at = never[item], np.inf, -1
        of_item = price[currency[item]]
        for t in range(cost.shape[1]):
            value = cost[item, t] + of_item[t] * cash[item, t] + fee[item]
            if value < first:
                first, next_, at = value, first, t
            elif value < next_:
                next_ = value
        best[item], second[item], choice[item] = first, next_, at
        total += first
    return total


class Pricer:
    """Prices the items of one model over and over.

    ``best``, ``second`` (base units) and ``choice`` (run, or `NEVER`), shape (items,), hold what the last call found.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.best = np.zeros(model.items)
        self.second = np.zeros(model.items)
        self.choice = np.full(model.items, NEVER, dtype=np.int64)
        liquidity, currencies = model.liquidity, len(model.columns.currencies)
        self.accounts_of = [np.flatnonzero(liquidity.currency == code) for code in range(currencies)]
        self.account = np.zeros((currencies, model.runs), dtype=np.int64)
        self.fee = np.zeros(model.items)

    def __call__(self, price: FloatArray, cap_price: FloatArray) -> float:
        """Sum over items of the cheapest option.

        Parameters
        ----------
        price
            Shape (A, T): base units per minor unit that leaves account a on run t.
        cap_price
            Shape (G,): base units per minor unit of base value that counts in a cap.
        """
        model = self.model
        cheapest = np.zeros((len(self.accounts_of), model.runs))
        for code, accounts in enumerate(self.accounts_of):
            position = price[accounts].argmin(axis=0)
            self.account[code] = accounts[position]
            cheapest[code] = price[accounts, :].min(axis=0)
        self.fee = cap_fee(model, cap_price)
        options = model.options
        total: float = _decide(
            options.cost,
            options.never,
            options.cash_minor,
            cheapest,
            model.columns.currency,
            self.fee,
            self.best,
            self.second,
            self.choice,
        )
        return total

    def accounts_chosen(self) -> IntArray:
        """Account of each item's choice, `NEVER` where it is not paid."""
        paid = self.choice >= 0
        found = np.full(len(self.choice), NEVER, dtype=np.int64)
        found[paid] = self.account[self.model.columns.currency[paid], self.choice[paid]]
        return found


def cap_fee(model: Model, cap_price: FloatArray) -> FloatArray:
    """What the caps charge for paying each item, shape (items,)."""
    fee = np.zeros(model.items)
    if len(cap_price):
        for member in model.caps.member.T:
            rows = member >= 0
            fee[rows] += cap_price[member[rows]] * model.columns.base_minor[rows]
    return fee
