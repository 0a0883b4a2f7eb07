"""What a user who logged on without a password needs other servers for: mail goes out, automatic replies are set, calendars are
read, each as its module's master user, or fixed one, allows."""
import contextlib
import imaplib
import json
import ssl

import pytest

from conftest import ALICE, BOB, DOVECOT_MASTER, MASTER, MASTER_PASSWORD, NT_HASH, PASSWORD
from harness import managesieve, postfix, radicale
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate
from harness.postfix import Postfix
from harness.processes import free_port, private_dir, wait_until
from harness.radicale import Radicale

pytestmark = pytest.mark.skipif(not managesieve.available(), reason="dovecot-managesieved is not installed")

MASTERS = {"master_user": MASTER, "master_password": MASTER_PASSWORD}
BY_NTLM = {"mapihttp": ["--auth", "ntlm"], "rpctcp": ["--transport", "rpctcp", "--auth", "ntlm"]}


class Site:
    def __init__(self, certificates, stack):
        self.sieve_port, lmtp_port, local_port = free_port(), free_port(), free_port()
        self.sends = postfix.available()
        folder = private_dir("dovecot")
        (folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        (folder / "masters").chmod(0o644)
        extra = (postfix.mail_services(lmtp_port) if self.sends else "") + managesieve.services(
            self.sieve_port, "imap lmtp sieve" if self.sends else "imap sieve", local_port if self.sends else None)
        self.dovecot = stack.enter_context(Dovecot(certificates, users=(ALICE, BOB), folder=folder, extra=extra + DOVECOT_MASTER.format(folder=folder)))
        if self.sends:
            self.postfix = stack.enter_context(Postfix(certificates, self.dovecot, lmtp_port, [ALICE, BOB], local_port=local_port))
        if radicale.available():
            self.radicale = stack.enter_context(Radicale(users=(ALICE, BOB, "service"), rights="authenticated"))
        accounts = private_dir("accounts") / "accounts"
        accounts.write_text(f"{ALICE}:{NT_HASH}\n{BOB}:{NT_HASH}\n")
        accounts.chmod(0o600)
        port = free_port()
        self.epm_port = free_port()
        self.gateway = Mapigate.gateway(
            certificates, self.dovecot.tls_port, smtp_port=self.postfix.port if self.sends else None,
            sieve={"port": self.sieve_port, "tls": "starttls", **MASTERS},
            freebusy={"url": self.radicale.url() + "/%u/", "user": "service", "password": PASSWORD, "remember": "0ms"} if radicale.available() else None,
            name="providers", auth={"schemes": ["ntlm", "basic"]}, server={"default_domain": "example.test"},
            rpc={"address": "127.0.0.1", "accounts": accounts, "epm_port": self.epm_port, "emsmdb_port": port, "nspi_port": port, "rfr_port": port})
        for name in ("imap", "smtp"):
            if name in self.gateway.arguments["modules"]:
                self.gateway.arguments["modules"][name].update(MASTERS)
        self.gateway.write_config()
        stack.enter_context(self.gateway)

    def client(self, way, *arguments):
        return self.gateway.client(*BY_NTLM[way], "--epm-port", self.epm_port, *arguments)

    def inbox(self, user):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with imaplib.IMAP4_SSL("127.0.0.1", self.dovecot.tls_port, ssl_context=context) as link:
            link.login(user, PASSWORD)
            link.select("INBOX", readonly=True)
            found = link.search(None, "ALL")[1][0].decode().replace(" ", ",")
            return b"".join(part[1] for part in link.fetch(found, "BODY.PEEK[HEADER]")[1] if isinstance(part, tuple)).decode() if found else ""


@pytest.fixture(scope="module")
def site(certificates):
    with contextlib.ExitStack() as stack:
        yield Site(certificates, stack)


@pytest.mark.parametrize("way", BY_NTLM)
def test_sending(site, way):
    if not site.sends:
        pytest.skip("Postfix needs root and the package postfix")
    site.client(way, "send", "--to", BOB, "--subject", f"Without a password over {way}", "--text", "Hello")
    wait_until(lambda: f"Subject: Without a password over {way}" in site.inbox(BOB), "it arrives", 30, 0.5)
    sent = next(text for text in site.inbox(BOB).split("\r\n\r\n") if f"over {way}" in text)
    assert f"<{ALICE}>" in sent or ALICE in sent
    assert MASTER not in sent


def test_automatic_replies(site):
    site.client("mapihttp", "oof", "set", "--state", "enabled", "--internal", "Back on Monday.")
    assert json.loads(site.client("mapihttp", "--json", "oof").stdout)["state"].lower() == "enabled"
    with managesieve.ManageSieve(site.sieve_port, ALICE) as server:
        assert server.active() == "mapigate"
    site.client("mapihttp", "oof", "set", "--state", "disabled")


def test_free_busy(site):
    """Times by the fixed user; what somebody does only that person's own password, or being that person, shows."""
    if not radicale.available():
        pytest.skip("radicale is not installed")
    for user in (ALICE, BOB):
        site.radicale.calendar(user, "work", ["DTSTART:20240402T080000Z", "DTEND:20240402T090000Z", "SUMMARY:Doctor"])
    seen = json.loads(site.client("mapihttp", "--json", "freebusy", BOB, "2024-04-02", "2024-04-03").stdout)
    assert seen["events"] == [{"start": "2024-04-02T08:00:00Z", "end": "2024-04-02T09:00:00Z", "type": "busy"}]
    assert "Doctor" in site.client("mapihttp", "freebusy", ALICE, "2024-04-02", "2024-04-03").stdout
    # Who has a password reads with it.
    assert "Doctor" in site.gateway.client("freebusy", BOB, "2024-04-02", "2024-04-03").stdout
