"""The options of a solve, and the ``SolvePolicy`` that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from services.cli.parameters import Duration, Label

if TYPE_CHECKING:
    from protos.common_pb2 import SolvePolicy

PROFILES = ("classical", "simulate", "hybrid", "hardware")
_MAX_EXACT = 2**53 - 1

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--deadline", "deadline_s", type=Duration(), help="From receipt to reply: 10s, 500ms, 2m. Default: 10s."
    ),
    click.option(
        "--budget-usd", type=click.FloatRange(0), help="Most to spend on metered backends, US dollars. Default: 0."
    ),
    click.option(
        "--max-shots", type=click.IntRange(0, _MAX_EXACT), help="Most shots on quantum backends. Default: 2000."
    ),
    click.option(
        "--profile", type=click.Choice(PROFILES), help="Which solvers and backends may take part. Default: classical."
    ),
    click.option(
        "--backend", "backends", multiple=True, metavar="NAME", help="Only this backend; may be given several times."
    ),
    click.option("--external-allowed", is_flag=True, help="Backends of vendors may see kernels of the problem."),
    click.option(
        "--target-gap", type=click.FloatRange(0), help="Stop once the proved gap is at most this (0.01: 1 %)."
    ),
    click.option(
        "--seed", type=click.IntRange(0, _MAX_EXACT), help="All chance comes from it. Default: drawn, reported."
    ),
    click.option("--priority", type=click.IntRange(0, 9), help="Higher goes first among waiting jobs. Default: 5."),
    click.option(
        "--replayable", is_flag=True, help="Work limit instead of a clock, so that `replay` is byte-identical."
    ),
    click.option("--project", default="", help="Whose budget pays, within the tenant."),
    click.option(
        "--label", "labels", type=Label(), multiple=True, help="For usage reports; may be given several times."
    ),
    click.option("--idempotency-key", default="", help="The same key with the same request is the same job."),
    click.option(
        "--max-age",
        "max_age_s",
        type=Duration(),
        help="An earlier answer to the same request will do if it is no older.",
    ),
)


def policy_options(function: FunctionT) -> FunctionT:
    """Add the options of `PolicyOptions` to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class PolicyOptions:
    """What was given on the command line; ``None``, false and empty mean not given. Units as in ``SolvePolicy``."""

    deadline_s: float | None = None
    budget_usd: float | None = None
    max_shots: int | None = None
    profile: str | None = None
    backends: tuple[str, ...] = ()
    external_allowed: bool = False
    target_gap: float | None = None
    seed: int | None = None
    priority: int | None = None
    replayable: bool = False
    project: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    idempotency_key: str = ""
    max_age_s: float | None = None

    def apply(self, policy: SolvePolicy) -> None:
        """Write what was given into ``policy``; what the request file says of the rest stays."""
        from protos.common_pb2 import DataResidency, Profile

        if self.deadline_s is not None:
            policy.deadline.FromNanoseconds(round(self.deadline_s * 1e9))
        for name in ("budget_usd", "max_shots", "target_gap", "seed", "priority"):
            if (value := getattr(self, name)) is not None:
                setattr(policy, name, value)
        if self.profile is not None:
            policy.profile = Profile.Value(self.profile.upper())
        if self.backends:
            policy.allowed_backends[:] = self.backends
        if self.external_allowed:
            policy.data_residency = DataResidency.EXTERNAL_ALLOWED
        if self.replayable:
            policy.replayable = True
        policy.labels.update(self.labels)
        if self.max_age_s is not None:
            policy.max_age.FromNanoseconds(round(self.max_age_s * 1e9))
        if self.idempotency_key:
            policy.idempotency_key = self.idempotency_key
