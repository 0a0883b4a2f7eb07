"""Autodiscover beyond the plain case: SOAP, shared mailboxes, redirects, a choice of protocols, DNS."""
import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import ssl
import subprocess
import threading

import pytest

from conftest import ALICE, BOB, PASSWORD
from harness.dns import Dns
from harness.mapigate import Mapigate
from harness.mapihttp import Connection, autodiscover, strip_namespaces
from harness.processes import free_port

PEOPLE = """
[[entry]]
name = "Alice Adams"
address = "alice@example.test"
aliases = ["a.adams@example.test"]

[[entry]]
name = "Bob Brown"
address = "bob@example.test"

[[entry]]
kind = "group"
name = "Front Desk"
address = "desk@example.test"
members = ["alice@example.test"]
delegates = ["alice@example.test"]

[[entry]]
name = "Office"
address = "office@example.test"
full_access = ["desk@example.test"]

[[entry]]
name = "Board"
address = "board@example.test"
full_access = ["bob@example.test"]

[[entry]]
name = "Chair"
address = "chair@example.test"
delegates = ["alice@example.test"]
"""
SOAP = """<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover" xmlns:wsa="http://www.w3.org/2005/08/addressing"
  xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion>
  <wsa:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/{operation}</wsa:Action></soap:Header>
  <soap:Body><a:{operation}RequestMessage><a:Request>{request}</a:Request></a:{operation}RequestMessage></soap:Body></soap:Envelope>"""


@pytest.fixture(scope="module")
def server(certificates, dovecot, tmp_path_factory):
    file = tmp_path_factory.mktemp("people") / "people.toml"
    file.write_text(PEOPLE, encoding="utf-8")
    http_port = free_port()
    tables = {"autodiscover": {"redirects": ["*@old.test=@example.test", "carol@example.test=https://far.test/autodiscover/autodiscover.xml"],
                               "protocols": ["bob@*=EXCH"], "http_listen": [f"127.0.0.1:{http_port}"]}}
    with Mapigate.gateway(certificates, dovecot.tls_port, people=file, name="discovery", tables=tables) as gateway:
        gateway.http_port, gateway.imap_port, gateway.people = http_port, dovecot.tls_port, file
        yield gateway


def ask(server, certificates, user=ALICE, **keywords):
    status, document = autodiscover(server.https_port, certificates.ca, user, PASSWORD, **keywords)
    assert status == 200
    return strip_namespaces(document)


def soap(server, certificates, operation, request, user=ALICE):
    body = SOAP.format(operation=operation, request=request).encode()
    return raw(server, certificates, body, user)


def raw(server, certificates, body, user=ALICE):
    with contextlib.closing(Connection(server.https_port, certificates.ca)) as connection:
        reply = connection.post("/autodiscover/autodiscover.svc", body,
                                {"Content-Type": "text/xml; charset=utf-8", "Authorization": "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()})
    return reply.status, strip_namespaces(reply.payload)


def user_settings(server, certificates, users, names, user=ALICE):
    request = ("<a:Users>" + "".join(f"<a:User><a:Mailbox>{one}</a:Mailbox></a:User>" for one in users) + "</a:Users>"
               "<a:RequestedSettings>" + "".join(f"<a:Setting>{name}</a:Setting>" for name in names) + "</a:RequestedSettings>")
    status, root = soap(server, certificates, "GetUserSettings", request, user)
    assert status == 200
    return root


def test_an_alias_leads_to_the_own_mailbox(server, certificates):
    root = ask(server, certificates, address="A.Adams@Example.Test")
    assert root.findtext(".//User/AutoDiscoverSMTPAddress") == ALICE


def test_shared_mailboxes_come_along_and_can_be_asked_for(server, certificates):
    root = ask(server, certificates)
    shared = root.findall(".//Account/AlternativeMailbox")
    assert [one.findtext("SmtpAddress") for one in shared] == ["office@example.test"]
    assert shared[0].findtext("DisplayName") == "Office" and shared[0].findtext("Type") == "Delegate"
    other = ask(server, certificates, address="office@example.test")
    assert other.findtext(".//User/DisplayName") == "Office"
    assert other.findtext(".//User/LegacyDN").endswith("/cn=Recipients/cn=office@example.test")
    # [MS-OXDSCLI] 2.2.4.1.1.2.5: beside an address neither of these stands.
    assert shared[0].find("LegacyDN") is None and shared[0].find("Server") is None
    assert "office@example.test" in other.findtext(".//MailStore/ExternalUrl")
    # Who sends on its behalf may ask for it, but is not told to open it.
    assert ask(server, certificates, address="chair@example.test").findtext(".//User/DisplayName") == "Chair"


def test_shared_mailboxes_need_not_be_told(server, certificates):
    tables = {"autodiscover": {"shared_mailboxes": False}}
    with Mapigate.gateway(certificates, server.imap_port, people=server.people, name="silent", tables=tables) as other:
        assert ask(other, certificates).find(".//AlternativeMailbox") is None
        # Who asks for one by its address is answered all the same.
        assert ask(other, certificates, address="office@example.test").findtext(".//User/DisplayName") == "Office"


# The last is a group: its delegates write on its behalf, but it has no mailbox.
@pytest.mark.parametrize("address", ["board@example.test", "bob@example.test", "nobody@example.test", "desk@example.test"])
def test_other_peoples_mailboxes_look_like_none(server, certificates, address):
    assert ask(server, certificates, address=address).findtext(".//ErrorCode") == "500"


def test_errors_say_when_and_where(server, certificates):
    failure = ask(server, certificates, address="nobody@example.test").find(".//Error")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{7}", failure.get("Time")) and failure.get("Id").isdigit()


def test_redirects(server, certificates):
    root = ask(server, certificates, address="alice@old.test")
    assert root.findtext(".//Action") == "redirectAddr" and root.findtext(".//RedirectAddr") == ALICE
    root = ask(server, certificates, address="carol@example.test")
    assert root.findtext(".//Action") == "redirectUrl" and root.findtext(".//RedirectUrl").startswith("https://far.test/")


def test_protocols_by_user_and_client(server, certificates):
    def kinds(root):
        return {one.get("Type") or one.findtext("Type") for one in root.findall(".//Account/Protocol")}
    assert kinds(ask(server, certificates)) >= {"EXCH", "mapiHttp"}
    assert kinds(ask(server, certificates, user=BOB)) == {"EXCH"}
    for capability in ("0", "-1", "none"):  # a version that is announced is not above the client's
        assert "mapiHttp" not in kinds(ask(server, certificates, headers={"X-MapiHttpCapability": capability}))
    assert "mapiHttp" in kinds(ask(server, certificates, headers={"X-MapiHttpCapability": "2"}))
    exch = next(one for one in ask(server, certificates).findall(".//Protocol") if one.findtext("Type") == "EXCH")
    assert exch.findtext("ServerDN").startswith("/o=") and "cn=Microsoft Private MDB" in exch.findtext("MdbDN")


def test_user_settings_over_soap(server, certificates):
    root = user_settings(server, certificates, [ALICE, "board@example.test", "carol@example.test", "alice@old.test"],
                         ["UserDisplayName", "UserDN", "CasVersion", "InternalEcpUrl", "NoSuchSetting", "AlternateMailboxes"])
    assert root.findtext(".//ServerVersionInfo/MajorVersion") == "15"
    assert root.findtext(".//Response/ErrorCode") == "NoError"
    own, board, carol, old = root.findall(".//UserResponse")
    values = {one.findtext("Name"): one.findtext("Value") for one in own.findall(".//UserSetting")}
    assert values["UserDisplayName"] == "Alice Adams" and values["UserDN"].startswith("/o=")
    assert values["CasVersion"] == "15.00.0847.032"
    assert {one.findtext("SettingName"): one.findtext("ErrorCode") for one in own.findall(".//UserSettingError")} == {
        "InternalEcpUrl": "SettingIsNotAvailable", "NoSuchSetting": "InvalidSetting"}
    assert own.findtext(".//AlternateMailbox/SmtpAddress") == "office@example.test"
    assert board.findtext("ErrorCode") == "InvalidUser" and board.find("UserSettings/*") is None
    assert carol.findtext("ErrorCode") == "RedirectUrl" and carol.findtext("RedirectTarget").startswith("https://far.test")
    assert old.findtext("ErrorCode") == "RedirectAddress" and old.findtext("RedirectTarget") == ALICE


def test_settings_that_are_not_here_are_known_all_the_same(server, certificates):
    names = ["ExchangeRpcUrl", "SiteMailboxCreationURL", "EcpExtensionInstallationUrlFragment", "CertPrincipalName", "InternalRpcHttpServer",
             "ExternalServerExclusiveConnect", "internalewsurl"]
    root = user_settings(server, certificates, [ALICE], names)
    assert {one.findtext("SettingName"): one.findtext("ErrorCode") for one in root.findall(".//UserSettingError")} == {
        **{name: "SettingIsNotAvailable" for name in names[:-1]}, "internalewsurl": "InvalidSetting"}


def test_soap_without_users_is_invalid(server, certificates):
    assert user_settings(server, certificates, [], ["UserDN"]).findtext(".//Response/ErrorCode") == "InvalidRequest"
    assert user_settings(server, certificates, [ALICE] * 91, ["UserDN"]).findtext(".//Response/ErrorCode") == "InvalidRequest"


def test_domain_settings_and_federation(server, certificates):
    status, root = soap(server, certificates, "GetDomainSettings", "<a:Domains><a:Domain>example.test</a:Domain><a:Domain>other.test</a:Domain>"
                        "</a:Domains><a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting><a:Setting>Odd</a:Setting></a:RequestedSettings>")
    assert status == 200
    assert [one.findtext("ErrorCode") for one in root.findall(".//DomainResponse")] == ["NoError", "InvalidDomain"]
    status, root = soap(server, certificates, "GetFederationInformation", "<a:Domain>example.test</a:Domain>")
    assert status == 200 and root.findtext(".//Response/ErrorCode") == "NotFederated"


@pytest.mark.parametrize("body", [b"", b"<x/>", b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body/></soap:Envelope>",
                                  SOAP.format(operation="FlyToTheMoon", request="").encode()])
def test_soap_faults(server, certificates, body):
    status, root = raw(server, certificates, body)
    assert status == 500 and root.find(".//Fault") is not None


def test_plain_http_only_leads_on(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/autodiscover/autodiscover.xml")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 302
        assert answer.getheader("Location") == f"https://localhost:{server.https_port}/autodiscover/autodiscover.xml"
        connection.request("GET", "/mapi/emsmdb")
        assert connection.getresponse().status == 404


@pytest.mark.parametrize("query, code", [("Email=a@b", "MandatoryParameterMissing"), ("Email=a@b&Protocol=ActiveSync", "ProtocolNotSupported"),
                                         ("Email=ab&Protocol=AutodiscoverV1", "InvalidRequest")])
def test_json_errors(server, certificates, query, code):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    connection = http.client.HTTPSConnection("127.0.0.1", server.https_port, context=context, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/autodiscover/autodiscover.json?" + query)
        answer = connection.getresponse()
        assert answer.status == 400 and json.loads(answer.read())["ErrorCode"] == code


def test_the_client_shows_what_it_was_told(server):
    told = json.loads(server.client("--json", "autodiscover").stdout)
    assert told["protocols"] == ["EXCH", "mapiHttp"] or "mapiHttp" in told["protocols"]
    assert [one["address"] for one in told["shared"]] == ["office@example.test"]
    assert "office@example.test" in server.client("autodiscover").stdout


def check(server, *arguments):
    return subprocess.run([str(server.program), "check", "-c", str(server.config_path), *arguments], capture_output=True, text=True, timeout=60)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Gives one answer after another, the last one for ever: (where HTTP leads to, or a document)."""
    protocol_version = "HTTP/1.1"
    answers = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        location, document = self.answers[min(self.server.asked, len(self.answers) - 1)]
        self.server.asked += 1
        body = (document or "").encode()
        self.send_response(302 if location else 200)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def elsewhere(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    handler = type("Handler", (Elsewhere,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        made.socket = context.wrap_socket(made.socket, server_side=True)
        made.asked, made.handler = 0, handler
        made.url = f"https://localhost:{made.server_address[1]}"
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def redirect(action, element, target):
    return ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response '
            'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>'
            f"<Action>{action}</Action><{element}>{target}</{element}></Account></Response></Autodiscover>")


def test_the_client_follows_redirections(server, elsewhere):
    """To another address, by HTTP to another server, and there to a third address; and a URL in a document."""
    target = f"{server.url()}/autodiscover/autodiscover.xml"
    elsewhere.handler.answers = [(None, redirect("redirectAddr", "RedirectAddr", "alice@old.test")), (target, None)]
    told = json.loads(server.client("--json", "autodiscover", server=elsewhere.url).stdout)
    assert told["address"] == ALICE and elsewhere.asked == 2
    elsewhere.handler.answers = [(None, redirect("redirectUrl", "RedirectUrl", target))]
    told = json.loads(server.client("--json", "autodiscover", server=elsewhere.url).stdout)
    assert told["address"] == ALICE and elsewhere.asked == 3


@pytest.mark.parametrize("target, asked, said", [
    ("{self}/autodiscover/autodiscover.xml", 1, "circles"), ("http://localhost/autodiscover/autodiscover.xml", 1, "seen by others"),
    ("", 1, "nowhere")])
def test_the_client_follows_no_circles_and_nothing_without_tls(server, elsewhere, target, asked, said):
    target = target.format(self=elsewhere.url)
    elsewhere.handler.answers = [(None, redirect("redirectUrl", "RedirectUrl", target))]
    done = server.client("autodiscover", server=elsewhere.url, check=False)
    assert done.returncode == 1 and said in done.stderr and elsewhere.asked == asked


def test_the_client_does_not_follow_for_ever(server, elsewhere):
    elsewhere.handler.answers = [(f"{elsewhere.url}/{number}", None) for number in range(30)]
    done = server.client("autodiscover", server=elsewhere.url, check=False)
    assert done.returncode == 1 and elsewhere.asked == 11


def relay_to(certificates, url, **settings):
    upstream = {"type": "relay", "url": url, "ca_file": certificates.ca, "credentials": "pass-through", **settings}
    return Mapigate(certificates, {"upstream": upstream}, ["upstream"], name="leading")


def test_a_relay_tells_of_another_address(certificates, elsewhere):
    elsewhere.handler.answers = [(None, redirect("redirectAddr", "RedirectAddr", "alice@moved.test"))]
    with relay_to(certificates, elsewhere.url) as relay:
        root = ask(relay, certificates)
        assert root.findtext(".//Action") == "redirectAddr" and root.findtext(".//RedirectAddr") == "alice@moved.test"
        assert root.find(".//Protocol") is None
        elsewhere.handler.answers = [(None, redirect("redirectAddr", "RedirectAddr", "Alice@Example.test"))]
        assert ask(relay, certificates).findtext(".//ErrorCode") == "603"


@pytest.mark.parametrize("target, tell", [("https://far.test/autodiscover/autodiscover.xml", True), ("http://far.test/autodiscover/autodiscover.xml", False)])
def test_a_relay_leads_around_itself_only_where_it_may(certificates, elsewhere, target, tell):
    elsewhere.handler.answers = [(None, redirect("redirectUrl", "RedirectUrl", target))]
    with relay_to(certificates, elsewhere.url) as relay:
        assert ask(relay, certificates).findtext(".//ErrorCode") == "603"
    with relay_to(certificates, elsewhere.url, rewrite=False) as relay:
        root = ask(relay, certificates)
        assert root.findtext(".//RedirectUrl") == (target if tell else None)
        assert root.findtext(".//ErrorCode") == (None if tell else "603")


def by_service_record(server, certificates, record):
    with Dns({("_autodiscover._tcp.localhost", "SRV"): [record]}) as dns:
        return subprocess.run([str(server.program), "client", "--user", "someone@localhost", "--resolver", dns.address, "--ca-file",
                               str(certificates.ca), "--json", "autodiscover"],
                              capture_output=True, text=True, timeout=120, env={**os.environ, "MAPIGATE_PASSWORD": PASSWORD})


def test_the_client_looks_for_a_service_record(server, certificates, elsewhere):
    """[MS-OXDISCO] 3.1.5: after https://DOMAIN and https://autodiscover.DOMAIN, which nobody serves here at port 443."""
    elsewhere.handler.answers = [(None, '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response '
                                  'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><User><DisplayName>'
                                  "Some One</DisplayName><LegacyDN>/o=far/cn=one</LegacyDN></User><Account><Action>settings</Action>"
                                  "</Account></Response></Autodiscover>")]
    done = by_service_record(server, certificates, (0, 0, elsewhere.server_address[1], "localhost"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["address"] == "someone@localhost" and elsewhere.asked == 1
    # A password goes to no other domain because DNS says so.
    done = by_service_record(server, certificates, (0, 0, 443, "elsewhere.test"))
    assert done.returncode == 1 and "--server https://elsewhere.test" in done.stderr and elsewhere.asked == 1
    # One that was tried already says nothing new.
    done = by_service_record(server, certificates, (0, 0, 443, "localhost"))
    assert done.returncode == 1 and "circles" not in done.stderr and elsewhere.asked == 1


def test_dns_that_has_to_be_there(server, certificates):
    said = check(server, "--dns", "example.test")
    assert "autodiscover.example.test CNAME: localhost" in said.stdout
    assert f"_autodiscover._tcp.example.test SRV: 0 0 {server.https_port} localhost" in said.stdout


def test_dns_as_it_is(server):
    good = {("localhost", "A"): ["127.0.0.1"], ("_autodiscover._tcp.example.test", "SRV"): [(0, 0, server.https_port, "localhost")],
            ("example.test", "MX"): [(10, "mx.example.test")]}
    with Dns(good) as dns:
        done = check(server, "--json", "--dns", "example.test", "--ask", "--resolver", dns.address)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"], done.stdout
    assert {one["type"]: one["state"] for one in report["records"]} == {
        "A or AAAA": "good", "CNAME": "optional", "SRV": "good", "MX": "good"}
    # A CNAME helps only at port 443, and a service record elsewhere helps nobody.
    for records in ({("localhost", "A"): ["127.0.0.1"], ("autodiscover.example.test", "CNAME"): ["localhost"]},
                    {**good, ("_autodiscover._tcp.example.test", "SRV"): [(0, 0, 443, "elsewhere.test")]},
                    {("localhost", "MX"): []}):
        with Dns(records) as dns:
            done = check(server, "--json", "--dns", "example.test", "--ask", "--resolver", dns.address)
        assert done.returncode == 1 and json.loads(done.stdout)["problems"]


def test_settings_that_are_no_rules(server):
    text = server.config_path.read_text()
    bad = server.folder / "bad.toml"
    bad.write_text(text.replace('"bob@*=EXCH"', '"bob"'))
    done = subprocess.run([str(server.program), "check", "-c", str(bad)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and 'protocols: "bob" is not PATTERN=VALUE' in done.stderr
