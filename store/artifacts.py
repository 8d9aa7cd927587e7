"""Artifacts: bytes kept under their own SHA-256 (canonical requests, results, raw samples, traces).

A folder by default, object storage by URL (fsspec). What is read is checked against its digest, so altered bytes are
never taken for what was stored.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec

from store.errors import CorruptRecord, NotFound

_WRITERS = 4
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def digest_of(data: bytes) -> str:
    """SHA-256 of ``data`` as ``"sha256:<64 hex digits>"``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Artifacts:
    """Artifacts under ``url``: a folder (``/path`` or ``file:///path``) or what else fsspec knows (``s3://bucket/x``).

    Safe from several threads and processes; travels between processes as its URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._is_local = "file" in _protocols(self._files)
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="artifacts")

    def __reduce__(self) -> tuple[type[Artifacts], tuple[str]]:
        return type(self), (self.url,)

    def put(self, data: bytes) -> str:
        """Keep ``data`` and return its digest; durable when this returns. The same bytes twice are kept once."""
        digest = digest_of(data)
        path = self._path(digest)
        if self._is_local:
            _put_local(Path(path), data)
        elif not self._files.exists(path):
            self._files.pipe_file(path, data)  # an object appears whole or not at all
        return digest

    def put_beside(self, data: bytes) -> tuple[str, Callable[[], object]]:
        """As `put`, but beside the caller: the digest at once, and what waits until ``data`` is durable.

        For a transaction that names the artifact: it waits right before it commits. The wait raises what `put` would.
        Object storage answers too slowly for a transaction to wait for: there, ``data`` is durable on return.
        """
        if not self._is_local:
            digest = self.put(data)
            return digest, lambda: digest
        return digest_of(data), self._writers.submit(self.put, data).result

    def get(self, digest: str) -> bytes:
        """The bytes kept under ``digest``.

        Raises
        ------
        CorruptRecord
            When what is kept is not what was put.
        NotFound
            When nothing is kept under it.
        ValueError
            When ``digest`` is not ``"sha256:<64 hex digits>"``.
        """
        path = self._path(digest)
        try:
            data = Path(path).read_bytes() if self._is_local else bytes(self._files.cat_file(path))
        except FileNotFoundError as error:
            raise NotFound("artifact", digest) from error
        if digest_of(data) != digest:
            raise CorruptRecord(f"artifact {digest} was altered: its bytes have digest {digest_of(data)}")
        return data

    def has(self, digest: str) -> bool:
        """Whether something is kept under ``digest``; its bytes are not checked."""
        return bool(self._files.exists(self._path(digest)))

    def _path(self, digest: str) -> str:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise ValueError(f"{digest!r} is no digest; allowed: sha256:<64 hex digits>")
        name = match[1]
        return f"{self._root}/sha256/{name[:2]}/{name[2:]}"


def _put_local(path: Path, data: bytes) -> None:
    """Write beside and rename, so that no reader and no crash ever sees half a file."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _protocols(files: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
