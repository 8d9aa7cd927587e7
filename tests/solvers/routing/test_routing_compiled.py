"""Compiled code on disk is renewed when any of the sources it was made from changes."""

from __future__ import annotations

import re
from pathlib import Path

from solvers.routing import compiled, evaluation, insertion

FOLDER = Path(compiled.__file__).parent


def test_every_module_with_kernels_counts() -> None:
    """No module uses the decorators without being part of the digest."""
    using = {path.stem for path in FOLDER.glob("*.py") if re.search(r"^@(compiled|borrowing)$", path.read_text(), re.M)}
    assert using
    assert using <= set(compiled.KERNELS)


def test_the_cache_is_stamped_with_all_sources() -> None:
    """Functions of different files share one stamp, which is made of the bytes of all of them."""
    stamps = {
        function._cache._cache_file._source_stamp
        for function in (evaluation.route_cost, insertion.insert_all, insertion.insertable)
    }
    assert stamps == {compiled._digest()}
