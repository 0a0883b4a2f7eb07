"""A backend that dies, hangs or lies is an error that can be retried: never an empty folder, never a deletion."""
import contextlib
import time

import pytest

from conftest import ALICE, PASSWORD
from harness import mailgen, rops
from harness.faultproxy import FaultProxy
from harness.mapihttp import Client, ProtocolError, Session
from harness.processes import HarnessError, wait_until
from harness.properties import WireError, tag_of

COUNT = 30
MID = tag_of("PidTagMid")
# What a failing request may end in; anything else is a bug in the test's client or a crash
FAILURES = (ProtocolError, WireError, OSError, rops.RopError)


@pytest.fixture
def backend(make_dovecot):
    server = make_dovecot(users=(ALICE,))
    server.seed(ALICE, "INBOX", [mailgen.message(number, large=False).seed() for number in range(COUNT)])
    return server


@pytest.fixture
def proxied(backend, certificates, make_gateway):
    """(proxy, gateway): the gateway reaches the backend through the proxy, which reads the plain IMAP."""
    with FaultProxy(backend.port, certificates=certificates) as proxy:
        yield proxy, make_gateway(proxy.port)


def inbox_count(session):
    """Rows of the inbox, or None if the server says it cannot tell."""
    try:
        folder = session.open_folder(session.inbox)
        return len(session.rows(session.contents_table(folder), ["PidTagMid"]))
    except FAILURES:
        return None


def new_session(gateway, certificates, timeout=60):
    return Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD, timeout=timeout)


def wait_for_whole_inbox(gateway, certificates, seconds=60):
    def whole():
        try:
            with new_session(gateway, certificates) as session:
                return inbox_count(session) == COUNT
        except FAILURES:
            return False
    wait_until(whole, f"all {COUNT} messages again", seconds, 0.5)


def test_backend_killed(backend, certificates, make_gateway):
    gateway = make_gateway(backend.tls_port)
    with new_session(gateway, certificates) as session:
        assert inbox_count(session) == COUNT
        backend.kill()
        assert inbox_count(session) in (COUNT, None)
        rows = session.try_call(rops.get_contents_table(), session.logon_handle)
        assert rows is not None
        backend.start()
        wait_until(lambda: inbox_count(session) == COUNT, "the same session works again", 60, 0.5)
    assert backend.count(ALICE) == COUNT


def test_backend_down_at_first_use(backend, certificates, make_gateway):
    gateway = make_gateway(backend.tls_port)
    backend.stop()
    with contextlib.closing(Client(gateway.https_port, certificates.ca, ALICE, PASSWORD)) as client:
        reply = client.raw("Connect", client.connect_body("/o=x/cn=Recipients/cn=alice"))
        # Not 401: a client would throw away a good password.
        assert reply.status in (200, 500, 502, 503, 504)
        assert reply.status != 200 or reply.code != 0
    with contextlib.closing(Client(gateway.https_port, certificates.ca, ALICE, "")) as client:
        # No backend is asked about an empty password.
        assert client.raw("Connect", client.connect_body("/o=x/cn=Recipients/cn=alice")).status == 401
    backend.start()
    wait_for_whole_inbox(gateway, certificates)


def test_backend_drops_every_connection(backend, certificates, make_gateway):
    gateway = make_gateway(backend.tls_port)
    with new_session(gateway, certificates) as session:
        for _ in range(3):
            assert inbox_count(session) in (COUNT, None)
            backend.disconnect_clients()
        wait_until(lambda: inbox_count(session) == COUNT, "the table works again", 30, 0.5)


def test_backend_hangs(proxied, certificates):
    proxy, gateway = proxied
    with new_session(gateway, certificates, timeout=150) as session:
        table = session.contents_table(session.open_folder(session.inbox))
        mid = session.rows(table, ["PidTagMid"], 1)[0][MID]
        proxy.hang()
        started = time.monotonic()
        with contextlib.suppress(*FAILURES):
            message = session.open_message(session.inbox, mid)
            session.stream(message, "PidTagBody")
        assert time.monotonic() - started < 120, "no deadline on the backend"
        proxy.heal()
        wait_until(lambda: inbox_count(session) == COUNT, "the session works again", 60, 0.5)


@pytest.mark.parametrize("count", [0, 10, 200, 1000, 3000, 20000])
def test_backend_breaks_off(proxied, certificates, count):
    proxy, gateway = proxied
    proxy.cut_after(count)
    with contextlib.suppress(*FAILURES), new_session(gateway, certificates) as session:
        assert inbox_count(session) in (COUNT, None)
    proxy.heal()
    wait_for_whole_inbox(gateway, certificates)


@pytest.mark.parametrize("garbage", [b"\0\xff" * 50, b"* 99999999999999999999 EXISTS\r\n", b"{99999999999}\r\n",
                                     b"* LIST (" + b"(" * 5000 + b"\r\n", b"* BYE shutting down\r\n", b"x" * 300000], ids=lambda data: repr(data[:20]))
def test_backend_talks_nonsense(proxied, certificates, garbage):
    proxy, gateway = proxied
    proxy.inject(garbage, after=700)
    with contextlib.suppress(*FAILURES), new_session(gateway, certificates) as session:
        assert inbox_count(session) in (COUNT, None)
    proxy.heal()
    proxy.cut_now()
    wait_for_whole_inbox(gateway, certificates)
    assert gateway.memory() < 1 << 30


@pytest.mark.parametrize("change", [lambda n: n + 1, lambda n: max(0, n - 1), lambda n: 4_000_000_000,
                                    lambda n: 10 ** 25, lambda n: 0])
def test_backend_lies_about_lengths(proxied, certificates, change):
    proxy, gateway = proxied
    proxy.lie_about_literals(change)
    with contextlib.suppress(*FAILURES), new_session(gateway, certificates, timeout=90) as session:
        count = inbox_count(session)
        assert count is None or count <= COUNT
    proxy.heal()
    proxy.cut_now()
    wait_for_whole_inbox(gateway, certificates)
    assert gateway.memory() < 1 << 30


def test_slow_backend(proxied, certificates):
    proxy, gateway = proxied
    proxy.delay(0.1)
    with new_session(gateway, certificates, timeout=120) as session:
        assert inbox_count(session) == COUNT


def test_gateway_killed_and_started_again(backend, certificates, make_gateway):
    gateway = make_gateway(backend.tls_port)
    with new_session(gateway, certificates) as session:
        table = session.contents_table(session.open_folder(session.inbox))
        before = {row[MID] for row in session.rows(table, ["PidTagMid"])}
        ids = session.logon.folder_ids
        gateway.kill()
    gateway.start()
    with new_session(gateway, certificates) as session:
        table = session.contents_table(session.open_folder(session.inbox))
        assert {row[MID] for row in session.rows(table, ["PidTagMid"])} == before
        assert session.logon.folder_ids == ids


def test_uidvalidity_changes(backend, certificates, make_gateway):
    """A folder deleted and made again under its name has other messages, whatever their UIDs."""
    gateway = make_gateway(backend.tls_port)
    backend.seed(ALICE, "Again", [mailgen.small(1)[0]])

    def subjects():
        try:
            with new_session(gateway, certificates) as session:
                folder = next((key for key, (name, _) in session.folders().items() if name == "Again"), None)
                if folder is None:
                    return []
                table = session.contents_table(session.open_folder(folder))
                return [row[tag_of("PidTagSubject")] for row in session.rows(table, ["PidTagSubject"])]
        except FAILURES:
            return []

    wait_until(lambda: subjects() and subjects()[0].startswith("Message 1:"), "the first folder", 30, 0.5)
    client = backend.connect(ALICE)
    client.delete("Again")
    client.logout()
    time.sleep(1.1)  # UIDVALIDITY counts in seconds
    backend.seed(ALICE, "Again", [mailgen.small(2)[0]])
    wait_until(lambda: any(one.startswith("Message 2:") for one in subjects()[:1]), "the folder made again", 60, 0.5)


def test_the_daemon_refuses_to_start_on_nonsense(certificates, make_gateway, backend):
    with pytest.raises(HarnessError, match="ended with status"):
        make_gateway(backend.tls_port, server={"thraeds": 3})
