"""The IMAP server behind the gateway under test: $MAPIGATE_IMAP is dovecot (default), cyrus, or bare, a Dovecot that says
it has no extensions at all. The black-box tests that take their server from here run on each of them."""
import os

import pytest

from . import cyrus
from .dovecot import Dovecot

KINDS = ("dovecot", "cyrus", "bare")
BARE = "IMAP4rev1 NAMESPACE IDLE"


def make(certificates, users, kind=None, extra="", **keywords):
    """Not started yet. `extra` is for Dovecot's configuration."""
    kind = kind or os.environ.get("MAPIGATE_IMAP", "dovecot")
    if kind not in KINDS:
        raise ValueError(f"MAPIGATE_IMAP={kind}: it is one of {', '.join(KINDS)}")
    if kind == "cyrus":
        if not cyrus.available():
            pytest.skip("Cyrus needs cyrus-common, sasl2-bin, and cyrus-imapd from apt-get")
        return cyrus.Cyrus(certificates, users, **keywords)
    return Dovecot(certificates, users=users, extra=extra, **({"capability": BARE} if kind == "bare" else {}), **keywords)
