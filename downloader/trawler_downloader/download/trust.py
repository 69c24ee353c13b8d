"""Which certificate authorities a download trusts: the system's, and the Subscription's own.

yt-dlp trusts certifi and ignores SSL_CERT_FILE unless told `no-certifi`; then OpenSSL's rules hold, and SSL_CERT_FILE
names one file that holds them all.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from trawler_downloader.download.errors import configuration


def trust(extra: Path | None) -> None:
    """Makes this process and its children trust the system's authorities and those of the file `extra`.

    Raises:
        LaunchError: Configuration, the file is missing or holds no certificate.
    """
    if extra is None:
        return
    try:
        pem = extra.read_text(encoding="utf-8", errors="replace")
        # Comments between the certificates may be in any language; Python takes ASCII only.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.encode("ascii", "replace").decode())
    except (OSError, ssl.SSLError, ValueError) as error:
        raise configuration(
            "CaBundleInvalid", f"access.caBundleRef: its key ca.crt holds no readable PEM certificate ({error})"
        ) from error
    system = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
    bundles = [pem]
    for candidate in (Path(system), Path("/etc/ssl/certs/ca-certificates.crt")):
        if candidate.is_file():
            bundles.insert(0, candidate.read_text(encoding="utf-8", errors="replace"))
            break
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="trawler-ca-", suffix=".pem", delete=False) as file:
        file.write("\n".join(bundles) + "\n")
    os.environ["SSL_CERT_FILE"] = file.name
