"""The MAPI/HTTP transport as [MS-OXCMAPIHTTP] and rows M1 to M6 describe it."""
import base64
import contextlib
import re
import threading
import time

import pytest

from conftest import ALICE, PASSWORD
from harness import rops
from harness.mapigate import Mapigate
from harness.mapihttp import CODES, Client, Session, discover
from harness.processes import wait_until
from harness.rops import NO_HANDLE


@pytest.fixture
def client(endpoint, certificates):
    """Connected, not logged on."""
    dn, path = discover(endpoint.https_port, certificates.ca, ALICE, PASSWORD)
    client = Client(endpoint.https_port, certificates.ca, ALICE, PASSWORD, path=path)
    client.dn = dn
    client.connected = client.connect(dn)
    with contextlib.closing(client):
        yield client


def empty_execute():
    """The body of an Execute that does nothing."""
    return Client.execute_body(rops.wrap_header_ext(rops.rop_buffer(b"", [])))


def log_on(client, logon_id=0):
    responses, table = client.execute([(rops.logon(client.dn, logon_id=logon_id), [0])], [NO_HANDLE])
    responses[0].check()
    return table[0]


def sequence_cookie(client):
    """The name of the cookie that changes with Execute."""
    before = dict(client.cookies)
    client.raw("Execute", empty_execute()).check()
    changed = [name for name in client.cookies if client.cookies[name] != before.get(name)]
    assert len(changed) == 1, f"before {before}, after {client.cookies}"
    return changed[0]


def cookies_named(reply):
    return [line.partition("=")[0] for line in reply.headers.get_all("Set-Cookie") or []]


@pytest.mark.parametrize("header", ["X-RequestType", "X-RequestId", "X-ClientInfo"])
def test_row_m1_required_headers(client, header):
    reply = client.raw("PING", headers={header: None})
    assert reply.status == 200
    assert reply.code == CODES["missing_header"]


def test_row_m1_unknown_request_type(client):
    reply = client.raw("Frobnicate")
    assert (reply.status, reply.code) == (200, CODES["invalid_request_type"])


def test_row_m1_reply_headers(client):
    reply = client.raw("PING", headers={"X-RequestId": "{A-B}:77", "X-ClientInfo": "{C}:9"}).check()
    assert reply.headers["X-RequestType"] == "PING"
    assert reply.headers["X-RequestId"] == "{A-B}:77"
    assert reply.headers["X-ClientInfo"] == "{C}:9"
    assert reply.headers["Content-Type"].startswith("application/mapi-http")
    assert re.match(r"Exchange/15\.\d{2}\.\d{4}\.\d{3}$", reply.headers["X-ServerApplication"])


def test_row_m2_two_cookies_and_only_the_sequence_rotates(client):
    assert len(client.cookies) >= 2
    name = sequence_cookie(client)
    seen = {client.cookies[name]}
    others = {key: value for key, value in client.cookies.items() if key != name}
    for _ in range(3):
        client.raw("Execute", empty_execute()).check()
        assert client.cookies[name] not in seen
        seen.add(client.cookies[name])
    assert {key: value for key, value in client.cookies.items() if key != name} == others


def test_row_m2_replayed_sequence(client):
    name = sequence_cookie(client)
    old = client.cookies[name]
    client.raw("Execute", empty_execute()).check()
    stale = "; ".join(f"{key}={old if key == name else value}" for key, value in client.cookies.items())
    reply = client.raw("Execute", empty_execute(), headers={"Cookie": stale}, keep_cookies=False)
    assert (reply.status, reply.code) == (200, CODES["invalid_sequence"])


def test_row_m2_execute_needs_both_cookies(client):
    name = sequence_cookie(client)
    for cookies in (None, *(f"{key}={value}" for key, value in client.cookies.items() if key == name)):
        reply = client.raw("Execute", empty_execute(), headers={"Cookie": cookies}, keep_cookies=False)
        assert reply.status == 200
        assert reply.code in (CODES["missing_cookie"], CODES["invalid_context_cookie"])


def test_row_m2_ping_without_sequence(client):
    name = sequence_cookie(client)
    context = "; ".join(f"{key}={value}" for key, value in client.cookies.items() if key != name)
    assert client.ping(headers={"Cookie": context}).check().code == 0
    client.raw("Execute", empty_execute()).check()


def test_row_m2_foreign_context(client):
    cookies = "; ".join(f"{key}=AAAAAAAAAAAAAAAAAAAAAAAAAAAA" for key in client.cookies)
    reply = client.raw("Execute", empty_execute(), headers={"Cookie": cookies}, keep_cookies=False)
    assert reply.status == 200
    assert reply.code in (CODES["context_not_found"], CODES["invalid_context_cookie"])


def test_context_of_another_user(client, endpoint, certificates):
    other = Client(endpoint.https_port, certificates.ca, "bob@example.test", PASSWORD, path=client.path)
    with contextlib.closing(other):
        other.cookies = dict(client.cookies)
        reply = other.raw("Execute", empty_execute())
        assert reply.status == 200
        assert reply.code in (CODES["no_privilege"], CODES["context_not_found"], CODES["invalid_context_cookie"])
    client.raw("Execute", empty_execute()).check()


def test_malformed_context(client):
    cookies = "; ".join(f"{key}=Invalid cookie" for key in client.cookies)
    for request_type, body in [("Execute", empty_execute()), ("PING", b"")]:
        reply = client.raw(request_type, body, headers={"Cookie": cookies}, keep_cookies=False)
        assert (reply.status, reply.code) == (200, CODES["invalid_context_cookie"])


def test_every_reply_names_the_cookies(client):
    """A client may send those of the last reply alone, [MS-OXCMAPIHTTP] 3.2.5.2 and 3.2.5.4."""
    sequence = sequence_cookie(client)
    names = [name for name in client.cookies if name != sequence] + [sequence]
    for request_type, body in [("Execute", empty_execute()), ("PING", b""), ("Execute", b"\0" * 5)]:
        assert cookies_named(client.raw(request_type, body)) == names, request_type
    before = dict(client.cookies)
    assert cookies_named(client.disconnect().check()) == names
    assert client.cookies == before
    assert client.raw("Execute", empty_execute()).code == CODES["context_not_found"]


def test_notification_wait_names_the_cookies(client):
    """[MS-OXCMAPIHTTP] 3.2.5.5; what it names is good for one Execute, whatever others have meanwhile gone on with."""
    sequence = sequence_cookie(client)
    names = [name for name in client.cookies if name != sequence] + [sequence]
    with contextlib.closing(client.open_connection()) as connection:
        headers = {name: value for name, value in client.headers("NotificationWait").items() if value}
        connection.http.request("POST", client.path, body=b"\0" * 8, headers=headers)
        waiting = connection.http.getresponse()
        assert waiting.read1(100).startswith(b"PROCESSING\r\n")
    named = dict(line.split(";", 1)[0].split("=", 1) for line in waiting.headers.get_all("Set-Cookie"))
    assert list(named) == names
    for _ in range(3):
        client.raw("Execute", empty_execute()).check()
    newest = client.cookies[sequence]
    client.cookies = dict(named)
    client.raw("Execute", empty_execute()).check()
    assert client.cookies[sequence] not in (newest, named[sequence])
    client.raw("Execute", empty_execute()).check()
    # An Execute that is sent twice is done once; and so is what the old order would have been.
    for used in (named[sequence], newest):
        stale = "; ".join(f"{key}={used if key == sequence else value}" for key, value in client.cookies.items())
        reply = client.raw("Execute", empty_execute(), headers={"Cookie": stale}, keep_cookies=False)
        assert (reply.status, reply.code) == (200, CODES["invalid_sequence"])


def test_connecting_anew_ends_the_session_of_the_cookies(client):
    """[MS-OXCMAPIHTTP] 3.2.5.6"""
    before = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
    assert client.raw("Connect", b"short", keep_cookies=False).code != 0
    assert client.ping(headers={"Cookie": before}, keep_cookies=False).code == 0
    client.connect(client.dn)
    assert client.ping(headers={"Cookie": before}, keep_cookies=False).code == CODES["context_not_found"]
    client.raw("Execute", empty_execute()).check()


def test_a_refusal_is_html(client):
    reply = client.raw("Frobnicate")
    assert reply.headers["Content-Type"] == "text/html"
    assert int(reply.headers["X-ExpirationInfo"]) > 0 and reply.headers["X-ServerApplication"]


def test_row_m3_form_of_the_body(client):
    reply = client.raw("Execute", empty_execute()).check()
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert reply.meta[0] == "PROCESSING" and reply.meta[-1] == "DONE"
    assert set(reply.meta[1:-1]) <= {"PENDING"}
    assert reply.additional["x-responsecode"] == "0"
    assert 0 <= int(reply.additional["x-elapsedtime"]) < 60000
    assert reply.additional["x-starttime"]


def test_row_m3_processing_leaves_at_once(client):
    log_on(client)
    with contextlib.closing(client.open_connection()) as connection:
        headers = {name: value for name, value in client.headers("NotificationWait").items() if value}
        connection.http.request("POST", client.path, body=b"\0" * 8, headers=headers)
        started = time.monotonic()
        response = connection.http.getresponse()
        assert response.read1(100).startswith(b"PROCESSING\r\n")
        assert time.monotonic() - started < 2


def test_row_m4_pending_within_the_pending_period(client):
    log_on(client)
    with contextlib.closing(client.open_connection()) as connection:
        headers = {name: value for name, value in client.headers("NotificationWait").items() if value}
        connection.http.request("POST", client.path, body=b"\0" * 8, headers=headers)
        response = connection.http.getresponse()
        period = int(response.getheader("X-PendingPeriod")) / 1000
        assert 1 <= period <= 30
        started = time.monotonic()
        data = b""
        while b"PENDING\r\n" not in data:
            chunk = response.read1(100)
            assert chunk, f"the reply ended without PENDING: {data!r}"
            data += chunk
        assert data.startswith(b"PROCESSING\r\nPENDING\r\n")
        assert time.monotonic() - started < period + 2


@contextlib.contextmanager
def begun_wait(client):
    """The head of the answer to a NotificationWait whose client leaves in the end."""
    with contextlib.closing(client.open_connection()) as connection:
        headers = {name: value for name, value in client.headers("NotificationWait").items() if value}
        connection.http.request("POST", client.path, body=b"\0" * 8, headers=headers)
        with contextlib.closing(connection.http.getresponse()) as response:
            yield response


def test_row_m4_a_session_has_few_waits_at_a_time(client):
    log_on(client)
    with contextlib.ExitStack() as stack:
        codes = [stack.enter_context(begun_wait(client)).getheader("X-ResponseCode") for _ in range(17)]
        assert codes == ["0"] * 16 + ["15"]  # Invalid Sequence: one more than may be in progress


@pytest.fixture(params=["gateway", "relay"])
def alone(request, certificates, dovecot):
    """Where a client goes, and the gateway behind it, which has no others."""
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Mapigate.gateway(certificates, dovecot.tls_port, name="alone"))
        front = gateway
        if request.param == "relay":
            front = stack.enter_context(Mapigate.relay(certificates, gateway.https_port, name="before-alone"))
        yield front, gateway


def test_row_m4_a_wait_ends_with_its_client(alone, dovecot, certificates):
    """At once, here and at the far server, and the session does not suffer."""
    front, gateway = alone

    def in_progress():
        now = gateway.metrics()
        return now['mapigate_module_calls_total{module="mail"}'] - now['mapigate_module_latency_seconds_count{module="mail"}']
    with Session.logged_on(front.https_port, certificates.ca, "carol@example.test", PASSWORD) as session:
        session.contents_table(session.open_folder(session.inbox))
        session.call(rops.register_notification(0x02 | 0x04, whole_store=True))
        for _ in range(20):  # more than may be in progress at a time
            with begun_wait(session.client) as response:
                assert response.getheader("X-ResponseCode") == "0"
                wait_until(lambda: in_progress() == 1, "the wait", 10, 0.05)
            wait_until(lambda: in_progress() == 0, "the end of the wait", 10, 0.05)
        with begun_wait(session.client):
            pass
        dovecot.seed("carol@example.test", "INBOX", [b"Subject: news\r\n\r\nhere\r\n"])
        started = time.monotonic()
        assert session.client.notification_wait()[0] == 1
        assert time.monotonic() - started < 25


def test_row_m4_a_queued_event_is_reported_at_once(gateway, dovecot, certificates):
    with Session.logged_on(gateway.https_port, certificates.ca, "carol@example.test", PASSWORD) as session:
        folder = session.open_folder(session.inbox)
        session.contents_table(folder)
        session.call(rops.register_notification(0x02 | 0x04, whole_store=True))
        dovecot.seed("carol@example.test", "INBOX", [b"Subject: news\r\n\r\nhere\r\n"])
        started = time.monotonic()
        pending, _ = session.client.notification_wait()
        assert pending == 1
        assert time.monotonic() - started < 25
        started = time.monotonic()
        again, _ = session.client.notification_wait()  # not fetched yet: still pending
        assert again == 1
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("headers", [
    {"X-ClientApplication": None}, {"User-Agent": None}, {"X-ClientApplication": None, "User-Agent": None},
    {"X-ClientApplication": "Outlook/15.0.4420.1017"}, {"X-ClientApplication": "nonsense"}])
def test_row_m5_client_version(endpoint, certificates, headers):
    dn, path = discover(endpoint.https_port, certificates.ca, ALICE, PASSWORD)
    with contextlib.closing(Client(endpoint.https_port, certificates.ca, ALICE, PASSWORD, path=path)) as client:
        client.raw("Connect", client.connect_body(dn), headers=headers).check()


def test_row_m6_a_session_outlives_its_connection(client):
    handle = log_on(client)
    client.close()
    responses, _ = client.execute([(rops.get_receive_folder(""), [0])], [handle])
    responses[0].check()


def test_row_m6_expiration_is_announced(client):
    milliseconds = int(client.connected.reply.headers["X-ExpirationInfo"])
    assert 60_000 <= milliseconds <= 3_600_000


def test_row_m6_six_logons(client):
    handles = [log_on(client, logon_id) for logon_id in range(6)]
    for logon_id, handle in enumerate(handles):
        asked = rops.get_receive_folder("IPM.Note")
        asked.logon_id = logon_id
        responses, _ = client.execute([(asked, [0])], [handle])
        responses[0].check()


def test_row_m6_several_connections_at_once(client):
    handle = log_on(client)
    failures = []
    with contextlib.closing(client.open_connection()) as waiting:
        headers = {name: value for name, value in client.headers("NotificationWait").items() if value}
        waiting.http.request("POST", client.path, body=b"\0" * 8, headers=headers)
        waiting.http.getresponse().read1(100)

        def ping():
            with contextlib.closing(client.open_connection()) as connection:
                reply = connection.post(client.path, b"", client.headers("PING"))
                if reply.status != 200 or reply.code != 0:
                    failures.append(reply)

        threads = [threading.Thread(target=ping) for _ in range(4)]
        for thread in threads:
            thread.start()
        responses, _ = client.execute([(rops.get_receive_folder(""), [0])], [handle])
        for thread in threads:
            thread.join()
    responses[0].check()
    assert not failures


def test_disconnect_ends_the_session(client):
    client.disconnect().check()
    reply = client.raw("Execute", empty_execute())
    assert reply.status == 200
    assert reply.code in (CODES["context_not_found"], CODES["invalid_context_cookie"], CODES["missing_cookie"])


@pytest.mark.parametrize("flags", [rops.LAST, rops.LAST | rops.COMPRESSED, rops.LAST | rops.XOR_MAGIC,
                                   rops.LAST | rops.COMPRESSED | rops.XOR_MAGIC])
def test_requests_in_each_encoding(client, flags):
    responses, table = client.execute([(rops.logon(client.dn), [0])], [NO_HANDLE], wrap_flags=flags)
    assert len(responses[0].check().folder_ids) == 13
    assert table[0] != NO_HANDLE


@pytest.mark.parametrize("password,user", [("wrong", ALICE), ("", ALICE), ("secret", "nobody@example.test")])
def test_wrong_credentials(endpoint, certificates, password, user):
    with contextlib.closing(Client(endpoint.https_port, certificates.ca, user, password)) as client:
        reply = client.raw("Connect", client.connect_body("/o=x/cn=Recipients/cn=alice"))
    assert reply.status == 401
    assert "basic" in reply.headers["WWW-Authenticate"].lower()


def test_no_credentials(endpoint, certificates):
    with contextlib.closing(Client(endpoint.https_port, certificates.ca, ALICE, PASSWORD)) as client:
        assert client.raw("PING", headers={"Authorization": None}).status == 401


def test_every_request_of_a_connection_needs_its_password(endpoint, certificates):
    with contextlib.closing(Client(endpoint.https_port, certificates.ca, ALICE, PASSWORD)) as client:
        right = client.headers("PING")["Authorization"]
        wrong = "Basic " + base64.b64encode(f"{ALICE}:wrong".encode()).decode()
        for value, status in ((right, 200), (right, 200), (None, 401), (right, 200), (wrong, 401), (right, 200)):
            connection = client.connection
            assert client.raw("PING", headers={"Authorization": value}).status == status, value
            assert connection in (None, client.connection), "all of them by one connection"
