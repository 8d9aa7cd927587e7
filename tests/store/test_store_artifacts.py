import pickle
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.canonical import digest
from store.artifacts import Artifacts, digest_of
from store.errors import CorruptRecord, NotFound


@pytest.fixture(params=["folder", "file", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    urls = {
        "folder": str(tmp_path / "artifacts"),
        "file": f"file://{tmp_path}/artifacts",
        "memory": f"memory://{uuid.uuid4().hex}",
    }
    return Artifacts(urls[request.param])


def stored(artifacts: Artifacts, digest: str) -> Path:
    return Path(artifacts._path(digest))


def test_what_was_put_is_what_is_got(artifacts: Artifacts) -> None:
    for data in (b"", b"x", b"\x00\xff" * 100_000):
        digest = artifacts.put(data)
        assert artifacts.get(digest) == data
        assert artifacts.has(digest)


def test_what_is_put_beside_the_caller_is_there_after_the_wait(artifacts: Artifacts) -> None:
    """The digest comes at once, the bytes with the wait; in object storage they are there before it."""
    digest, durable = artifacts.put_beside(b"plan")
    assert digest == digest_of(b"plan")
    if artifacts.url.startswith("memory"):
        assert artifacts.has(digest)
    durable()
    assert artifacts.get(digest) == b"plan"


def test_a_put_beside_that_fails_says_so_to_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the writer is raised where the transaction waits for it."""

    def full(data: bytes) -> str:
        raise OSError("disk full")

    artifacts = Artifacts(str(tmp_path))
    monkeypatch.setattr(artifacts, "put", full)
    _, durable = artifacts.put_beside(b"plan")
    with pytest.raises(OSError, match="disk full"):
        durable()


def test_the_same_bytes_are_kept_once(artifacts: Artifacts) -> None:
    assert artifacts.put(b"plan") == artifacts.put(b"plan") == artifacts.put(bytes(bytearray(b"plan")))


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_a_digest_reads_as_solvers_write_it(data: bytes) -> None:
    assert digest_of(data) == digest(data)


def test_what_was_never_put_is_not_found(artifacts: Artifacts) -> None:
    missing = digest_of(b"never")
    assert not artifacts.has(missing)
    with pytest.raises(NotFound):
        artifacts.get(missing)


@pytest.mark.parametrize("name", ["", "sha256:", "md5:" + "0" * 64, "sha256:" + "A" * 64, "sha256:../../etc/passwd"])
def test_what_is_no_digest_is_refused(artifacts: Artifacts, name: str) -> None:
    for ask in (artifacts.get, artifacts.has):
        with pytest.raises(ValueError, match="no digest"):
            ask(name)


@pytest.mark.parametrize("altered", [b"", b"planX", b"plam"])
def test_altered_bytes_are_never_returned(tmp_path: Path, altered: bytes) -> None:
    artifacts = Artifacts(str(tmp_path))
    digest = artifacts.put(b"plan")
    stored(artifacts, digest).write_bytes(altered)
    with pytest.raises(CorruptRecord, match=digest):
        artifacts.get(digest)


def test_altered_bytes_are_found_in_object_storage_too() -> None:
    artifacts = Artifacts(f"memory://{uuid.uuid4().hex}")
    digest = artifacts.put(b"plan")
    artifacts._files.pipe_file(artifacts._path(digest), b"other")
    with pytest.raises(CorruptRecord):
        artifacts.get(digest)


def test_a_damaged_artifact_is_whole_again_when_it_is_put_again(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    digest = artifacts.put(b"plan")
    stored(artifacts, digest).write_bytes(b"pl")
    assert artifacts.put(b"plan") == digest
    assert artifacts.get(digest) == b"plan"


def test_nothing_but_whole_artifacts_is_left_in_the_folder(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    digests: list[str] = []
    threads = [
        threading.Thread(target=lambda: digests.extend(artifacts.put(bytes([i])) for i in range(20))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 120
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 20
    assert {"sha256:" + path.parent.name + path.name for path in files} == set(digests)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(str(tmp_path))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("store.artifacts.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        artifacts.put(b"plan")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not artifacts.has(digest_of(b"plan"))


def test_artifacts_travel_as_their_url(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    digest = artifacts.put(b"plan")
    assert pickle.loads(pickle.dumps(artifacts)).get(digest) == b"plan"
