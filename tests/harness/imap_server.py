"""The IMAP server behind the gateway under test: $MAPIGATE_IMAP is
  dovecot  (default)
  cyrus
  bare     a Dovecot that seems to have no extensions at all
  off      a Dovecot with everything, of which the gateway's config says not to use it
Every test of mailboxes takes its server from here, and runs on each of them."""
import contextlib
import os
import re
import unittest

from . import cyrus, dovecot
from .dovecot import Dovecot
from .faultproxy import FaultProxy
from .processes import HarnessError, free_port

KINDS = ("dovecot", "cyrus", "bare", "off")
BARE = "IMAP4rev1 NAMESPACE IDLE"
# What Dovecot says though it has not announced it; its length stays, and with it those of literals.
UNASKED = re.compile(rb"\[(?:APPENDUID|COPYUID|HIGHESTMODSEQ) ")
# What a gateway before a server of kind "off" is told not to use.
UNUSED = ("CONDSTORE", "QRESYNC", "ENABLE", "ESEARCH", "MOVE", "UIDPLUS", "NOTIFY", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE",
          "LITERAL+", "LITERAL-", "SASL-IR", "MULTIAPPEND", "METADATA")


class Bare(Dovecot):
    """Its TLS port is that of a proxy."""

    proxy = None

    def __init__(self, certificates, **keywords):
        super().__init__(certificates, capability=BARE, **keywords)
        self.tls_port = free_port()

    def start(self):
        super().start()
        if not self.proxy:
            self.proxy = FaultProxy(self.port, certificates=self.certificates, port=self.tls_port)
            self.proxy.rewrite(lambda chunk: UNASKED.sub(lambda found: b"[X" + found.group()[2:], chunk))
        return self

    def __exit__(self, *what):
        super().__exit__(*what)
        if self.proxy:
            self.proxy.close()


def chosen():
    kind = os.environ.get("MAPIGATE_IMAP", "dovecot")
    if kind not in KINDS:
        raise ValueError(f"MAPIGATE_IMAP={kind}: it is one of {', '.join(KINDS)}")
    return kind


def make(certificates, users, kind=None, extra="", capability=None, **keywords):
    """Not started yet. `extra` and `capability` are for Dovecot, and `capability` keeps the chosen kind from being made bare."""
    kind = kind or chosen()
    if kind == "cyrus":
        if not cyrus.available():
            raise unittest.SkipTest("Cyrus needs cyrus-common, sasl2-bin, and cyrus-imapd from apt-get")
        return cyrus.Cyrus(certificates, users, **keywords)
    if kind == "bare" and not capability:
        return Bare(certificates, users=users, extra=extra, **keywords)
    return Dovecot(certificates, users=users, extra=extra, capability=capability, **keywords)


def gateway_settings():
    """What a gateway's module imap is told because of the kind."""
    return {"ignored_capabilities": list(UNUSED)} if chosen() == "off" else {}


def master():
    """(user, password) of who may log in as everybody else, by the authorization identity of SASL PLAIN."""
    return (cyrus.ADMIN, "secret") if chosen() == "cyrus" else (dovecot.MASTER, dovecot.MASTER_PASSWORD)


def capabilities(server, user):
    """What a client that has logged on can use, as the gateway sees it: upper case."""
    link = server.connect(user)
    told = set(link.capability()[1][0].decode().upper().split())
    link.logout()
    return told - set(gateway_settings().get("ignored_capabilities", ()))


def seed_what_it_takes(server, user, folder, messages):
    """Seeds one after the other, and gives the places of those that the server has not refused: some parse what they store."""
    taken = []
    for place, message in enumerate(messages):
        with contextlib.suppress(HarnessError):
            server.seed(user, folder, [message])
            taken.append(place)
    return taken
