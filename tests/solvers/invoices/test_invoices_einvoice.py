"""Electronic invoices: UBL and CII read alike, Skonto terms honoured, hostile XML refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.errors import InvalidProblem
from solvers.invoices.csv_settings import read_settings
from solvers.invoices.einvoice import read_einvoice
from solvers.invoices.skonto import parse_skonto
from solvers.invoices.xml_tree import parse_xml

UBL = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:ID>R-17</cbc:ID><cbc:IssueDate>2026-01-02</cbc:IssueDate><cbc:DueDate>2026-02-01</cbc:DueDate>
 <cbc:InvoiceTypeCode>{kind}</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
 <cac:AccountingSupplierParty><cac:Party>
  <cac:PartyTaxScheme><cbc:CompanyID>DE123456789</cbc:CompanyID></cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Muster GmbH</cbc:RegistrationName></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingSupplierParty>
 <cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>DE02 1203 0000 0000 2020 51</cbc:ID>
 </cac:PayeeFinancialAccount></cac:PaymentMeans>
 <cac:PaymentTerms><cbc:Note>{note}</cbc:Note></cac:PaymentTerms>
 <cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">{amount}</cbc:PayableAmount></cac:LegalMonetaryTotal>
</Invoice>"""
CII = """<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocument><ram:ID>R-17</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20260102</udt:DateTimeString></ram:IssueDateTime>
 </rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:ApplicableHeaderTradeAgreement><ram:SellerTradeParty><ram:Name>Muster GmbH</ram:Name>
   <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE123456789</ram:ID></ram:SpecifiedTaxRegistration>
  </ram:SellerTradeParty></ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementPaymentMeans><ram:PayeePartyCreditorFinancialAccount>
    <ram:IBANID>DE02120300000000202051</ram:IBANID></ram:PayeePartyCreditorFinancialAccount>
   </ram:SpecifiedTradeSettlementPaymentMeans>
   <ram:SpecifiedTradePaymentTerms>
    <ram:DueDateDateTime><udt:DateTimeString format="102">20260201</udt:DateTimeString></ram:DueDateDateTime>
    <ram:ApplicableTradePaymentDiscountTerms><ram:BasisPeriodMeasure unitCode="{unit}">14</ram:BasisPeriodMeasure>
     <ram:CalculationPercent>2.00</ram:CalculationPercent></ram:ApplicableTradePaymentDiscountTerms>
   </ram:SpecifiedTradePaymentTerms>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:DuePayableAmount>1190.00</ram:DuePayableAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""
SETTINGS = """# as_of_date: 2026-01-05
# horizon_end_date: 2026-03-02
# payment_run_dates: 2026-01-05 2026-01-12 2026-02-02
# base_currency: EUR
# account: main EUR
# opening_balance: 5000
"""


def ubl(kind="380", note="#SKONTO#TAGE=14#PROZENT=2.00#", amount="1190.00"):
    """A UBL invoice."""
    return UBL.format(kind=kind, note=note, amount=amount).encode()


def test_both_syntaxes_say_the_same():
    """The same invoice in UBL with Skonto in its terms and in CII with a discount is the same invoice."""
    first, second = read_einvoice(ubl(), "a.xml"), read_einvoice(CII.format(unit="DAY").encode(), "b.xml")
    assert first == second
    assert first["payment_terms"] == [
        {"discount_due_date": {"year": 2026, "month": 1, "day": 16}, "settlement_discount_percent": 2.0}
    ]
    assert first["amount_due"] == {"currency_code": "EUR", "units": 1190, "nanos": 0}
    assert first["payee_iban"] == "DE02120300000000202051"
    assert first["supplier_id"] == "DE123456789"


def test_an_invoice_is_a_problem_with_settings():
    """Invoices from XML and the lines above a table make a problem."""
    problem = read_settings(SETTINGS, [read_einvoice(ubl(), "a.xml")], ["a.xml"])
    assert problem.invoices[0].amount_minor == 119_000
    assert problem.invoices[0].terms[0].discount_ppm == 20_000


def test_faults_of_settings_and_invoices_are_told_together():
    """The same invoice twice and a bad setting are both named."""
    entry = read_einvoice(ubl(), "a.xml")
    with pytest.raises(InvalidProblem) as caught:
        read_settings(SETTINGS.replace("5000", "5,000.5.1"), [entry, entry], ["a.xml", "b.xml"])
    told = " ".join(violation.path for violation in caught.value.violations)
    assert "line 6" in told
    assert "b.xml" in told


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (ubl(kind="381"), "BT-3"),
        (ubl(amount="-5.00"), "BT-115"),
        (ubl(amount="1190.001"), "BT-115"),
        (ubl(amount="NaN"), "BT-115"),
        (ubl(note="#SKONTO#TAGE=14#PROZENT=2#"), "BT-20"),
        (ubl(note="#VERZUG#TAGE=10#PROZENT=5.00#"), "BT-20"),
        (ubl().replace(b"2026-02-01", b"2026-02-31"), "BT-9"),
        (ubl().replace(b"<cbc:DueDate>2026-02-01</cbc:DueDate>", b""), "BT-9"),
        (ubl().replace(b'currencyID="EUR"', b'currencyID="USD"'), "BT-115"),
        (CII.format(unit="MON").encode(), "discount 1"),
        (b"<a/>", "a.xml"),
        (b"%PDF-1.7", "a.xml"),
        (b"<a>", "line 1"),
    ],
)
def test_what_cannot_be_paid_is_refused_by_business_term(data, place):
    """Each fault names its place, and nothing is read in spite of it."""
    with pytest.raises(InvalidProblem) as caught:
        read_einvoice(data, "a.xml")
    assert any(place in violation.path for violation in caught.value.violations)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><a/>',
    ],
)
def test_document_types_are_refused(head):
    """No entity is expanded and nothing outside is read."""
    with pytest.raises(InvalidProblem, match="document type"):
        parse_xml(head.encode(), "a.xml")


def test_deep_documents_are_refused():
    """Nesting has a limit."""
    with pytest.raises(InvalidProblem, match="nested"):
        parse_xml(b"<a>" * 100 + b"</a>" * 100, "a.xml")


def test_a_discount_on_a_part_counts_for_that_part():
    """2 % of a base of 500 is 1 % of 1,000."""
    found, bad = parse_skonto("Zahlbar sofort\n#SKONTO#TAGE=8#PROZENT=2.00#BASISBETRAG=500.00#\n")
    assert not bad
    assert str(found[0].percent_of(1000)) == "1.0000"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode()))
def test_whatever_comes_is_read_or_refused(data):
    """No other error than a refusal."""
    with pytest.raises(InvalidProblem):
        read_einvoice(data, "a.xml")
