"""Hostile input to the MAPI/HTTP side: every request is answered or refused, and the next client is served."""
import contextlib
import random
import resource
import socket
import ssl
import struct
import time

import pytest

from conftest import ALICE, PASSWORD
from harness import rops
from harness.mapihttp import CODES, Client, ProtocolError, Session, discover
from harness.properties import WireError
from harness.rops import LAST, NO_HANDLE

# Codes that say "your request is at fault"
REFUSALS = {CODES[name] for name in ("unknown_failure", "invalid_request_body", "too_large", "invalid_header")}


@pytest.fixture
def client(gateway, certificates):
    dn, path = discover(gateway.https_port, certificates.ca, ALICE, PASSWORD)
    with contextlib.closing(Client(gateway.https_port, certificates.ca, ALICE, PASSWORD, path=path)) as client:
        client.dn = dn
        client.connect(dn)
        yield client


@pytest.fixture(autouse=True)
def next_client_is_served(gateway, certificates):
    yield
    with Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD) as session:
        table = session.contents_table(session.open_folder(session.inbox))
        assert session.rows(table, ["PidTagSubject"], 5)


def fresh(client):
    """The same user in a new session context: a refusal may have ended the old one."""
    client.cookies.clear()
    client.connect(client.dn)
    return client


def refused_or_error(client, body):
    """Sends an Execute that cannot succeed; it must be refused in the protocol's own terms."""
    reply = client.raw("Execute", body)
    assert reply.status in (200, 400, 413)
    if reply.status == 200 and reply.code == 0:
        status, error = struct.unpack_from("<II", reply.payload)
        assert status or error, reply.payload[:100]
    elif reply.status == 200:
        assert reply.code in REFUSALS
    return reply


def logon_body(client, **keywords):
    data = rops.logon(client.dn).encode([0])
    return client.execute_body(rops.wrap_header_ext(rops.rop_buffer(data, [NO_HANDLE])), **keywords)


def test_connect_cut_at_every_byte(client):
    body = client.connect_body(client.dn)
    for length in range(len(body)):
        reply = client.raw("Connect", body[:length], keep_cookies=False)
        assert reply.status == 200 and reply.code != 0, length
    client.raw("Execute", logon_body(client)).check()


def test_execute_cut_at_every_byte(client):
    body = logon_body(client)
    for length in range(len(body)):
        refused_or_error(client, body[:length])
        if length % 16 == 0:
            fresh(client)


@pytest.mark.parametrize("offset,value", [(4, 0), (4, 7), (4, 0x7FFFFFFF), (4, 0xFFFFFFFF), (8, 0xFFFFFFFF),
                                          (12, 0xFFFFFFFF), (12, 0x00010000)])
def test_lengths_that_lie(client, offset, value):
    body = bytearray(logon_body(client))
    struct.pack_into("<I", body, offset, value)
    refused_or_error(client, bytes(body))


@pytest.mark.parametrize("header", [
    struct.pack("<HHHH", 1, LAST, 4, 4), struct.pack("<HHHH", 0, 0, 4, 4), struct.pack("<HHHH", 0, LAST, 4, 400),
    struct.pack("<HHHH", 0, LAST, 400, 4), struct.pack("<HHHH", 0, LAST | 1, 4, 0xFFFF),
    struct.pack("<HHHH", 0, 0xFFFF, 4, 4)])
def test_header_ext_that_lies(client, header):
    refused_or_error(client, client.execute_body(header + b"\x04\0\0\0"))


def test_compressed_garbage(client):
    chance = random.Random(1)
    for _ in range(60):
        noise = chance.randbytes(chance.randint(0, 200))
        header = struct.pack("<HHHH", 0, LAST | 1, len(noise), chance.choice([0, 10, 0x1000, 0xFFFF]))
        refused = client.raw("Execute", client.execute_body(header + noise))
        assert refused.status == 200
        fresh(client)


@pytest.mark.parametrize("size", [0, 1, 3, 0xFFFF])
def test_rop_size_that_lies(client, size):
    payload = struct.pack("<H", size) + b"\x01\0\0" + struct.pack("<I", 1)
    refused_or_error(client, client.execute_body(rops.wrap_header_ext(payload)))


def test_unknown_rop(client):
    """[MS-OXCROPS] 3.2.5.1: what cannot be parsed fails the buffer or the ROP, and not the server."""
    for rop_id in (0x00, 0x28, 0x88, 0xF0, 0xFD):
        try:
            responses, _ = client.execute([(rops.unknown(rop_id), [0])], [1])
        except ProtocolError as error:
            assert error.code in REFUSALS
        except WireError as error:  # ErrorCode of the whole Execute
            assert "ErrorCode" in str(error)
        else:
            assert responses and all(response.error for response in responses)
        fresh(client)


def test_handle_index_out_of_range(client):
    for rop in (rops.get_receive_folder(""), rops.query_rows([], 10), rops.read_stream(100)):
        refused_or_rop_error(client, rop, [200], [1])
        fresh(client)


def refused_or_rop_error(client, rop, indexes, handles):
    body = client.execute_body(rops.wrap_header_ext(rops.rop_buffer(rop.encode(indexes), handles)))
    reply = client.raw("Execute", body)
    assert reply.status == 200
    if reply.code:
        assert reply.code in REFUSALS
        return
    status, error, _, size = struct.unpack_from("<IIII", reply.payload)
    if status or error:
        return
    block, _ = rops.split_rop_buffer(rops.unwrap_header_ext(reply.payload[16:16 + size])[0])
    assert block, "the ROP was answered with silence"
    assert struct.unpack_from("<I", block, 2)[0] != 0, block.hex()


def test_handles_never_given_out(client):
    for handle in (0, 1, 5, 1000, 0xFFFFFFFF, 0x80000000):
        refused_or_rop_error(client, rops.get_receive_folder(""), [0], [handle])


def deep(levels):
    return b"\2" * levels + struct.pack("<BI", 8, 0x0037001F)


@pytest.mark.parametrize("body", [
    struct.pack("<BH", 0, 20000) + deep(20000 - 5),
    struct.pack("<BH", 0, 3) + b"\0\xff\xff", struct.pack("<BH", 0, 60000), struct.pack("<BH", 0, 1) + b"\x77"])
def test_restrictions_that_lie_or_nest(session, body):
    table = session.contents_table(session.open_folder(session.inbox))
    refused_or_rop_error(session.client, rops.Rop(0x14, "i", body), [0], [table])


def test_set_columns_with_a_count_that_lies(session):
    table = session.contents_table(session.open_folder(session.inbox))
    refused_or_rop_error(session.client, rops.Rop(0x12, "i", struct.pack("<BH", 0, 0xFFFF) + b"\x1f\0\x37\0"), [0],
                         [table])


def test_many_rops_in_one_buffer(session):
    """Hundreds of table opens in one request: an answer or a refusal, bounded either way."""
    folder = session.open_folder(session.inbox)
    data = b"".join(rops.get_contents_table().encode([0, 1]) for _ in range(3000))
    body = session.client.execute_body(rops.wrap_header_ext(rops.rop_buffer(data, [folder, NO_HANDLE])))
    started = time.monotonic()
    assert session.client.raw("Execute", body).status == 200
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("max_out", [0, 1, 16, 0xFFFFFFFF])
def test_output_limits_that_cannot_hold(client, max_out):
    reply = client.raw("Execute", logon_body(client, max_out=max_out))
    assert reply.status == 200


def test_mutated_requests(client):
    chance = random.Random(20240229)
    table = rops.open_folder(0x0000000000010001).encode([0, 1]) + rops.get_contents_table().encode([1, 2]) + (
        rops.set_columns(["PidTagSubject"]).encode([2]) + rops.query_rows(["PidTagSubject"], 10).encode([2]))
    bodies = [logon_body(client), client.execute_body(rops.wrap_header_ext(
        rops.rop_buffer(rops.logon(client.dn).encode([0]) + table, [NO_HANDLE] * 3)))]
    for round_number in range(300):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(body))
            action = chance.randint(0, 3)
            if action == 0:
                body[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            elif action == 1:
                del body[place:place + chance.randint(1, 8)]
                body = body or bytearray(1)
            elif action == 2:
                body[place:place] = chance.randbytes(chance.randint(1, 8))
            else:
                body[place] ^= 1 << chance.randrange(8)
        reply = client.raw("Execute", bytes(body))
        assert reply.status in (200, 400, 413), round_number
        if reply.code:
            fresh(client)


def test_oversized_body(client):
    try:
        reply = client.raw("Execute", b"\0" * (40 << 20))
    except OSError:
        return  # the server closed instead of reading on
    assert reply.status in (200, 413)
    assert reply.status == 413 or reply.code != 0


def tls(gateway, certificates, timeout=20):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.https_port), timeout=timeout),
                               server_hostname="localhost")


def reply_line(link):
    """The status line, or b"" if the server closed without one."""
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while b"\r\n" not in data:
            chunk = link.recv(4096)
            if not chunk:
                break
            data += chunk
    return data.split(b"\r\n")[0]


@pytest.mark.parametrize("request_bytes", [
    b"GET\r\n\r\n", b"POST /mapi/emsmdb/ HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20,
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300000 + b"\r\n\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"POST /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!!!\r\nContent-Length: 0\r\n\r\n",
    b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + b"QQ" * 20000 + b"\r\nContent-Length: 0\r\n\r\n"], ids=lambda data: repr(data[:30]))
def test_http_nonsense(gateway, certificates, request_bytes):
    with tls(gateway, certificates) as link:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            link.sendall(request_bytes)
        line = reply_line(link)
    assert line == b"" or line.startswith(b"HTTP/1.") and line.split(b" ")[1][:1] in (b"4", b"5"), line


@pytest.mark.parametrize("path", ["/", "/mapi", "/mapi/../../etc/passwd", "/mapi/emsmdb/%00", "/EWS/none", "/%%%"])
def test_unknown_paths(client, path):
    reply = client.raw("PING", path=path)
    assert reply.status in (400, 403, 404, 405) or (reply.status == 200 and reply.code == CODES["invalid_path"])


def test_invalid_tls(gateway):
    for data in (b"", b"\0" * 100, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x01" * 500, b"\x80\x2e\x01\0\x02"):
        with socket.create_connection(("127.0.0.1", gateway.https_port), timeout=20) as link:
            with contextlib.suppress(ConnectionError):
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                while link.recv(4096):
                    pass


def test_old_tls_is_refused(gateway, certificates):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.https_port), timeout=20),
                            server_hostname="localhost")


def test_slow_senders_do_not_hold_others_up(gateway, certificates, session):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(tls(gateway, certificates)) for _ in range(50)]
        for link in slow:
            link.sendall(b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nX-Slow: ")
        for _ in range(5):
            for link in slow:
                with contextlib.suppress(OSError):
                    link.sendall(b"a")
            started = time.monotonic()
            session.call(rops.get_receive_folder(""))
            assert time.monotonic() - started < 5


def test_two_thousand_idle_connections(gateway, session):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    before = gateway.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.https_port), timeout=20))
        started = time.monotonic()
        session.call(rops.get_receive_folder(""))
        assert time.monotonic() - started < 10
        assert gateway.memory() - before < 400 << 20
    deadline = time.monotonic() + 30
    while gateway.open_files() > 300 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert gateway.open_files() <= 300, "closed connections are not let go"


def test_many_contexts(gateway, certificates):
    """Connects without Disconnect: bounded, and others still get in."""
    dn, path = discover(gateway.https_port, certificates.ca, ALICE, PASSWORD)
    with contextlib.closing(Client(gateway.https_port, certificates.ca, ALICE, PASSWORD, path=path)) as client:
        for _ in range(300):
            client.cookies.clear()
            client.raw("Connect", client.connect_body(dn))
