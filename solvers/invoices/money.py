"""Money as integer minor units of an ISO 4217 currency, and exact conversion between currencies."""

from __future__ import annotations

from fractions import Fraction

_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
        "CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
        "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
        "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER "
        "ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
MINOR_DIGITS: dict[str, int] = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}
"""Digits after the decimal point of the minor unit, by currency code (ISO 4217, circulating currencies)."""

MAX_AMOUNT_MINOR = 10**13
"""Largest magnitude of a single amount, in minor units. Sums over 200,000 amounts stay below 2**62."""


def currency_digits(currency: str) -> int:
    """Digits of the minor unit of ``currency``, which must be known."""
    return MINOR_DIGITS[currency]


def to_units_nanos(minor: int, currency: str) -> tuple[int, int]:
    """``minor`` as the (units, nanos) of google.type.Money; both carry the sign."""
    scale = 10 ** currency_digits(currency)
    units, rest = divmod(abs(minor), scale)
    sign = -1 if minor < 0 else 1
    return sign * units, sign * rest * (10**9 // scale)


def to_minor(units: int, nanos: int, currency: str) -> int | None:
    """(units, nanos) as minor units; ``None`` when they are no whole number of minor units or differ in sign."""
    if abs(nanos) > 999_999_999 or (units > 0 > nanos) or (units < 0 < nanos):
        return None
    scale: int = 10 ** currency_digits(currency)
    minor, rest = divmod(abs(nanos), 10**9 // scale)
    if rest:
        return None
    return units * scale + (minor if nanos >= 0 else -minor)


def major(minor: float, currency: str) -> float:
    """``minor`` minor units as units of ``currency``."""
    return minor / float(10 ** currency_digits(currency))


def in_base_minor(minor: int, currency: str, rate: float, base_currency: str) -> int:
    """``minor`` of ``currency`` in minor units of the base currency, rounded half to even.

    ``rate`` (base units per unit) is read as the decimal that it prints as, so that the result is exact.
    """
    if currency == base_currency:
        return minor
    shift = Fraction(10) ** (currency_digits(base_currency) - currency_digits(currency))
    return round(minor * Fraction(repr(rate)) * shift)


def text(minor: int, currency: str) -> str:
    """``"1234.50 EUR"``."""
    digits = currency_digits(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}{f'.{rest:0{digits}d}' if digits else ''} {currency}"
