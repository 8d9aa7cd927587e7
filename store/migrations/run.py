"""Apply migrations from code."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection


def configuration() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """Name of the newest migration in this release."""
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    if newest is None:
        raise RuntimeError("this release has no migrations")
    return newest


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to ``revision``, the newest migration by default, in the transaction of ``connection``.

    Raises
    ------
    RuntimeError
        When the database was made by a newer release.
    """
    config = configuration()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise RuntimeError(f"this release does not know the schema of the database: {error}") from error
