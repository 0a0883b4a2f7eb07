"""The relay: a client sees what it would see without it, and faults of the far server stay faults."""
import contextlib

import pytest

from conftest import ALICE, PASSWORD
from harness import rops
from harness.certificates import Certificates
from harness.faultproxy import FaultProxy
from harness.mapigate import Mapigate
from harness.mapihttp import Client, ProtocolError, autodiscover, discover
from harness.processes import free_port, private_dir
from harness.properties import WireError, tag_of


def test_same_mailbox(gateway, relay, open_session):
    columns = ["PidTagSubject", "PidTagMessageDeliveryTime", "PidTagMessageFlags", "PidTagMid"]
    seen = []
    for server in (gateway, relay):
        session = open_session(server)
        table = session.contents_table(session.open_folder(session.inbox))
        seen.append((session.logon.folder_ids, session.folders(), session.rows(table, columns)))
    assert seen[0] == seen[1]
    assert len(seen[0][2]) == 80


def test_same_bytes_of_a_message(gateway, relay, open_session):
    bodies = []
    for server in (gateway, relay):
        session = open_session(server)
        table = session.contents_table(session.open_folder(session.inbox))
        rows = session.rows(table, ["PidTagMid"], 10)
        bodies.append([session.stream(session.open_message(session.inbox, row[tag_of("PidTagMid")]), "PidTagBody")
                       for row in rows])
    assert bodies[0] == bodies[1]


def test_autodiscover_names_the_relay(gateway, relay, certificates):
    _, document = autodiscover(relay.https_port, certificates.ca, ALICE, PASSWORD)
    assert f":{relay.https_port}/".encode() in document
    assert f":{gateway.https_port}/".encode() not in document


def test_wrong_password_is_the_far_servers_decision(relay, certificates):
    with contextlib.closing(Client(relay.https_port, certificates.ca, ALICE, "wrong")) as client:
        assert client.raw("Connect", client.connect_body("/o=x/cn=y")).status == 401


def expect_failure(session):
    """A request while the far server is away: an error of HTTP, of the protocol or of the ROP, in time."""
    try:
        response = session.try_call(rops.get_receive_folder(""))
    except (ProtocolError, WireError, OSError):
        return
    assert response.error != 0


def test_far_server_goes_and_comes_back(certificates, dovecot, open_session):
    port = free_port()
    first = Mapigate.gateway(certificates, dovecot.tls_port, https_port=port, name="far").start()
    with Mapigate.relay(certificates, port) as relay:
        session = open_session(relay)
        first.kill()
        expect_failure(session)
        with Mapigate.gateway(certificates, dovecot.tls_port, https_port=port, folder=first.folder, name="far"):
            again = open_session(relay)
            table = again.contents_table(again.open_folder(again.inbox))
            assert len(again.rows(table, ["PidTagSubject"])) == 80
        assert relay.alive()


def test_far_server_is_down_at_the_start(certificates):
    with Mapigate.relay(certificates, free_port()) as relay:
        with contextlib.closing(Client(relay.https_port, certificates.ca, ALICE, PASSWORD)) as client:
            reply = client.raw("Connect", client.connect_body("/o=x/cn=y"))
        assert reply.status >= 500 or (reply.status == 200 and reply.code != 0)


def test_far_server_breaks_off(certificates, gateway, open_session):
    with FaultProxy(gateway.https_port) as proxy, Mapigate.relay(certificates, proxy.port) as relay:
        session = open_session(relay)
        proxy.cut_now()
        table = session.contents_table(session.open_folder(session.inbox))  # a new connection upstream
        assert len(session.rows(table, ["PidTagSubject"])) == 80
        proxy.refuse()
        proxy.cut_now()
        expect_failure(session)
        proxy.heal()
        open_session(relay)


def test_far_certificate_is_checked(gateway, certificates, dovecot):
    strangers = Certificates(private_dir("strangers"))
    with Mapigate.gateway(strangers, dovecot.tls_port, tls="implicit",
                          name="stranger") as far, Mapigate.relay(certificates, far.https_port) as relay:
        with contextlib.closing(Client(relay.https_port, certificates.ca, ALICE, PASSWORD)) as client:
            reply = client.raw("Connect", client.connect_body("/o=x/cn=y"))
        assert reply.status >= 500 or (reply.status == 200 and reply.code != 0)


def test_the_counting_module_counts(relay, open_session):
    def counted():
        return sum(value for name, value in relay.metrics().items() if "count" in name or "example" in name)
    session = open_session(relay)
    before = counted()
    for _ in range(5):
        session.call(rops.get_receive_folder(""))
    assert counted() > before


def test_discovery_through_the_relay(relay, gateway, certificates):
    assert (discover(relay.https_port, certificates.ca, ALICE, PASSWORD)[0]
            == discover(gateway.https_port, certificates.ca, ALICE, PASSWORD)[0])


@pytest.mark.parametrize("size", [1, 100, 4000])
def test_stream_pieces_of_any_size(relay, open_session, size):
    session = open_session(relay)
    table = session.contents_table(session.open_folder(session.inbox))
    mid = session.rows(table, ["PidTagMid"], 1)[0][tag_of("PidTagMid")]
    message = session.open_message(session.inbox, mid)
    opened = session.call(rops.open_stream("PidTagBody"), message)
    data = b""
    while len(data) < min(opened.stream_size, 20 * size):
        piece = session.call(rops.read_stream(size), opened.handle).data
        assert 0 < len(piece) <= size
        data += piece
    assert session.stream(message, "PidTagBody").startswith(data)
