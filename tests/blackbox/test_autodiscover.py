"""Autodiscover as Outlook asks, rows A2 to A4."""
import contextlib
import http.client
import json
import socket
import ssl

import pytest

from conftest import ALICE, BOB, PASSWORD
from harness.mapihttp import AUTODISCOVER_REQUEST, Connection, autodiscover, strip_namespaces


def get_json(server, certificates, target):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    connection = http.client.HTTPSConnection("127.0.0.1", server.https_port, context=context, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def ask(server, certificates, user=ALICE, password=PASSWORD, **keywords):
    return autodiscover(server.https_port, certificates.ca, user, password, **keywords)


def test_row_a3_complete_answer(endpoint, certificates):
    status, document = ask(endpoint, certificates)
    assert status == 200
    root = strip_namespaces(document)
    assert root.findtext(".//User/LegacyDN").startswith("/o=")
    assert root.findtext(".//User/DisplayName")
    assert root.findtext(".//Account/Action") == "settings"
    protocol = root.find(".//Protocol[@Type='mapiHttp']")
    assert protocol is not None and protocol.get("Version") == "1"
    for part in ("MailStore", "AddressBook"):
        for side in ("InternalUrl", "ExternalUrl"):
            url = protocol.findtext(f"{part}/{side}")
            assert url.startswith(f"https://localhost:{endpoint.https_port}/mapi/"), url


def test_row_a3_only_what_is_served_is_announced(endpoint, certificates):
    _, document = ask(endpoint, certificates)
    for element in strip_namespaces(document).iter():
        if (element.text or "").startswith("https://"):
            port = int(element.text.split("/")[2].partition(":")[2] or 443)
            assert port == endpoint.https_port, f"{element.tag} names {element.text}"
            with contextlib.closing(Connection(port, certificates.ca)) as connection:
                reply = connection.post("/" + element.text.split("/", 3)[3], b"", {"Content-Type": "text/xml"})
            assert reply.status != 404, element.text


@pytest.mark.parametrize("target", ["/autodiscover/autodiscover.json?Email=nobody%40example.test&Protocol=AutodiscoverV1",
                                    "/Autodiscover/Autodiscover.json/v1.0/alice@example.test?Protocol=autodiscoverv1"])
def test_json_leads_to_the_xml_and_tells_nobody_who_is_here(endpoint, certificates, target):
    status, answer = get_json(endpoint, certificates, target)
    assert status == 200
    assert answer == {"Protocol": "AutodiscoverV1",
                      "Url": f"https://localhost:{endpoint.https_port}/autodiscover/autodiscover.xml"}


@pytest.mark.parametrize("query, code", [("Email=a@b&Protocol=ActiveSync", "ProtocolNotSupported"),
                                         ("Protocol=AutodiscoverV1", "InvalidRequest"), ("Email=%zz&Protocol=%", "InvalidRequest")])
def test_json_refuses_what_is_not_served(endpoint, certificates, query, code):
    status, answer = get_json(endpoint, certificates, "/autodiscover/autodiscover.json?" + query)
    assert status == 400 and answer["ErrorCode"] == code


def test_row_a2_broken_xml(endpoint, certificates):
    status, document = ask(endpoint, certificates, body=b"<Autodiscover><not closed")
    assert status == 200
    assert strip_namespaces(document).findtext(".//ErrorCode") == "600"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"<?xml version='1.0'?><x/>"])
def test_row_a2_no_autodiscover_request(endpoint, certificates, body):
    status, document = ask(endpoint, certificates, body=body)
    assert status == 200
    assert strip_namespaces(document).findtext(".//ErrorCode") in ("600", "601")


def test_row_a2_unknown_schema(endpoint, certificates):
    request = AUTODISCOVER_REQUEST.format(address=ALICE).replace("responseschema/2006a", "responseschema/1999z")
    status, document = ask(endpoint, certificates, body=request.encode())
    assert status == 200
    assert strip_namespaces(document).findtext(".//ErrorCode") == "601"


def test_row_a2_unknown_address(endpoint, certificates):
    status, document = ask(endpoint, certificates, address="nobody@elsewhere.test")
    assert status == 200
    assert strip_namespaces(document).findtext(".//ErrorCode") in ("500", "501")


def test_entity_expansion_is_refused(gateway, certificates):
    bomb = (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
            + b"".join(b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 10) for i in range(9))
            + b"]><Autodiscover><Request><EMailAddress>&j;</EMailAddress></Request></Autodiscover>")
    status, document = ask(gateway, certificates, body=bomb)
    assert status == 200 and len(document) < 10000


def test_external_entities_are_not_read(gateway, certificates):
    document = (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
                b"<Autodiscover><Request><EMailAddress>&x;@example.test</EMailAddress></Request></Autodiscover>")
    _, answer = ask(gateway, certificates, body=document)
    assert socket.gethostname().encode() not in answer


def test_the_address_is_escaped(gateway, certificates):
    _, answer = ask(gateway, certificates, address="&lt;b&gt;&amp;@elsewhere.test")
    strip_namespaces(answer)
    assert b"<b>" not in answer


def test_wrong_password(endpoint, certificates):
    status, _ = ask(endpoint, certificates, password="wrong")
    assert status == 401


def test_two_users_get_different_names(gateway, certificates):
    names = {strip_namespaces(ask(gateway, certificates, user=user)[1]).findtext(".//User/LegacyDN")
             for user in (ALICE, BOB)}
    assert len(names) == 2


def test_upper_case_path(gateway, certificates):
    with contextlib.closing(Connection(gateway.https_port, certificates.ca)) as connection:
        reply = connection.post("/Autodiscover/Autodiscover.xml", b"", {"Content-Type": "text/xml"})
    assert reply.status == 401
