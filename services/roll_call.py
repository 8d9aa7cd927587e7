"""``python -m services.roll_call RAY_ADDRESS``: print the process ids of the actors by role, as JSON."""

from __future__ import annotations

import json
import sys

import ray

from actors import cluster
from actors.names import NAMESPACE


def main() -> None:
    """Join the cluster for a moment."""
    ray.init(address=sys.argv[1], namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    try:
        sys.stdout.write(json.dumps(cluster.pids()) + "\n")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
