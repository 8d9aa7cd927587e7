"""Gate devices of Amazon Braket: OpenQASM through boto3, results from S3, one task a key by client token and tag."""

from __future__ import annotations

from backends.backend import Price
from backends.braket_session import BraketSession
from backends.gate_device import GateDevice, GateLimits, TimeModel


class BraketDevice(GateDevice):
    """QAOA on a gate device or simulator of Amazon Braket; angles come from simulation, one task a key.

    A key becomes the task's client token, under which Braket makes one task however often it is asked, and a tag by
    which a restarted process finds it. Credentials are those of the AWS chain (environment, profile, role).

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Per task and per shot, from Braket's price list. Braket does not bill tasks that failed or were cancelled.
    device
        ARN of the device.
    bucket, prefix
        Where in S3 Braket puts results; the bucket's name begins with ``amazon-braket-``.
    region
        AWS region of the device; ``""``: the one in the ARN.
    url, s3_url
        Other addresses of Braket and S3; ``""`` are Amazon's.
    task_s, shot_s
        Seconds that a task and each of its shots take, for estimates (>= 0).
    max_variables, max_shots, max_two_qubit_gates, call_timeout_s, listing_lag_s, calibration_fresh_s
        As of `backends.gate_device.GateLimits`; the device's own range of shots holds too.
    max_execution_s
        Programs that take longer by the estimate are refused.
    transpiler_seeds, search_s, alpha, regularisation, mixer
        As of `backends.ansatz.Ansatz`.
    """

    def __init__(
        self,
        name: str = "braket",
        *,
        price: Price | None = None,
        device: str,
        bucket: str,
        prefix: str = "isinglass",
        region: str = "",
        url: str = "",
        s3_url: str = "",
        task_s: float = 2.0,
        shot_s: float = 1e-3,
        max_variables: int = 20,
        max_shots: int = 10_000,
        max_two_qubit_gates: int = 2_000,
        max_execution_s: int = 600,
        transpiler_seeds: int = 3,
        search_s: float = 1.0,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        mixer: str = "x",
        call_timeout_s: float = 30.0,
        listing_lag_s: float = 5.0,
        calibration_fresh_s: float = 300.0,
    ) -> None:
        if not device.startswith("arn:aws:braket:"):
            raise ValueError(f"device is {device!r}; allowed: the ARN of a Braket device")
        if not bucket:
            raise ValueError("bucket is empty; allowed: the name of an S3 bucket")
        if not (task_s >= 0 and shot_s >= 0):
            raise ValueError(f"task_s is {task_s}, shot_s {shot_s}; allowed: >= 0")
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
            lambda: BraketSession(name, device, bucket, prefix, region, url, s3_url, call_timeout_s),
            limits,
            TimeModel(task_s, shot_s),
            (transpiler_seeds, search_s, alpha, regularisation, mixer),
        )
