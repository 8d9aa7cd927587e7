"""Our adapters pointed at the emulators: real client libraries over loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from backends.backend import Price
from tests.emulators.server import Emulator

NEEDS = {"dwave": ("dwave.cloud", "minorminer"), "braket": ("boto3",), "ibm": ("qiskit_ibm_runtime",)}
PRICES = {
    "dwave": Price(0, 0, 555_556, source="an emulator", as_of="2026-11-01"),
    "braket": Price(300_000, 1_450, 0, source="an emulator", as_of="2026-11-01"),
    "ibm": Price(0, 0, 1_600_000, source="an emulator", as_of="2026-11-01"),
}


def missing(vendor: str) -> list[str]:
    """Packages of the vendor that are not installed here."""
    return [name for name in NEEDS[vendor] if _spec(name) is None]


def _spec(name: str) -> Any:
    try:
        return find_spec(name)
    except ModuleNotFoundError:
        return None


def emulator(vendor: str, **options: Any) -> Emulator:
    """A vendor of its own, running."""
    if vendor == "dwave":
        from tests.emulators.dwave import DWaveEmulator

        return DWaveEmulator(**options)
    if vendor == "braket":
        from tests.emulators.braket import BraketEmulator

        return BraketEmulator(**options)
    from tests.emulators.ibm import IbmEmulator

    return IbmEmulator(**options)


def adapter(vendor: str, at: Any, **options: Any) -> Any:
    """A fresh adapter, as a fresh process would have; the keys must be in the environment (`keys`)."""
    settings = {"price": PRICES[vendor], "call_timeout_s": 5.0, "listing_lag_s": 0.1, **options}
    if vendor == "dwave":
        from backends.dwave import DWaveAnnealer
        from tests.emulators.dwave import SOLVER

        return DWaveAnnealer("dwave-emulated", solver=SOLVER, endpoint=at.endpoint, **settings)
    settings = {"search_s": 0.02, "max_variables": 6, "transpiler_seeds": 1, **settings}
    if vendor == "braket":
        from backends.braket import BraketDevice
        from tests.emulators.braket import DEVICE

        bucket = "amazon-braket-emulated"
        return BraketDevice("braket-emulated", device=DEVICE, bucket=bucket, url=at.url, s3_url=at.url, **settings)
    from backends.ibm import IbmDevice
    from tests.emulators.ibm import DEVICE as IBM_DEVICE
    from tests.emulators.ibm import INSTANCE

    os.environ["IAM_URL"] = at.url
    return IbmDevice("ibm-emulated", device=IBM_DEVICE, instance=INSTANCE, url=at.api, **settings)


ENVIRONMENT = {
    "DWAVE_API_TOKEN": "DEV-emulated-token",
    "AWS_ACCESS_KEY_ID": "AKIAEMULATED",
    "AWS_SECRET_ACCESS_KEY": "emulated-secret-key",
    "AWS_EC2_METADATA_DISABLED": "true",
    "QISKIT_IBM_TOKEN": "emulated-api-key",
    "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",  # else the client asks IBM Cloud's global search for its instances
}


@contextmanager
def keys() -> Iterator[None]:
    """The environment that the adapters and clients read."""
    names = (*ENVIRONMENT, "IAM_URL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
