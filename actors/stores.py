"""Opening the store in an actor's constructor."""

from __future__ import annotations

import time

from actors import logs
from actors.settings import Settings
from store.store import Store

_PAUSE_S = 0.5


def open_store(settings: Settings) -> Store:
    """The store, waited for as long as it takes.

    Ray never restarts an actor whose constructor raised: one that came back while the database was away would stay
    dead after it.
    """
    while True:
        try:
            store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
        except (ValueError, PermissionError):  # a wrong setting does not mend itself
            raise
        except Exception:  # noqa: BLE001 - whatever the driver raises while the database is away
            logs.logger().warning("store_unreachable", exc_info=True)
            time.sleep(_PAUSE_S)
        else:
            store.database.share_commits(settings.share_commits)
            return store
