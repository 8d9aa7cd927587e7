"""Electronic invoices (EN 16931) as invoices of a problem: UBL 2.1 and UN/CEFACT CII, which Factur-X and ZUGFeRD hold.

What says how and when an invoice is paid is read; the rest of the document concerns others. Nothing is validated
against the rules of EN 16931: an invoice read here counts as unverified unless the problem says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.csv_amounts import Unreadable, money_of, parse_day
from solvers.invoices.reader import date_json
from solvers.invoices.skonto import FORM, parse_skonto
from solvers.invoices.xml_tree import parse_xml
from solvers.problem import JsonObject

CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
UBL_INVOICE = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice"
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
RSM = "{urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100}"
CII_INVOICE = f"{RSM}CrossIndustryInvoice"
CREDIT_NOTES = {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"}
"""Document types (BT-3, UNTDID 1001) that are credit notes: money comes back, nothing is paid."""
EUROPEAN_UNION = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
))  # fmt: skip
"""Countries of sellers (BT-40, else the prefix of the VAT id, EL in Greece) with late interest by directive 2011/7."""
ALLOWED = "a UBL 2.1 Invoice or a CII CrossIndustryInvoice (Factur-X, ZUGFeRD)"


def read_einvoice(data: bytes, name: str) -> JsonObject:
    """One invoice in the field names of ``isinglass.v1.Invoice``.

    Parameters
    ----------
    data
        An XML document.
    name
        Of the file, for faults.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every fault by business term.
    """
    if data.startswith(b"%PDF"):
        problem = "is a PDF; an invoice embedded in one is not extracted"
        raise InvalidProblem([FieldViolation(name, problem, "the XML of the invoice (factur-x.xml)")])
    root = parse_xml(data, name)
    document = _Document(root, name)
    if root.tag == UBL_INVOICE:
        out = _ubl(document)
    elif root.tag == CII_INVOICE:
        out = _cii(document)
    else:
        raise InvalidProblem([FieldViolation(name, f"is a {root.tag.rpartition('}')[2]}", ALLOWED)])
    if document.found:
        raise InvalidProblem(document.found)
    return out


@dataclass
class _Document:
    """A document being read; ``found`` collects faults."""

    root: Element
    name: str
    found: list[FieldViolation] = field(default_factory=list)

    def fault(self, term: str, problem: str, allowed: str) -> None:
        self.found.append(FieldViolation(f"{self.name}, {term}", problem, allowed))

    def text(self, path: str) -> str:
        """Text of the first element at ``path`` that has any."""
        for element in self.root.iterfind(path):
            if element.text and element.text.strip():
                return element.text.strip()
        return ""

    def texts(self, path: str) -> list[str]:
        """Text of all elements at ``path``."""
        return [element.text for element in self.root.iterfind(path) if element.text]

    def needed(self, text: str, term: str, what: str) -> str:
        if not text:
            self.fault(term, "is missing", what)
        return text

    def day(self, text: str, term: str) -> int | None:
        """A date; ``None`` when empty or bad."""
        if not text:
            return None
        try:
            return parse_day(text)
        except Unreadable as error:
            self.fault(term, f"is {text!r}", str(error))
            return None

    def amount(self, text: str, term: str) -> Decimal | None:
        """A decimal number as XML Schema writes it."""
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite():
            self.fault(term, f"is {text!r}", "a decimal number such as 1234.56")
            return None
        return value


@dataclass(frozen=True)
class _Terms:
    """What both syntaxes say, in one form. ``discounts`` are (last day, per cent of the amount)."""

    number: str
    kind: str
    issue: int | None
    due: int | None
    currency: str
    payable: Decimal | None
    supplier_id: str
    vat_id: str
    country: str
    iban: str
    notes: str
    discounts: tuple[tuple[int, Decimal], ...] = ()


def _ubl(document: _Document) -> JsonObject:
    text, party = document.text, f"{CAC}AccountingSupplierParty/{CAC}Party/"
    payable = f"{CAC}LegalMonetaryTotal/{CBC}PayableAmount"
    element = document.root.find(payable)
    currency = text(f"{CBC}DocumentCurrencyCode")
    stated = "" if element is None else element.get("currencyID", "")
    if stated and stated != currency:
        document.fault("BT-115", f"is in {stated}", f"the document's currency {currency or '(missing)'}")
    means = f"{CAC}PaymentMeans/"
    vat = text(f"{party}{CAC}PartyTaxScheme/{CBC}CompanyID")
    names = (
        f"{CAC}PartyIdentification/{CBC}ID", f"{CAC}PartyLegalEntity/{CBC}RegistrationName",
        f"{CAC}PartyName/{CBC}Name",
    )  # fmt: skip
    issue = document.day(document.needed(text(f"{CBC}IssueDate"), "BT-2", "the issue date"), "BT-2")
    due = document.day(text(f"{CBC}DueDate") or text(f"{means}{CBC}PaymentDueDate"), "BT-9")
    return _invoice(
        document,
        _Terms(
            number=text(f"{CBC}ID"),
            kind=text(f"{CBC}InvoiceTypeCode"),
            issue=issue,
            due=due,
            currency=currency,
            payable=document.amount(text(payable), "BT-115"),
            supplier_id=_first(text, party, names),
            vat_id=vat,
            country=text(f"{party}{CAC}PostalAddress/{CAC}Country/{CBC}IdentificationCode"),
            iban=text(f"{means}{CAC}PayeeFinancialAccount/{CBC}ID"),
            notes="\n".join(document.texts(f"{CAC}PaymentTerms/{CBC}Note")),
        ),
    )


def _cii(document: _Document) -> JsonObject:
    text = document.text
    trade = f"{RSM}SupplyChainTradeTransaction/"
    seller = f"{trade}{RAM}ApplicableHeaderTradeAgreement/{RAM}SellerTradeParty/"
    settlement = f"{trade}{RAM}ApplicableHeaderTradeSettlement/"
    terms = f"{settlement}{RAM}SpecifiedTradePaymentTerms"
    head = f"{RSM}ExchangedDocument/"
    issue_text = document.needed(text(f"{head}{RAM}IssueDateTime/*"), "BT-2", "the issue date")
    issue = document.day(issue_text, "BT-2")
    discounts = []
    for number, entry in enumerate(document.root.iterfind(f"{terms}/{RAM}ApplicableTradePaymentDiscountTerms"), 1):
        offer = _Document(entry, document.name, document.found)
        percent = offer.amount(offer.text(f"{RAM}CalculationPercent"), f"discount {number}")
        period = entry.find(f"{RAM}BasisPeriodMeasure")
        since = offer.day(offer.text(f"{RAM}BasisDateTime/*"), f"discount {number}")
        since = issue if since is None else since
        days = None if period is None else offer.amount((period.text or "").strip(), f"discount {number}")
        if period is not None and period.get("unitCode") != "DAY":
            offer.fault(f"discount {number}", f"counts in {period.get('unitCode')!r}", "DAY")
        elif percent is not None and since is not None:
            discounts.append((since + int(days or 0), percent))
    names = (f"{RAM}ID", f"{RAM}GlobalID", f"{RAM}Name")
    registration = f"{seller}{RAM}SpecifiedTaxRegistration/{RAM}ID"
    vat = next((e.text or "" for e in document.root.iterfind(registration) if e.get("schemeID") == "VA"), "")
    payable = text(f"{settlement}{RAM}SpecifiedTradeSettlementHeaderMonetarySummation/{RAM}DuePayableAmount")
    account = f"{settlement}{RAM}SpecifiedTradeSettlementPaymentMeans/{RAM}PayeePartyCreditorFinancialAccount/"
    return _invoice(
        document,
        _Terms(
            number=text(f"{head}{RAM}ID"),
            kind=text(f"{head}{RAM}TypeCode"),
            issue=issue,
            due=document.day(text(f"{terms}/{RAM}DueDateDateTime/*"), "BT-9"),
            currency=text(f"{settlement}{RAM}InvoiceCurrencyCode"),
            payable=document.amount(payable, "BT-115"),
            supplier_id=_first(text, seller, names),
            vat_id=vat.strip(),
            country=text(f"{seller}{RAM}PostalTradeAddress/{RAM}CountryID"),
            iban=text(f"{account}{RAM}IBANID"),
            notes="\n".join(document.texts(f"{terms}/{RAM}Description")),
            discounts=tuple(discounts),
        ),
    )


def _first(text: Callable[[str], str], path: str, names: tuple[str, ...]) -> str:
    return next((found for name in names if (found := text(path + name))), "")


def _invoice(document: _Document, terms: _Terms) -> JsonObject:
    """The invoice that ``terms`` describe."""
    number = document.needed(terms.number, "BT-1", "the invoice number")
    supplier = document.needed(terms.vat_id or terms.supplier_id, "BT-31", "the seller's VAT id, other id or name")
    document.needed(terms.currency, "BT-5", "an ISO 4217 code")
    if terms.kind in CREDIT_NOTES:
        document.fault("BT-3", f"is {terms.kind}, a credit note", "an invoice")
    if terms.due is None and not any("BT-9" in violation.path for violation in document.found):
        document.fault("BT-9", "is missing", "the due date as a date")
    if terms.payable is not None and terms.payable <= 0:
        document.fault("BT-115", f"is {terms.payable}", "an amount that is owed: > 0")
    skonto, bad = parse_skonto(terms.notes)
    for line in bad:
        document.fault("BT-20", f"has the line {line!r}", FORM)
    offers = list(terms.discounts)
    if terms.issue is not None and terms.payable is not None and terms.payable > 0:
        offers += [(terms.issue + entry.days, entry.percent_of(terms.payable)) for entry in skonto]
    out: JsonObject = {
        "invoice_id": f"{supplier}/{number}",
        "invoice_number": number,
        "supplier_id": supplier,
    }
    if terms.vat_id:
        out["seller_vat_id"] = terms.vat_id
    if (terms.country or terms.vat_id[:2]).upper() in EUROPEAN_UNION:
        out["late_payment"] = {"regime": "EU_2011_7"}
    if terms.iban:
        out["payee_iban"] = "".join(terms.iban.split()).upper()
    if terms.issue is not None:
        out["issue_date"] = date_json(terms.issue)
    if terms.due is not None:
        out["payment_due_date"] = date_json(terms.due)
    if terms.payable is not None and terms.currency:
        try:
            out["amount_due"] = money_of(terms.payable, terms.currency)
        except Unreadable as error:
            document.fault("BT-115", f"is {terms.payable}", str(error))
    if offers:
        out["payment_terms"] = [
            {"discount_due_date": date_json(day), "settlement_discount_percent": float(percent)}
            for day, percent in sorted(offers)
        ]
    return out
