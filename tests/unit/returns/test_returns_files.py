"""Cells that no spreadsheet runs, canonical bytes, and the key that signs."""

import datetime as dt
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neet.returns import files, signing
from neet.settings import Settings


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+44", "'+44"),
        ("-1", "'-1"),
        ("@SUM", "'@SUM"),
        ("  =1", "'  =1"),
        ("\t1", "'\t1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("'s", "'s"),
        ("O'Brien", "O'Brien"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_formulas_are_neutralised_and_nothing_else(cell, safe):
    assert files.neutralise(cell) == safe


@given(st.text(alphabet="='+-@ \t\na1＝", max_size=6))
def test_neutralising_loses_nothing(cell):
    safe = files.neutralise(cell)
    assert safe[:1] not in ("=", "+", "-", "@", "\t", "\n", "＝")
    changed = safe.startswith("'") and files.neutralise(safe[1:]) == safe
    assert (safe[1:] if changed else safe) == cell


def test_cells_are_exact_text():
    given_values = [
        None,
        True,
        False,
        Decimal("0.10"),
        Decimal("1E+2"),
        dt.date(2021, 12, 1),
        5,
        "x",
    ]
    assert [files.cell(v) for v in given_values] == [
        "",
        "true",
        "false",
        "0.10",
        "100",
        "2021-12-01",
        "5",
        "x",
    ]


def test_json_has_one_form():
    assert files.json_bytes({"b": 1, "a": "Zoë"}) == '{\n  "a": "Zoë",\n  "b": 1\n}\n'.encode()
    with pytest.raises(ValueError):
        files.json_bytes({"a": float("nan")})


def test_a_listing_refuses_links(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="neither a plain file"):
        files.listing(tmp_path)


@pytest.fixture
def settings(tmp_path):
    return Settings.load(tmp_path / "home")


def test_the_key_is_made_once_and_is_its_owner_s_alone(settings):
    with ThreadPoolExecutor(8) as pool:
        keys = list(
            pool.map(lambda _: signing.public_pem(signing.signing_key(settings)), range(16))
        )
    assert len(set(keys)) == 1
    folder = signing.keys_folder(settings)
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(os.listdir(folder)) == ["signing.key", "signing.pub"]
    assert signing.trusted(folder) == [keys[0]]


def test_a_key_that_others_may_read_signs_nothing(settings):
    signing.signing_key(settings)
    (signing.keys_folder(settings) / "signing.key").chmod(0o640)
    with pytest.raises(signing.KeyUnusable, match="chmod 600"):
        signing.signing_key(settings)


def test_a_broken_key_is_not_replaced_in_silence(settings):
    signing.signing_key(settings)
    (signing.keys_folder(settings) / "signing.key").write_text("nonsense")
    with pytest.raises(signing.KeyUnusable, match="not a private key"):
        signing.signing_key(settings)


def test_a_signature_is_of_these_bytes_by_this_key(settings, tmp_path):
    key = signing.signing_key(settings)
    other = signing.signing_key(Settings.load(tmp_path / "other"))
    signature = key.sign(b"content")
    public = signing.public_pem(key)
    assert signing.is_genuine(b"content", signature, public)
    assert not signing.is_genuine(b"content!", signature, public)
    assert not signing.is_genuine(b"content", signature[:-1], public)
    assert not signing.is_genuine(b"content", signature, signing.public_pem(other))
    assert not signing.is_genuine(b"content", signature, b"no key")
