"""A certificate authority of one's own and the stand-in's certificate, made anew for every deployment (by trustme)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

from standin.hosts import HOSTS


@dataclass(frozen=True)
class Certificates:
    """PEM texts."""

    ca: str
    certificate: str
    key: str

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        """Write them as ca.crt, tls.crt and tls.key; returns their paths."""
        paths = (folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
        for path, text in zip(paths, (self.ca, self.certificate, self.key), strict=True):
            path.write_text(text)
        return paths


def issue() -> Certificates:
    """A new authority and a certificate for all hosts of the stand-in."""
    authority = trustme.CA()
    issued = authority.issue_cert(*HOSTS)
    return Certificates(
        ca=authority.cert_pem.bytes().decode(),
        certificate="".join(part.bytes().decode() for part in issued.cert_chain_pems),
        key=issued.private_key_pem.bytes().decode(),
    )
