"""NTLM and Negotiate at the HTTP level, for every path; curl and impacket as clients."""
import base64
import http.client
import shutil
import ssl
import subprocess

import pytest
from impacket import ntlm

from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY

import emsmdb
from conftest import ALICE, BOB, PASSWORD, start_gateway
from harness import rpch
from harness.mapigate import Mapigate
from test_rpc_http import impacket_transport, log_on

pytestmark = pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")

POX = ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
       f'<EMailAddress>{ALICE}</EMailAddress><AcceptableResponseSchema>'
       'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>')


@pytest.fixture(scope="module")
def gateway(certificates, dovecot):
    with start_gateway(certificates, dovecot, "logon", auth={"schemes": ["negotiate", "ntlm", "basic"]}) as server:
        yield server


def connection(gateway):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", gateway.https_port, context=context, timeout=30)


def post(link, authorization=None):
    headers = {"Content-Type": "text/xml"}
    if authorization:
        headers["Authorization"] = authorization
    link.request("POST", "/autodiscover/autodiscover.xml", POX, headers)
    answer = link.getresponse()
    return answer, answer.read().decode()


def offers(answer):
    return [value.split(" ")[0] for name, value in answer.getheaders() if name == "WWW-Authenticate"]


def ntlm_token(answer, scheme):
    found = [value.split(" ", 1)[1] for name, value in answer.getheaders() if name == "WWW-Authenticate" and value.startswith(scheme + " ")]
    return base64.b64decode(found[0])


def log_on_by_ntlm(link, user=ALICE, password=PASSWORD, scheme="NTLM"):
    hello = ntlm.getNTLMSSPType1()
    answer, _ = post(link, f"{scheme} " + base64.b64encode(hello.getData()).decode())
    assert answer.status == 401
    proof, _ = ntlm.getNTLMSSPType3(hello, ntlm_token(answer, scheme), user, password, "")
    return post(link, f"{scheme} " + base64.b64encode(proof.getData()).decode())


def test_offers(gateway):
    answer, _ = post(connection(gateway))
    assert answer.status == 401 and offers(answer) == ["Negotiate", "NTLM", "Basic"]


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_ntlm_belongs_to_its_connection(gateway, scheme):
    link = connection(gateway)
    answer, text = log_on_by_ntlm(link, scheme=scheme)
    assert answer.status == 200 and ALICE in text
    # Later requests of the connection need nothing; others do.
    answer, text = post(link)
    assert answer.status == 200 and ALICE in text
    answer, _ = post(connection(gateway))
    assert answer.status == 401
    # Whoever shows something begins anew; what was there is gone when that fails.
    answer, _ = post(link, "Basic " + base64.b64encode(f"{BOB}:wrong".encode()).decode())
    assert answer.status == 401
    answer, _ = post(link)
    assert answer.status == 401
    answer, _ = log_on_by_ntlm(link, scheme=scheme)
    assert answer.status == 200


def test_wrong_password(gateway):
    link = connection(gateway)
    answer, _ = log_on_by_ntlm(link, BOB, "wrong")
    assert answer.status == 401 and offers(answer) == ["Negotiate", "NTLM", "Basic"]
    answer, _ = log_on_by_ntlm(link, "nobody@example.test")
    assert answer.status == 401


@pytest.mark.parametrize("token", ["", "!", "TlRMTVNTUAADAAAA", base64.b64encode(b"\x60\x84\xff\xff\xff\xff").decode(), "A" * 60000])
def test_nonsense(gateway, token):
    for scheme in ("NTLM", "Negotiate"):
        answer, _ = post(connection(gateway), f"{scheme} {token}")
        assert answer.status in (401, 431)
    assert gateway.alive()


def test_schemes_that_are_not_offered(certificates, dovecot):
    with start_gateway(certificates, dovecot, "basic-only") as server:
        answer, _ = post(connection(server), "NTLM " + base64.b64encode(ntlm.getNTLMSSPType1().getData()).decode())
        assert answer.status == 401 and offers(answer) == ["Basic"]


def curl(gateway, certificates, path, *options, user=f"{ALICE}:{PASSWORD}"):
    done = subprocess.run(["curl", "-sS", "--cacert", str(certificates.ca), "-o", "/dev/null", "-w", "%{http_code} %header{x-responsecode}", "-u", user,
                           *options, f"https://localhost:{gateway.https_port}{path}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("scheme", ["--ntlm", "--basic"])
def test_curl(gateway, certificates, scheme):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    assert curl(gateway, certificates, "/autodiscover/autodiscover.xml", scheme, "-d", POX, "-H", "Content-Type: text/xml") == ["200"]
    ping = ["-X", "POST", "-H", "X-RequestType: PING", "-H", "X-RequestId: {12345678-0000-0000-0000-000000000000}:1", "-H", "X-ClientInfo: x",
            "-H", "Content-Type: application/mapi-http"]
    for path in ("/mapi/emsmdb", "/mapi/nspi"):
        assert curl(gateway, certificates, path, scheme, *ping) == ["200", "0"]
    assert curl(gateway, certificates, "/mapi/emsmdb", scheme, *ping, user=f"{BOB}:wrong") == ["401"]


def test_web_services_through_a_relay_that_logs_on_itself(certificates, gateway):
    """Each answer after a challenge on its connection, whose body is for nobody."""
    modules = {"upstream": {"type": "relay", "url": f"https://localhost:{gateway.https_port}", "ca_file": certificates.ca, "auth": "ntlm"}}
    rooms = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetRoomLists '
             'xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"/></s:Body></s:Envelope>')
    headers = {"Authorization": "Basic " + base64.b64encode(f"{ALICE}:{PASSWORD}".encode()).decode(), "Content-Type": "text/xml"}
    with Mapigate(certificates, modules, ["upstream"], name="web-logon") as relay:
        link = connection(relay)
        for method, path, body, found in (("GET", "/EWS/Services.wsdl", None, "ExchangeServices"), ("POST", "/EWS/Exchange.asmx", rooms, "RoomLists"),
                                          ("POST", "/EWS/Exchange.asmx", "no XML", "Fault"), ("GET", "/OAB/nothing/oab.xml", None, "Nothing is here")):
            link.request(method, path, body, headers)
            answer = link.getresponse()
            assert found in answer.read().decode(), (method, path, answer.status)
            assert answer.status == (404 if "OAB" in path else 500 if body == "no XML" else 200)


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_channels(gateway, scheme):
    """Each channel's connection logs on for itself; the mailbox is had without a password."""
    logon = rpch.Ntlm(ALICE, PASSWORD, scheme=scheme)
    assert rpch.parse(rpch.echo(gateway.https_port, logon)) == (rpch.ECHO, [])
    with rpch.VirtualConnection(gateway.https_port, logon) as link:
        dce = rpch.transport(link).get_dce_rpc()
        dce.connect()
        dce.bind(emsmdb.EMSMDB)
        log_on(dce)
        link.recycle_in()
        while not link.in_recycled:
            dce.call(6, b"")
            link.receive()


@pytest.mark.parametrize("auth", ["NTLM", "Basic"])
def test_impacket(gateway, auth):
    dce = impacket_transport(gateway, 6001, auth=auth).get_dce_rpc()
    dce.set_credentials(ALICE, PASSWORD)
    dce.set_auth_level(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    dce.connect()
    dce.bind(emsmdb.EMSMDB)
    log_on(dce)
    dce.disconnect()
