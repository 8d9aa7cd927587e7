"""The key that decisions are signed with (ML-DSA-65, FIPS 204) and the public keys that they are verified with.

In the folder ``signing/`` of the state folder: ``private.pem`` (mode 0600, the current key) and one ``<key id>.pub``
for every key that ever signed. The public keys are the anchor of trust, which is why they are not in the database:
whoever can write there could otherwise replace log and keys together.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

_PRIVATE = "private.pem"


class PublicKeys:
    """The public keys of a state folder. Enough to verify decisions; makes nothing."""

    def __init__(self, state_dir: str | Path) -> None:
        self.state_dir = Path(state_dir)
        self._folder = self.state_dir / "signing"
        self._known: dict[str, MLDSA65PublicKey] = {}

    def __reduce__(self) -> tuple[type[PublicKeys], tuple[str]]:
        return type(self), (str(self.state_dir),)

    def verify(self, key_id: str, data: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``data`` is by key ``key_id``; false for a key that this folder does not know."""
        key = self._public(key_id)
        if key is None:
            return False
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def knows(self, key_id: str) -> bool:
        """Whether the folder has the public key ``key_id``."""
        return self._public(key_id) is not None

    def _public(self, key_id: str) -> MLDSA65PublicKey | None:
        if key_id not in self._known:
            if not key_id.isalnum():  # it comes from the database and must not lead out of the folder
                return None
            try:
                text = (self._folder / f"{key_id}.pub").read_bytes()
            except FileNotFoundError:
                return None
            key = serialization.load_pem_public_key(text)
            if not isinstance(key, MLDSA65PublicKey) or _key_id(key) != key_id:
                return None
            self._known[key_id] = key
        return self._known[key_id]


class Signer(PublicKeys):
    """Signs with the current key of a state folder, verifies with any that it ever had. Travels as its folder.

    Parameters
    ----------
    state_dir
        The state folder. The first process to look makes the key; others that come at the same moment use that one.

    Raises
    ------
    PermissionError
        When others than the owner may read the private key.
    ValueError
        When the key file holds something else.
    """

    def __init__(self, state_dir: str | Path) -> None:
        super().__init__(state_dir)
        self._private = _load_or_make(self._folder)
        self.key_id = _key_id(self._private.public_key())
        self._publish(self._private.public_key())

    def sign(self, data: bytes) -> bytes:
        """Signature of ``data``, 3,309 bytes."""
        return self._private.sign(data)

    def rotate(self) -> str:
        """Make a new key, sign with it from now on, and return its id. Earlier decisions stay verifiable.

        The old private key is destroyed. Other processes sign with it until they are restarted.
        """
        private = MLDSA65PrivateKey.generate()
        self._publish(private.public_key())
        beside = _write_beside(self._folder, _PRIVATE, _private_text(private), 0o600)
        beside.replace(self._folder / _PRIVATE)
        self._private, self.key_id = private, _key_id(private.public_key())
        return self.key_id

    def _publish(self, key: MLDSA65PublicKey) -> None:
        path = self._folder / f"{_key_id(key)}.pub"
        if not path.exists():
            text = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            _write_beside(self._folder, path.name, text, 0o644).replace(path)


def _key_id(key: MLDSA65PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def _private_text(key: MLDSA65PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_or_make(folder: Path) -> MLDSA65PrivateKey:
    path = folder / _PRIVATE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = _write_beside(folder, _PRIVATE, _private_text(MLDSA65PrivateKey.generate()), 0o600)
        # A link fails where a rename would replace: the first process wins, and the others read its key below.
        with suppress(FileExistsError):
            os.link(beside, path)
        beside.unlink()
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} may be read by others; its mode must be 0600")
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, MLDSA65PrivateKey):
        raise ValueError(f"{path} holds no ML-DSA-65 key")
    return key


def _write_beside(folder: Path, name: str, text: bytes, mode: int) -> Path:
    beside = folder / f".{name}.{secrets.token_hex(8)}"
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return beside
