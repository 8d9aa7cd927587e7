"""Payments of a plan as a credit transfer initiation for a bank: ISO 20022 pain.001.001.09.

The service executes no payment: this is what a person or a payment hub may sign and send. Amounts are exact, the same
plan gives the same identifiers. What the standard, and SEPA for euros, ask for is checked before anything is written.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, InvoiceProblem
from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.money import MINOR_DIGITS

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
MAX_NAME, MAX_REMITTANCE, MAX_TRANSFERS = 70, 140, 100_000
MOST_SEPA = Decimal("999999999.99")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_OUTSIDE = re.compile(r"[^A-Za-z0-9/?:().,'+ -]")
"""What the Latin character set of SEPA lacks."""


@dataclass(frozen=True)
class Debtor:
    """Who pays.

    Parameters
    ----------
    name
        1 - 70 characters.
    iban_by_account, bic_by_account
        Of the bank accounts of the problem; an account whose id is an IBAN needs no entry.
    """

    name: str
    iban_by_account: Mapping[str, str] = field(default_factory=dict)
    bic_by_account: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Transfer:
    """One payment, checked."""

    date: str
    account_id: str
    currency: str
    amount: Decimal
    end_to_end_id: str
    creditor: str
    iban: str
    remittance: str


def iban_fault(text: str) -> str | None:
    """What is wrong with an IBAN (ISO 13616: form and check digits); ``None`` when nothing is."""
    plain = "".join(text.split()).upper()
    if not plain:
        return "is missing"
    if not _IBAN.fullmatch(plain):
        return f"is {text!r}, no IBAN"
    digits = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
    return None if int(digits) % 97 == 1 else f"is {text!r}, whose check digits are wrong"


def latin(text: str, most: int) -> str:
    """``text`` in SEPA's character set, at most ``most`` characters: accents dropped, other signs as full stops."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("&", "+"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(_OUTSIDE.sub(".", plain).split())[:most]


def credit_transfer(problem: InvoiceProblem, plan: InvoicePlan, debtor: Debtor, created: datetime) -> bytes:
    """Every payment of ``plan`` as a pain.001 document, one payment information block per run, account and currency.

    Parameters
    ----------
    problem
        What the plan is for.
    created
        When the document is made.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every payment that cannot be written: without an IBAN, with a wrong one, not safe to process.
    """
    found: list[FieldViolation] = []
    transfers = _transfers(problem, plan, found)
    ibans = _debtor_accounts(debtor, sorted({transfer.account_id for transfer in transfers}), found)
    if not latin(debtor.name, MAX_NAME):
        found.append(FieldViolation("debtor name", "is empty", f"1 - {MAX_NAME} characters"))
    if not transfers and not found:
        found.append(FieldViolation("plan", "pays nothing", "at least one payment"))
    if len(transfers) > MAX_TRANSFERS:
        found.append(FieldViolation("plan", f"has {len(transfers):,} payments", f"at most {MAX_TRANSFERS:,} a file"))
    if found:
        raise InvalidProblem(found)
    return _document(transfers, debtor, ibans, created)


def _transfers(problem: InvoiceProblem, plan: InvoicePlan, found: list[FieldViolation]) -> list[_Transfer]:
    """Payments by date, account and currency, in the plan's order; what is wrong goes to ``found``."""
    positions = {invoice.invoice_id: index for index, invoice in enumerate(problem.invoices)}
    transfers, seen, named = [], set(), set()
    for decision in plan.decisions:
        if decision.decision != InvoiceDecision.PAY:
            continue
        at = positions[decision.invoice_id]
        invoice, path = problem.invoices[at], f"invoices[{at}]"
        fault = iban_fault(invoice.payee_iban)
        if fault and at not in named:
            named.add(at)
            allowed = f"the IBAN to which invoice {invoice.invoice_id} is paid"
            found.append(FieldViolation(f"{path}.payee_iban", fault, allowed))
        if not decision.safe_to_process:
            problem_text = "is not safe to process"
            found.append(FieldViolation(path, problem_text, "a payment within the exposure cap and the CVaR limit"))
        amount = Decimal(decision.payment_amount.units) + Decimal(decision.payment_amount.nanos).scaleb(-9)
        currency = decision.payment_amount.currency_code
        amount = amount.quantize(Decimal(1).scaleb(-MINOR_DIGITS[currency]))
        if not 0 < amount <= MOST_SEPA:
            found.append(FieldViolation(path, f"pays {amount} {currency}", f"more than 0, at most {MOST_SEPA}"))
        if decision.end_to_end_id in seen:
            found.append(FieldViolation(path, f"repeats the EndToEndId {decision.end_to_end_id}", "each once"))
        seen.add(decision.end_to_end_id)
        date = decision.requested_execution_date
        part = f" part {decision.part}" if decision.part else ""
        transfers.append(
            _Transfer(
                date=f"{date.year:04}-{date.month:02}-{date.day:02}",
                account_id=decision.account_id,
                currency=currency,
                amount=amount,
                end_to_end_id=decision.end_to_end_id,
                creditor=latin(invoice.supplier_id, MAX_NAME),
                iban="".join(invoice.payee_iban.split()).upper(),
                remittance=latin((invoice.invoice_number or invoice.invoice_id) + part, MAX_REMITTANCE),
            )
        )
    return sorted(transfers, key=lambda transfer: (transfer.date, transfer.account_id, transfer.currency))


def _debtor_accounts(debtor: Debtor, accounts: list[str], found: list[FieldViolation]) -> dict[str, str]:
    """IBAN of each account that pays."""
    ibans = {}
    for account in accounts:
        given = debtor.iban_by_account.get(account, account if iban_fault(account) is None else "")
        fault = iban_fault(given)
        if fault:
            found.append(FieldViolation(f"debtor account {account}", f"{fault}", f"{account}=IBAN"))
        ibans[account] = "".join(given.split()).upper()
        bic = debtor.bic_by_account.get(account, "")
        if bic and not _BIC.fullmatch(bic):
            found.append(FieldViolation(f"debtor account {account}", f"has the BIC {bic!r}", "8 or 11 characters"))
    known = set(accounts)
    idle = sorted({*debtor.iban_by_account, *debtor.bic_by_account} - known)
    found += [FieldViolation(f"debtor account {a}", "pays nothing in this plan", ", ".join(accounts)) for a in idle]
    return ibans


def _document(transfers: list[_Transfer], debtor: Debtor, ibans: Mapping[str, str], created: datetime) -> bytes:
    """The XML, in the order of the schema."""
    said = "\x1f".join(f"{t.end_to_end_id} {t.amount} {t.currency}" for t in transfers)
    message_id = "ISG" + base64.b32encode(hashlib.sha256(said.encode()).digest()).decode()[:24]
    root = Element("Document", {"xmlns": NAMESPACE})
    initiation = SubElement(root, "CstmrCdtTrfInitn")
    header = SubElement(initiation, "GrpHdr")
    _text(header, "MsgId", message_id)
    _text(header, "CreDtTm", created.replace(microsecond=0).isoformat())
    _totals(header, transfers)
    _text(SubElement(header, "InitgPty"), "Nm", latin(debtor.name, MAX_NAME))
    groups: dict[tuple[str, str, str], list[_Transfer]] = {}
    for transfer in transfers:
        groups.setdefault((transfer.date, transfer.account_id, transfer.currency), []).append(transfer)
    for number, ((date, account, currency), members) in enumerate(groups.items(), start=1):
        block = SubElement(initiation, "PmtInf")
        _text(block, "PmtInfId", f"{message_id}-{number}")
        _text(block, "PmtMtd", "TRF")
        _totals(block, members)
        if currency == "EUR":
            _text(SubElement(SubElement(block, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
        _text(SubElement(block, "ReqdExctnDt"), "Dt", date)
        _text(SubElement(block, "Dbtr"), "Nm", latin(debtor.name, MAX_NAME))
        _account(block, "DbtrAcct", ibans[account], currency)
        agent = SubElement(SubElement(block, "DbtrAgt"), "FinInstnId")
        bic = debtor.bic_by_account.get(account)
        if bic:
            _text(agent, "BICFI", bic)
        else:
            _text(SubElement(agent, "Othr"), "Id", "NOTPROVIDED")
        _text(block, "ChrgBr", "SLEV" if currency == "EUR" else "SHAR")
        for transfer in members:
            _transfer(block, transfer)
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _transfer(block: Element, transfer: _Transfer) -> None:
    entry = SubElement(block, "CdtTrfTxInf")
    _text(SubElement(entry, "PmtId"), "EndToEndId", transfer.end_to_end_id)
    amount = SubElement(SubElement(entry, "Amt"), "InstdAmt", {"Ccy": transfer.currency})
    amount.text = str(transfer.amount)
    _text(SubElement(entry, "Cdtr"), "Nm", transfer.creditor)
    _account(entry, "CdtrAcct", transfer.iban)
    _text(SubElement(entry, "RmtInf"), "Ustrd", transfer.remittance)


def _totals(parent: Element, transfers: list[_Transfer]) -> None:
    _text(parent, "NbOfTxs", str(len(transfers)))
    _text(parent, "CtrlSum", str(sum((transfer.amount for transfer in transfers), Decimal(0))))


def _account(parent: Element, tag: str, iban: str, currency: str = "") -> None:
    account = SubElement(parent, tag)
    _text(SubElement(account, "Id"), "IBAN", iban)
    if currency:
        _text(account, "Ccy", currency)


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text
