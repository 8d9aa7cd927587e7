from __future__ import annotations

import logging

import pytest

from backends.secrets import guard, read_secret, redact
from backends.vendor_errors import meaning
from solvers.errors import BackendDenied


def test_a_key_comes_from_the_environment_or_from_a_mounted_file(monkeypatch, tmp_path):
    monkeypatch.setenv("A_TOKEN", "from-the-environment")
    assert read_secret("b", "A_TOKEN") == "from-the-environment"
    monkeypatch.delenv("A_TOKEN")
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    monkeypatch.setenv("A_TOKEN_FILE", str(file))
    assert read_secret("b", "A_TOKEN") == "from-a-file"
    monkeypatch.setenv("A_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(BackendDenied, match="A_TOKEN_FILE"):
        read_secret("b", "A_TOKEN")
    monkeypatch.delenv("A_TOKEN_FILE")
    with pytest.raises(BackendDenied, match="A_TOKEN holds no API key"):
        read_secret("b", "A_TOKEN")


def test_a_known_key_is_in_no_error_text():
    guard("a-secret-key-value")
    told = meaning("b", "submit", RuntimeError("bad header X-Auth-Token: a-secret-key-value")).error
    assert "a-secret-key-value" not in str(told)
    assert redact("a-secret-key-value!") == "[key]!"


def test_clients_that_log_whole_requests_are_kept_from_it():
    logger = logging.getLogger("dwave.cloud")
    before = logger.level
    try:
        logger.setLevel(logging.DEBUG)
        guard()
        assert logger.getEffectiveLevel() >= logging.WARNING
    finally:
        logger.setLevel(before)
