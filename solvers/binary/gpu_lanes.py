"""Thousands of replicas of one model on a device of PyTorch: `solvers.binary.lanes` for a GPU.

Rule, temperatures, starts and random numbers are those of the lanes: in each replica the k-th variable of the order is
decided by the k-th number of its xorshift32. Where float32 holds all fields exactly (integer weights), a replica ends
with the spins of the CPU's sweep over the same order, operation for operation; the CPU's compiler may fuse a product
and a sum of the acceptance into one rounding, which can change a decision once in a great many.

A GPU wants many spins at once. *By colour*: the variables of one colour share no product and are decided together in
all replicas. *By row*, where almost everything is coupled: the fields of a block of rows come from one matrix product,
then its rows are decided one after the other in all replicas, each told to the rows below it in the block.
Fields are summed anew before they are used, so no rounding builds up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.colouring import colour_groups
from solvers.binary.ising import Ising
from solvers.binary.lanes import HEAT_BATH, METROPOLIS, float32_scale
from solvers.binary.xorshift import PART_BITS, jump, tables

DENSE_GROUP = 4.0
"""Below this many variables a colour, going row by row takes few more steps, and fields are cheaper."""

MOST_DENSE = 16_384
"""Variables of a matrix held in full: 1 GiB."""

BLOCK_ROWS = 64
ASK_UPDATES = 4_000_000
"""Decisions between two questions whether to go on: some milliseconds of a GPU."""

Step = Callable[[float, int], None]


class Layout:
    """How a model is gone through: its order and its steps, each a run of variables in that order.

    Parameters
    ----------
    model
        At least one spin.
    by_colour
        Which form; read off the model when absent.
    """

    def __init__(self, model: Ising, by_colour: bool | None = None) -> None:
        groups = colour_groups(model)
        self.model = model
        self.group = model.size / len(groups)
        if by_colour is None:
            by_colour = self.group >= DENSE_GROUP or model.size > MOST_DENSE
        self.by_colour = by_colour
        self.order = np.concatenate(groups) if by_colour else np.arange(model.size)
        sizes = [group.shape[0] for group in groups]
        self.edges = (
            np.cumsum([0, *sizes]) if by_colour else np.append(np.arange(0, model.size, BLOCK_ROWS), model.size)
        )

    @property
    def form(self) -> str:
        """In words, for records."""
        return "by colour" if self.by_colour else "by row"

    @property
    def at_once(self) -> float:
        """Variables decided by one step of the device, on average."""
        return self.group if self.by_colour else 1.0

    @property
    def bytes_per_replica(self) -> int:
        """Memory of one replica: spins, states, starts and what drawing them takes, and arrays over one step."""
        return 20 * self.model.size + 48 * int(np.diff(self.edges).max())


class TorchReplicas:
    """Replicas of one model side by side on one device.

    Parameters
    ----------
    layout
        Of the model.
    spins
        Starts, -1 or +1, shape ``(n, replicas)``, in the model's order.
    states
        Of xorshift32, uint32, none zero, shape ``(replicas,)``.
    device
        Of PyTorch: ``"cuda:0"``, ``"cpu"``.
    """

    def __init__(self, layout: Layout, spins: NDArray[np.int8], states: NDArray[np.uint32], device: str) -> None:
        import torch

        self._torch: Any = torch
        self._layout, self._device = layout, torch.device(device)
        model = layout.model
        self._scale = float32_scale(model)
        self._field = self._on_device(model.field[layout.order, None] * self._scale, torch.float32)
        self._spins = self._on_device(spins[layout.order], torch.float32)
        with torch.inference_mode():
            self._states = self._first_states(states, model.size)
            self._jump = self._tables(model.size)
            self._steps = self._steps_by_colour() if layout.by_colour else self._steps_by_row()

    def run(self, betas: NDArray[np.float64], more: Callable[[], bool], rule: int = METROPOLIS) -> bool:
        """One sweep per inverse temperature in ``betas`` (per unit of energy); whether ``more`` always said yes."""
        asked = 0
        replicas = self._spins.shape[1]
        with self._torch.inference_mode():
            for beta in betas / self._scale:
                scale = float(np.float32(beta * 2.0 / 32.0))
                for step, size in self._steps:
                    if asked <= 0:
                        self._settle()
                        if not more():
                            return False
                        asked = ASK_UPDATES
                    step(scale, rule)
                    asked -= size * replicas
        self._settle()
        return True

    def read(self) -> NDArray[np.int8]:
        """Spins, int8, shape ``(replicas, n)``, in the model's order."""
        ordered: NDArray[np.int8] = self._spins.T.to(self._torch.int8).cpu().numpy()
        result = np.empty_like(ordered)
        result[:, self._layout.order] = ordered
        return result

    def _steps_by_colour(self) -> list[tuple[Step, int]]:
        """One step a colour: all its fields, then all its decisions."""
        from scipy.sparse import csr_array

        torch, layout, model = self._torch, self._layout, self._layout.model
        matrix = csr_array((model.weights, model.indices, model.indptr), shape=(model.size, model.size))
        place = np.empty(model.size, dtype=np.int64)
        place[layout.order] = np.arange(model.size)
        steps: list[tuple[Step, int]] = []
        for first, last in zip(layout.edges[:-1], layout.edges[1:], strict=True):
            rows = matrix[layout.order[first:last]]
            neighbours = self._on_device(place[rows.indices], torch.int32)
            weights = self._on_device(rows.data * self._scale, torch.float32)
            starts = self._on_device(rows.indptr, torch.int32)
            step = partial(self._decide_colour, slice(int(first), int(last)), neighbours, weights, starts)
            steps.append((step, int(last - first)))
        return steps

    def _decide_colour(self, rows: slice, neighbours: Any, weights: Any, starts: Any, scale: float, rule: int) -> None:
        spins = self._spins[rows]
        local = self._torch.nn.functional.embedding_bag(
            neighbours, self._spins, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
        )
        local += self._field[rows]
        flip = self._flips(spins * local * -scale, self._chances(rows), rule)
        spins.copy_(self._torch.where(flip, -spins, spins))

    def _steps_by_row(self) -> list[tuple[Step, int]]:
        """One step a block of rows."""
        torch, layout, model = self._torch, self._layout, self._layout.model
        dense = np.zeros((model.size, model.size), dtype=np.float32)
        dense[np.repeat(np.arange(model.size), np.diff(model.indptr)), model.indices] = model.weights * self._scale
        matrix = self._on_device(dense, torch.float32)
        return [
            (partial(self._decide_block, slice(int(first), int(last)), matrix[first:last]), int(last - first))
            for first, last in zip(layout.edges[:-1], layout.edges[1:], strict=True)
        ]

    def _decide_block(self, rows: slice, matrix: Any, scale: float, rule: int) -> None:
        spins, chances = self._spins[rows], self._chances(rows)
        local = matrix @ self._spins
        local += self._field[rows]
        inner = matrix[:, rows]
        for k in range(inner.shape[0]):
            flip = self._flips(spins[k] * local[k] * -scale, chances[k], rule)
            change = self._torch.where(flip, -2.0 * spins[k], 0.0)
            spins[k] += change
            local[k + 1 :].addr_(inner[k + 1 :, k], change)

    def _flips(self, rise: Any, chance: Any, rule: int) -> Any:
        """Whether each spin flips, by the arithmetic of `solvers.binary.lanes.sweep`, operation for operation."""
        size = rise.clamp(min=0.0) if rule == METROPOLIS else rise.abs()
        t = size.clamp_(max=1.0)
        p = 1.0 - t * (1.0 - t * (0.5 - t * (1.0 / 6.0)))
        for _ in range(5):
            p *= p
        if rule == HEAT_BATH:
            return chance * (1.0 + p) < self._torch.where(rise > 0.0, p, 1.0)
        return chance < p

    def _chances(self, rows: slice) -> Any:
        """The numbers of this sweep, float32 in (0, 1); the states go on to those of the next."""
        states = self._states[rows]
        chances = ((states >> 1) & 0x7FFFFFFF).to(self._torch.float32)
        states.copy_(self._jumped(self._jump, states))
        return (chances + 0.5) * 2.0**-31

    def _first_states(self, states: NDArray[np.uint32], size: int) -> Any:
        """The first ``size`` numbers of each replica, twice as many at each jump."""
        torch = self._torch
        result = torch.empty((size, states.shape[0]), dtype=torch.int32, device=self._device)
        result[0] = self._jumped(self._tables(1), self._on_device(states.view(np.int32), torch.int32))
        known = 1
        while known < size:
            more = min(known, size - known)
            result[known : known + more] = self._jumped(self._tables(known), result[:more])
            known += more
        return result

    def _jumped(self, table: Any, states: Any) -> Any:
        mask = (1 << PART_BITS) - 1
        flat = states.reshape(-1)
        result = table[0].index_select(0, flat & mask)
        # A shift keeps the sign; the last table repeats itself, so the bit that is one too many makes no difference.
        result ^= table[1].index_select(0, (flat >> PART_BITS) & mask)
        result ^= table[2].index_select(0, (flat >> 2 * PART_BITS) & mask)
        return result.view(states.shape)

    def _tables(self, steps: int) -> Any:
        return self._on_device(tables(jump(steps)).view(np.int32), self._torch.int32)

    def _on_device(self, values: NDArray[Any], kind: Any) -> Any:
        return self._torch.as_tensor(np.ascontiguousarray(values), dtype=kind, device=self._device)

    def _settle(self) -> None:
        """Wait for what a GPU was given; it takes orders far ahead of its work."""
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)


def replicas_within(layout: Layout, free_bytes: int) -> int:
    """Replicas that fit into ``free_bytes`` beside the model itself; at least 32."""
    model = layout.model
    of_model = 8 * model.weights.shape[0] if layout.by_colour else 4 * model.size**2
    return max(32, math.floor((free_bytes - of_model) / layout.bytes_per_replica))
