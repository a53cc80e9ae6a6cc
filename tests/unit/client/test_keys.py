"""Key files: private, whole, and never overwritten."""

import json
import os
from pathlib import Path

import pytest

from creditchain.client.keys import (
    ED25519,
    ES256,
    HPKE_X25519,
    BadKeyFile,
    PrivateKey,
    generate_key,
    load_key,
    private_key,
    save_key,
)
from creditchain.events import PublicKey

ALL = [ED25519, ES256, HPKE_X25519]


@pytest.mark.parametrize("alg", ALL)
def test_a_saved_key_is_loaded_again(alg: str, tmp_path: Path):
    key = generate_key(alg)
    save_key(tmp_path / "key.json", key)
    assert load_key(tmp_path / "key.json") == key


@pytest.mark.parametrize("alg", ALL)
def test_the_public_half_is_one_that_the_log_accepts(alg: str):
    public = generate_key(alg).public
    assert PublicKey.from_json(public.to_json()) == public


def test_the_public_half_of_rfc_8037_is_found():
    # RFC 8037, appendices A.1 to A.3.
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = private_key(ED25519, secret)
    assert key.public.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_file_is_readable_by_its_owner_only(tmp_path: Path):
    path = tmp_path / "keys" / "key.json"
    old = os.umask(0)
    try:
        save_key(path, generate_key())
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["key.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_key_file_that_others_can_reach_is_refused(mode: int, tmp_path: Path):
    path = tmp_path / "key.json"
    save_key(path, generate_key())
    path.chmod(mode)
    with pytest.raises(BadKeyFile, match="others can reach"):
        load_key(path)


def test_a_key_is_never_overwritten(tmp_path: Path):
    path = tmp_path / "key.json"
    key = generate_key()
    save_key(path, key)
    with pytest.raises(BadKeyFile, match="never overwritten"):
        save_key(path, generate_key())
    assert load_key(path) == key
    assert [p.name for p in tmp_path.iterdir()] == ["key.json"]


def test_a_key_shows_nothing_of_its_secret():
    key = generate_key()
    secret = key.to_json()["d"]
    assert secret not in repr(key)
    assert repr(key.secret) not in repr(key)


def mangle(key: PrivateKey, **changes: object) -> bytes:
    return json.dumps({**key.to_json(), **changes}).encode()


@pytest.mark.parametrize("alg", ALL)
def test_a_mangled_key_file_is_refused_without_its_secret(alg: str, tmp_path: Path):
    key, other = generate_key(alg), generate_key(alg)
    secret = key.to_json()["d"]
    contents = [
        b"",
        b"[]",
        b'{"d":',
        b'{"d":7}',
        b"[" * 4_000,
        b"x" * 5_000,
        mangle(key, d=other.to_json()["d"]),
        mangle(key, x=other.public.x),
        mangle(key, kid=other.kid),
        mangle(key, d=secret + "="),
        mangle(key, d=secret[:-4]),
        mangle(key, d=""),
        mangle(key, alg="RS256"),
        mangle(key, use="sig"),
    ]
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.json"
        path.touch(0o600)
        path.write_bytes(content)
        with pytest.raises(BadKeyFile) as caught:
            load_key(path)
        assert str(path) in str(caught.value)
        assert secret not in str(caught.value)


def test_an_absent_key_file_is_named(tmp_path: Path):
    with pytest.raises(BadKeyFile, match=r"absent\.json: No such file"):
        load_key(tmp_path / "absent.json")


def test_a_key_file_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadKeyFile, match=r"Not a directory|File exists"):
        save_key(tmp_path / "file" / "key.json", generate_key())


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="RS256"):
        generate_key("RS256")


def test_a_key_to_seal_to_does_not_sign():
    with pytest.raises(ValueError, match="does not sign"):
        _ = generate_key(HPKE_X25519).signing


@pytest.mark.parametrize(
    "scalar", [0, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551]
)
def test_a_scalar_outside_the_group_is_no_key(scalar: int):
    with pytest.raises(ValueError, match=r"."):
        private_key(ES256, scalar.to_bytes(32))
