"""IBM devices through qiskit-ibm-runtime, and the vendor's local testing mode behind the same adapter."""

from __future__ import annotations

from backends.backend import Price
from backends.gate_device import GateDevice, GateLimits, TimeModel
from backends.ibm_session import LocalSession, ServiceSession

_TIME = TimeModel(task_s=2.0, shot_s=250e-6)
"""IBM's own rule of thumb: per sub-job, and per execution a reset delay beside the circuit."""


class IbmDevice(GateDevice):
    """QAOA on an IBM device; angles come from simulation, one submission a key.

    A key becomes a job tag, and the tag is looked up before every submission and after every one that got no answer:
    a retry finds the job that an earlier try, or an earlier process, has sent.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Per second of device time, from the price list of the account.
    device
        ``"ibm_fez"``; with ``local`` the name of a fake device, ``"perth"``.
    local
        Use the vendor's local testing mode: no account, no charge.
    instance, token_variable, url
        As of `backends.ibm_session.ServiceSession`.
    max_variables, max_shots, max_two_qubit_gates, call_timeout_s, listing_lag_s, calibration_fresh_s
        As of `backends.gate_device.GateLimits`.
    max_execution_s
        The vendor ends a job after so many seconds of device time (1 - 10,800): what an estimate charges at most.
    transpiler_seeds, search_s, alpha, regularisation, mixer
        As of `backends.ansatz.Ansatz`.
    """

    def __init__(
        self,
        name: str = "ibm",
        *,
        price: Price | None = None,
        device: str = "ibm_fez",
        local: bool = False,
        instance: str | None = None,
        token_variable: str = "QISKIT_IBM_TOKEN",  # noqa: S107 - the name of a variable
        url: str | None = None,
        max_variables: int = 20,
        max_shots: int = 10_000,
        max_two_qubit_gates: int = 2_000,
        max_execution_s: int = 60,
        transpiler_seeds: int = 5,
        search_s: float = 1.0,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        mixer: str = "x",
        call_timeout_s: float = 30.0,
        listing_lag_s: float = 5.0,
        calibration_fresh_s: float = 300.0,
    ) -> None:
        limits = GateLimits(
            max_variables=max_variables,
            max_shots=max_shots,
            max_two_qubit_gates=max_two_qubit_gates,
            max_execution_s=max_execution_s,
            call_timeout_s=call_timeout_s,
            listing_lag_s=listing_lag_s,
            calibration_fresh_s=calibration_fresh_s,
        )
        super().__init__(
            name,
            price,
            (lambda: LocalSession(device))
            if local
            else (lambda: ServiceSession(name, device, instance, token_variable, url, call_timeout_s)),
            limits,
            _TIME,
            (transpiler_seeds, search_s, alpha, regularisation, mixer),
            is_local=local,
        )
