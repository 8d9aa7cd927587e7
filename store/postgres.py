"""PostgreSQL by pg8000: the engine, what a URL may say, and which error is which."""

from __future__ import annotations

import getpass
import os
import ssl
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

DRIVER = "postgresql+pg8000"

CONNECT_S = 5.0
"""How long to wait for a server that does not answer."""

LOCK_NOT_AVAILABLE = "55P03"

_PARAMETERS = ("application_name", "connect_timeout", "host", "sslcert", "sslkey", "sslmode", "sslrootcert")
_SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


def postgres_engine(url: URL, lock_wait_s: float) -> Engine:
    """An engine for ``url``; a transaction waits at most ``lock_wait_s`` for a lock.

    Raises
    ------
    ValueError
        When the driver is not installed or the URL has a parameter that is not known.
    """
    try:
        from store.driver import connect
    except ImportError as error:
        raise ValueError("PostgreSQL needs the extra 'postgres' (pg8000)") from error
    arguments = _arguments(url)
    # A process that hangs in the middle of a transaction must not hold the decision log for ever.
    options = f"-c lock_timeout={int(lock_wait_s * 1000)} -c idle_in_transaction_session_timeout=60000"
    arguments["startup_params"] = {"options": options, "client_encoding": "UTF8"}
    engine = create_engine(
        url.set(query={}),
        pool_size=4,  # many processes share one server's connections
        max_overflow=12,
        pool_pre_ping=True,  # a restarted server is noticed before a transaction is lost on it
        connect_args=arguments,
    )

    @event.listens_for(engine, "do_connect")
    def open_connection(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> Any:
        return connect(**parameters)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isinglass_one_moment"):
            # One statement, where the dialect's own way changes the session before and after.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


def sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's code of what the driver raised, ``None`` where it is not the server's."""
    return _fields(error).get("C")


def _fields(error: BaseException | None) -> dict[str, str]:
    found = error.args[0] if error is not None and error.args else None
    return found if isinstance(found, dict) else {}


def _arguments(url: URL) -> dict[str, Any]:
    """What the driver is to be called with beside user, host and name, which SQLAlchemy passes on."""
    query: dict[str, str] = {}
    for name, value in url.query.items():
        if name not in _PARAMETERS or not isinstance(value, str):
            raise ValueError(f"parameter {name!r} of the database URL; allowed once each: {', '.join(_PARAMETERS)}")
        query[name] = value
    arguments: dict[str, Any] = {"timeout": _seconds(query.get("connect_timeout"))}
    if "application_name" in query:
        arguments["application_name"] = query["application_name"]
    if url.username is None:
        arguments["user"] = os.environ.get("PGUSER") or getpass.getuser()
    if url.password is None and "PGPASSWORD" in os.environ:
        arguments["password"] = os.environ["PGPASSWORD"]
    host = query.get("host", "")
    if host.startswith("/"):
        arguments |= {"unix_sock": f"{host}/.s.PGSQL.{url.port or 5432}", "ssl_context": False}
    else:
        if host:
            arguments["host"] = host
        arguments["ssl_context"] = _ssl(query)
    return arguments


def _seconds(text: str | None) -> float:
    if text is None:
        return CONNECT_S
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"connect_timeout is {text!r}; allowed: whole seconds of 1 and more")
    return float(text)


def _ssl(query: dict[str, str]) -> ssl.SSLContext | bool | None:
    """As PostgreSQL's own clients understand ``sslmode``; ``None`` is TLS where the server has it."""
    mode = query.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise ValueError(f"sslmode is {mode!r}; allowed: {', '.join(_SSL_MODES)}")
    if mode == "disable":
        return False
    if mode == "prefer":
        return None
    context = ssl.create_default_context(cafile=query.get("sslrootcert"))
    if mode != "verify-full":
        context.check_hostname = False
    if mode == "require" and "sslrootcert" not in query:
        context.verify_mode = ssl.CERT_NONE
    if "sslcert" in query:
        context.load_cert_chain(Path(query["sslcert"]), query.get("sslkey"))
    return context
