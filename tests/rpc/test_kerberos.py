"""Tickets instead of passwords: Negotiate at the HTTP level, and Kerberos within DCE/RPC at every level."""
import base64
import contextlib
import http.server
import os
import ssl
import subprocess
import threading

import pytest
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY

import emsmdb
from conftest import ALICE, PASSWORD, start_gateway
from harness import kerberos, rpch
from harness.mapigate import Mapigate
from test_http_logon import POX
from test_rpc_http import log_on

pytestmark = pytest.mark.skipif(not kerberos.available(), reason="krb5-kdc and krb5-user are not installed")


@pytest.fixture(scope="module")
def kdc():
    with kerberos.Kdc("EXAMPLE.TEST", {"alice": "secret", "stranger/admin": "secret"}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(certificates, dovecot, kdc):
    with start_gateway(certificates, dovecot, "kerberos", auth={"schemes": ["negotiate", "basic"], "keytab": kdc.keytab, "realm": "EXAMPLE.TEST"}) as server:
        yield server


def curl(gateway, certificates, environment):
    done = subprocess.run(["curl", "-sS", "--cacert", str(certificates.ca), "--negotiate", "-u", ":", "-d", POX, "-H", "Content-Type: text/xml",
                           "-w", "%{http_code}", f"https://localhost:{gateway.https_port}/autodiscover/autodiscover.xml"],
                          capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_with_a_ticket(gateway, certificates, kdc):
    text = curl(gateway, certificates, kdc.ticket("alice", "secret"))
    assert text.endswith("200") and ALICE in text


def test_curl_with_somebody_elses_ticket(gateway, certificates, kdc):
    assert curl(gateway, certificates, kdc.ticket("stranger/admin", "secret")).endswith("401")


def test_curl_without_a_ticket(gateway, certificates, kdc):
    assert curl(gateway, certificates, {**kdc.environment, "KRB5CCNAME": "FILE:/nonexistent"}).endswith("401")


@pytest.mark.parametrize("with_key", [True, False])
def test_ticket_passed_on_by_a_relay(certificates, gateway, kdc, with_key):
    """Both hold the key of the one service; without it a relay does not know whose ticket it is, and lets nobody in."""
    upstream = {"type": "relay", "url": gateway.url(), "ca_file": certificates.ca, "credentials": "pass-through"}
    key = {"keytab": kdc.keytab, "realm": "EXAMPLE.TEST"} if with_key else {}
    with Mapigate(certificates, {"upstream": upstream}, ["upstream"], name="passing", server={"default_domain": "example.test"},
                  auth={"schemes": ["negotiate"], "pass_to": "upstream", **key}) as relay:
        text = curl(relay, certificates, kdc.ticket("alice", "secret"))
        assert text.endswith("200") and ALICE in text if with_key else text.endswith("401")


class TicketTaker(http.server.BaseHTTPRequestHandler):
    """An upstream that lets in whoever has a ticket: for one request, as IIS does with authPersistNonNTLM=false, or for good."""
    protocol_version = "HTTP/1.1"
    known = False  # of the connection, which has a handler of its own

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        ticket = (self.headers["Authorization"] or "").startswith("Negotiate ")
        self.server.requests.append((self.path.partition("?")[0], ticket))
        if not ticket and not self.known:
            self.answer(401, {"WWW-Authenticate": "Negotiate"})
            return
        self.known = self.server.persistent
        announced = ticket and self.server.announces
        self.answer(200, {"X-ResponseCode": "0", **({"Persistent-Auth": "true"} if announced else {})})

    def answer(self, status, fields):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def ticket_taker(certificates, persistent, announces):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TicketTaker)
    server.daemon_threads, server.persistent, server.announces, server.requests = True, persistent, announces, []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("persistent, announces", [(False, False), (True, False), (True, True)])
def test_upstream_that_takes_a_ticket_for_one_request(certificates, kdc, persistent, announces):
    """It is no use to a pair of connections: the logon is refused, so that clients try something else and do not begin again for ever."""
    with ticket_taker(certificates, persistent, announces) as far:
        upstream = {"type": "relay", "url": f"https://127.0.0.1:{far.server_address[1]}", "ca_file": certificates.ca, "credentials": "pass-through"}
        with Mapigate(certificates, {"upstream": upstream}, ["upstream"], name="once", server={"default_domain": "example.test"},
                      auth={"schemes": ["negotiate"], "pass_to": "upstream", "keytab": kdc.keytab, "realm": "EXAMPLE.TEST"}) as relay:
            text = curl(relay, certificates, kdc.ticket("alice", "secret"))
            pings = [ticket for path, ticket in far.requests if path == "/mapi/emsmdb/"]
            passed = [path for path, _ in far.requests if path != "/mapi/emsmdb/"]
            if persistent:
                assert not text.endswith("401") and passed
                assert pings == ([True] if announces else [True, False])
            else:
                assert text.endswith("401") and not passed
                assert pings[:2] == [True, False]
                assert "authPersistNonNTLM" in relay.log()


def test_ntlm_beside_a_keytab(gateway):
    dce = emsmdb.connect(gateway.rpc["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    assert emsmdb.hello(dce, emsmdb.user_dn(ALICE))["pcxh"]
    dce.disconnect()


# At the endpoint mapper, because Samba's client has to know which service a ticket is for, and knows no Exchange; by another
# name than localhost, for which it wants no ticket.
PROBE = """
import sys
from samba import param
from samba.credentials import MUST_USE_KERBEROS, Credentials
from samba.dcerpc import epmapper
port, options = sys.argv[1:]
settings = param.LoadParm()
settings.set("realm", "EXAMPLE.TEST")
settings.set("workgroup", "EXAMPLE")
credentials = Credentials()
credentials.guess(settings)
credentials.set_username("alice")
credentials.set_password("secret")
credentials.set_realm("EXAMPLE.TEST")
credentials.set_kerberos_state(MUST_USE_KERBEROS)
client = epmapper.epmapper(f"ncacn_ip_tcp:127.0.0.1[{port},{options},target_hostname=mail.example.test]", settings, credentials)
print(client.request(2, b"\\0" * 12 + b"\\1\\0\\0\\0" + b"\\0" * 20 + b"\\x0a\\0\\0\\0")[-4:].hex())
"""


@pytest.mark.parametrize("mechanism", ["krb5", "spnego"])
@pytest.mark.parametrize("level", ["connect", "packet", "sign", "seal"])
def test_samba_client(gateway, kdc, mechanism, level):
    pytest.importorskip("samba", reason="python3-samba is not installed")
    done = subprocess.run(["/usr/bin/python3", "-c", PROBE, str(gateway.rpc["epm_port"]), f"{level},{mechanism}"], capture_output=True, text=True,
                          timeout=60, env={**os.environ, **kdc.ticket("alice", "secret")})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "00000000", "the status of ept_lookup"


def test_mailbox_over_http(gateway, kdc, monkeypatch):
    """The ticket at the HTTP level is all that there is; the mailbox is reached by the master user."""
    gssapi = pytest.importorskip("gssapi", reason="python3-gssapi is not installed")
    for name, value in kdc.ticket("alice", "secret").items():
        monkeypatch.setenv(name, value)

    class Ticket:
        def header(self, channel):
            name = gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service)
            spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
            token = gssapi.SecurityContext(name=name, mech=spnego, usage="initiate").step()
            return "Negotiate " + base64.b64encode(token).decode()

    with rpch.VirtualConnection(gateway.https_port, Ticket()) as link:
        dce = rpch.transport(link).get_dce_rpc()
        dce.connect()
        dce.bind(emsmdb.EMSMDB)
        log_on(dce)


@pytest.mark.parametrize("mechanism", ["kerberos", "negotiate"])
@pytest.mark.parametrize("protection", ["connect", "packet", "integrity", "privacy"])
def test_own_client(gateway, kdc, mechanism, protection):
    """`mapigate client` with a ticket, within DCE/RPC."""
    done = subprocess.run(
        [str(gateway.program), "client", "--user", ALICE, "--transport", "rpctcp", "--rpc-server", "localhost", "--epm-port",
         str(gateway.rpc["epm_port"]), "--auth", mechanism, "--protection", protection, "folders"],
        capture_output=True, text=True, timeout=60, env={**os.environ, **kdc.ticket("alice", "secret")})
    assert done.returncode == 0, done.stderr
    assert "Inbox" in done.stdout
