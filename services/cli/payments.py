"""``--payments``: an invoice plan as a file for those who pay, CSV or a bank's pain.001."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from services.cli.output import note
from services.cli.parameters import Label
from solvers.errors import InvalidProblem

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
SUFFIXES = (".csv", ".xml")


@dataclass(frozen=True)
class PaymentOptions:
    """Where payments go and who pays.

    Parameters
    ----------
    payments_path
        ``.csv`` (every decision) or ``.xml`` (payments as pain.001.001.09); ``None`` for no file.
    debtor
        Name of who pays.
    debtor_ibans, debtor_bics
        Pairs of an account's id and its IBAN or BIC.
    """

    payments_path: Path | None = None
    debtor: str = ""
    debtor_ibans: tuple[tuple[str, str], ...] = ()
    debtor_bics: tuple[tuple[str, str], ...] = ()

    def check(self, kind: str) -> None:
        """Refuse what cannot be honoured before anything is solved. Raises `click.UsageError`."""
        if self.payments_path is None:
            if self.debtor or self.debtor_ibans or self.debtor_bics:
                raise click.UsageError("--debtor options go with --payments FILE.xml")
            return
        if kind != "invoices":
            raise click.UsageError(
                f"--payments writes invoice plans, and this is a problem of kind {kind}; leave it out"
            )
        suffix = self.payments_path.suffix.lower()
        if suffix not in SUFFIXES:
            raise click.UsageError(f"--payments is {str(self.payments_path)!r}; allowed: a name in .csv or .xml")
        if suffix == ".xml" and not self.debtor:
            raise click.UsageError("--payments FILE.xml needs --debtor NAME, who pays")
        if suffix == ".csv" and (self.debtor or self.debtor_ibans or self.debtor_bics):
            raise click.UsageError("--debtor options go with --payments FILE.xml")


def payment_options(function: FunctionT) -> FunctionT:
    """Add the options of `PaymentOptions` to a command."""
    path = click.option(
        "--payments",
        "payments_path",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help="Write an invoice plan: .csv (every decision) or .xml (payments as pain.001.001.09).",
    )
    debtor = click.option("--debtor", default="", help="Name of who pays, for --payments FILE.xml.")
    ibans = click.option(
        "--debtor-iban",
        "debtor_ibans",
        type=Label(),
        multiple=True,
        help="IBAN of an account: main=DE02... Repeatable.",
    )
    bics = click.option(
        "--debtor-bic", "debtor_bics", type=Label(), multiple=True, help="BIC of an account's bank. Repeatable."
    )
    return path(debtor(ibans(bics(function))))


def write_payments(request: Any, response: Any, options: PaymentOptions) -> bool:
    """Write the plan in ``response`` as ``options`` say; whether it could. Says why not on standard error."""
    path = options.payments_path
    if path is None:
        return True
    if not response.HasField("plan"):
        note(f"isinglass: there is no plan; {click.format_filename(path)} was not written")
        return True
    try:
        text = _content(request.problem, response.plan, options, path.suffix.lower())
    except InvalidProblem as error:
        note(f"isinglass: {click.format_filename(path)} was not written")
        for violation in error.violations:
            note(f"  {violation.path}: {violation.problem}; allowed: {violation.allowed}")
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    except OSError as error:
        note(f"isinglass: {click.format_filename(path)} could not be written: {error.strerror}")
        return False
    note(f"isinglass: wrote {click.format_filename(path)}")
    return True


def _content(problem: Any, plan: Any, options: PaymentOptions, suffix: str) -> bytes:
    if suffix == ".csv":
        from services.convert.invoices_table import decisions_csv

        return decisions_csv(problem, plan).encode()
    from services.convert.invoices_pain import Debtor, credit_transfer

    debtor = Debtor(options.debtor, dict(options.debtor_ibans), dict(options.debtor_bics))
    return credit_transfer(problem, plan, debtor, datetime.now(UTC))
