"""Make the stubs from the contract: ``python -m protos.build [FOLDER]``."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(out: Path) -> None:
    """Write ``protos/*_pb2*.py`` and their type stubs below ``out``.

    Raises
    ------
    RuntimeError
        When protoc refuses the contract.
    """
    import google.type
    from grpc_tools import protoc

    # protoc looks its plugins up on the PATH; ours stand beside the interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    googleapis = Path(next(iter(google.type.__path__))).parents[1]
    arguments = [
        "protoc",
        f"-I{ROOT}",
        f"-I{googleapis}",
        f"-I{files('grpc_tools') / '_proto'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("protos/*.proto"))),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused the contract; see above")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
