"""Its folder goes on the path with it, so that tests in folders below find `routing_cases`."""
