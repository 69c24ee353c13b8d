"""Which authorities are trusted."""

import os
from pathlib import Path

import certifi
import pytest
import trustme

from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.trust import trust


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set before they are taken away, so that what `trust` sets is taken back too."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def extra() -> str:
    return trustme.CA().cert_pem.bytes().decode()


@pytest.fixture
def hashed(tmp_path: Path) -> Path:
    (tmp_path / "0a1b2c3d.0").touch()
    return tmp_path


def _trusted_file() -> str:
    return Path(os.environ["SSL_CERT_FILE"]).read_text()


def test_a_hashed_folder_is_enough(monkeypatch: pytest.MonkeyPatch, hashed: Path) -> None:
    """The public authorities stay where they are: nothing is loaded."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed))
    trust(None)
    assert "SSL_CERT_FILE" not in os.environ


def test_an_extra_authority_stands_beside_the_folder(monkeypatch: pytest.MonkeyPatch, hashed: Path, extra: str) -> None:
    """Only the extra one is in the file; OpenSSL reads both."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed))
    trust(extra)
    assert _trusted_file().strip() == extra.strip()


def test_without_a_hashed_folder_the_public_authorities_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: str
) -> None:
    """An image without ca-certificates trusts what yt-dlp would."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    trust(extra)
    assert Path(certifi.where()).read_text() in _trusted_file()
    assert extra in _trusted_file()


def test_the_pods_own_file_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: str) -> None:
    """SSL_CERT_FILE is the usual way to say what a whole container trusts."""
    own = tmp_path / "own.pem"
    own.write_text(trustme.CA().cert_pem.bytes().decode())
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    trust(extra)
    assert own.read_text() in _trusted_file()
    assert extra in _trusted_file()


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param("", id="empty"),
        pytest.param("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="no certificate inside"),
        pytest.param("é", id="not even ASCII"),
    ],
)
def test_an_unreadable_bundle_is_an_error_for_its_owner(pem: str) -> None:
    """The message names the field."""
    with pytest.raises(AccessError, match=r"access\.caBundleRef"):
        trust(pem)


def test_comments_in_a_bundle_may_be_in_any_language(extra: str) -> None:
    """As in the bundle that browsers' authorities come in."""
    trust(f"# Főtanúsítvány\n{extra}")
    assert "Főtanúsítvány" in _trusted_file()
