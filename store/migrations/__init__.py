"""Schema migrations, run from code by `store.migrations.run`."""
