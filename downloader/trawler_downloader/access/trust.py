"""Which certificate authorities are trusted: the public ones, and a Subscription's own.

yt-dlp trusts certifi and ignores SSL_CERT_FILE, unless told `no-certifi`; then OpenSSL's own rules hold. The public
authorities come from a hashed folder where there is one (Debian's ca-certificates): OpenSSL looks certificates up in it
by need, while loading a whole bundle costs 16 ms of CPU per listing (measured), a third of a check with nothing new.
Nothing is written to a disk, so that a process leaves nothing behind, however it ends.
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

import certifi

from trawler_downloader.access.errors import AccessError
from trawler_downloader.contract.reasons import Reason

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


def trust(extra_pem: str | None) -> None:
    """Points OpenSSL of this process at the public authorities and the extra ones, for the rest of its life.

    Args:
        extra_pem: PEM text of extra authorities.

    Raises:
        AccessError: it holds no readable certificate.
    """
    bundles: list[bytes] = []
    own_file = os.environ.get("SSL_CERT_FILE")
    folder = os.environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().openssl_capath
    if own_file and Path(own_file).is_file():
        bundles.append(Path(own_file).read_bytes())
    elif not _is_hashed(Path(folder)):
        bundles.append(Path(certifi.where()).read_bytes())
    if extra_pem is not None:
        _check(extra_pem)
        bundles.append(extra_pem.encode())
    if bundles:
        memory = os.memfd_create("trusted-authorities")
        os.write(memory, b"\n".join(bundles) + b"\n")
        os.environ["SSL_CERT_FILE"] = f"/proc/self/fd/{memory}"


def _is_hashed(folder: Path) -> bool:
    try:
        with os.scandir(folder) as files:
            return any(_HASHED_NAME.fullmatch(file.name) for file in files)
    except OSError:
        return False


def _check(pem: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Comments between the certificates may be in any language; Python takes ASCII only.
        context.load_verify_locations(cadata=pem.encode("ascii", "replace").decode())
    except (ssl.SSLError, ValueError) as error:
        message = f"access.caBundleRef: its key ca.crt holds no readable PEM certificate ({error})"
        raise AccessError(Reason.CA_BUNDLE_INVALID, message) from error
