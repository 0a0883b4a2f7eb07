"""DCE/RPC over HTTP ([MS-RPCH] v2): a client of our own that recycles channels, and impacket's."""
import random
import struct
import threading
import time

import pytest
from impacket.dcerpc.v5 import epm, nspi, transport
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, RPC_C_AUTHN_WINNT, DCERPCException

import emsmdb
from conftest import ALICE, BOB, PASSWORD, start_gateway
from harness import rpch

DN = emsmdb.user_dn(ALICE)
# impacket asks for any version of TLS by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")


def open_link(gateway, user=ALICE, password=PASSWORD, **keywords):
    return rpch.VirtualConnection(gateway.https_port, rpch.Basic(user, password), **keywords)


def bound(link, interface=emsmdb.EMSMDB, user=None, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
    """impacket's DCE/RPC on the link; with a user it logs on again inside."""
    dce = rpch.transport(link, user, PASSWORD).get_dce_rpc()
    if user:
        dce.set_credentials(user, PASSWORD)
        dce.set_auth_type(RPC_C_AUTHN_WINNT)
        dce.set_auth_level(level)
    dce.connect()
    dce.bind(interface)
    return dce


def log_on(dce):
    hello = emsmdb.hello(dce, DN)
    assert hello["ErrorCode"] == 0
    rops, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(DN), [0xffffffff])
    assert struct.unpack_from("<BBI", rops) == (0xfe, 0, 0)
    return hello, rops, handles


def dummy(dce):
    """EcDummyRpc: the cheapest call there is."""
    dce.call(6, b"")
    assert dce.recv() == b"\0\0\0\0"


def settled(gateway, name, value, patience=20.0):
    until = time.monotonic() + patience
    while gateway.metrics()[name] != value and time.monotonic() < until:
        time.sleep(0.1)
    assert gateway.metrics()[name] == value, name


@pytest.mark.parametrize("method", ["RPC_IN_DATA", "RPC_OUT_DATA"])
@pytest.mark.parametrize("length", [0, 4, 16])
def test_echo(gateway, method, length):
    pdu = rpch.echo(gateway.https_port, rpch.Basic(ALICE, PASSWORD), method, length)
    assert rpch.parse(pdu) == (rpch.ECHO, []) and len(pdu) == 20


def test_echo_leaves_the_connection_to_what_follows(gateway):
    """[MS-RPCH] 2.1.2.1.6."""
    user = rpch.Basic(ALICE, PASSWORD)
    channel = rpch.Channel(gateway.https_port, "RPC_OUT_DATA", "localhost:6001", 0, user)
    for _ in range(2):
        status, reason, headers = channel.head()
        assert (status, reason) == (200, "Success")
        headers = dict(headers)
        assert headers["Content-Length"] == "20" and headers["Content-Type"] == "application/rpc" and headers["Connection"] == "Keep-Alive"
        assert rpch.parse(channel.take(20)) == (rpch.ECHO, [])
        channel.request(0, user.header(channel))
    channel.close()


@pytest.mark.parametrize("method, length", [("RPC_OUT_DATA", 76), ("RPC_OUT_DATA", 120), ("RPC_IN_DATA", 1 << 30)])
@pytest.mark.parametrize("first", [b"x" * 76, rpch.rts(rpch.PING), rpch.rts(rpch.EOF, (rpch.ANCE, None)),
                                   b"\5\0\x0b\3\x10\0\0\0\x4c\0" + b"\0" * 66],
                         ids=["text", "ping", "another place", "bind"])
def test_channel_that_begins_with_something_else(gateway, method, length, first):
    """A refusal with the code of a protocol error ([MS-RPCH] 2.1.2.1.3)."""
    channel = rpch.Channel(gateway.https_port, method, "localhost:6001", length, rpch.Basic(ALICE, PASSWORD))
    channel.send(first.ljust(min(length, 120), b"\0"))
    assert channel.head()[:2] == (503, "RPC Error: 6c0")
    channel.close()


def test_wrong_password_is_401(gateway):
    with pytest.raises(rpch.HttpError) as refused:
        rpch.echo(gateway.https_port, rpch.Basic(BOB, "wrong"))
    assert refused.value.status == 401
    with pytest.raises(rpch.HttpError) as refused:
        open_link(gateway, BOB, "wrong").connect()
    assert refused.value.status == 401


@pytest.mark.parametrize("method, length", [("RPC_OUT_DATA", 76), ("RPC_IN_DATA", 1 << 30)])
@pytest.mark.parametrize("way", ["close", "finish", "reset"])
def test_channel_that_ends_before_its_first_pdu(gateway, method, length, way):
    """Nobody is there to be told, and the gateway goes on."""
    channel = rpch.Channel(gateway.https_port, method, "localhost:6001", length, rpch.Basic(ALICE, PASSWORD))
    channel.send(rpch.rts(rpch.PING)[:10])
    getattr(channel, way)()
    time.sleep(0.5)
    channel.close()
    with open_link(gateway) as link:
        dummy(bound(link))


@pytest.mark.parametrize("in_first", [False, True])
@pytest.mark.parametrize("user", [None, ALICE])
def test_mailbox(gateway, in_first, user):
    """Logged on at HTTP alone, and once more inside as Outlook 2007 does."""
    link = open_link(gateway).connect(in_first)
    dce = bound(link, user=user)
    hello, rops, _ = log_on(dce)
    assert struct.unpack_from("<13Q", rops, 7)[4]
    request = emsmdb.EcDoDisconnect()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    assert dce.request(request)["ErrorCode"] == 0
    link.close()
    settled(gateway, "mapigate_rpc_http_connections", 0)


@pytest.mark.parametrize("target", [6001, 6002, 6004])
def test_all_interfaces_at_each_port(gateway, target):
    with open_link(gateway, target=target) as link:
        dce = bound(link)
        dummy(dce)


def test_unknown_port_is_an_rpc_error(gateway):
    with pytest.raises(rpch.ChannelError):
        open_link(gateway, target=6003).connect(True)


def test_context_handles_over_two_connections(gateway):
    """The wait is on a second virtual connection of the association group, as Outlook has it."""
    with open_link(gateway) as first, open_link(gateway) as second:
        dce = bound(first)
        hello, _, handles = log_on(dce)
        request = emsmdb.EcDoAsyncConnectEx()
        request["cxh"] = emsmdb.handle_of(hello["pcxh"])
        waiting = dce.request(request)["pacxh"]
        other = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
        wait = emsmdb.EcDoAsyncWaitEx()
        wait["acxh"] = emsmdb.handle_of(waiting)
        wait["ulFlagsIn"] = 0
        other.call(wait.opnum, wait)
        # The wait goes on for minutes; calls beside it on another connection do not mind.
        beside = bound(second)
        for _ in range(20):
            dummy(beside)
    settled(gateway, "mapigate_rpc_http_connections", 0)


def test_flow_control(gateway):
    """A client that acknowledges nothing gets no more than its window, and the rest when it does."""
    with open_link(gateway, window=8192) as link:
        dce = bound(link)
        link.acknowledge = False
        hello, rops, handles = log_on(dce)
        for _ in range(60):
            dce.call(6, b"")
        link.out_channel.socket.settimeout(1.0)
        count = 0
        with pytest.raises(TimeoutError):
            while True:
                link.receive()
                count += 1
        assert link.received <= 8192
        link.out_channel.socket.settimeout(30)
        link.send_ack()
        for _ in range(60 - count):
            link.receive()
            if link.unacknowledged > 4096:
                link.send_ack()
        # The other way: the server acknowledges what it took.
        for _ in range(1600):
            dce.call(6, b"")
            link.receive()
            if link.unacknowledged > 4096:
                link.send_ack()
        assert link.acks > 0


def test_recycling_loses_no_call(certificates, dovecot):
    with start_gateway(certificates, dovecot, "recycling", http_lifetime="128KiB") as gateway, open_link(gateway) as link:
        dce = bound(link)
        hello, rops, handles = log_on(dce)
        asked = answered = 0
        chance = random.Random(7)
        deadline = time.monotonic() + 120
        while link.out_recycled < 5 or link.in_recycled < 20:
            assert time.monotonic() < deadline, f"{link.out_recycled} and {link.in_recycled} channels recycled"
            if link.in_recycled < 20 and link.in_successor is None and chance.random() < 0.1:
                link.recycle_in()
            batch = chance.randrange(1, 12)
            for _ in range(batch):
                dce.call(6, b"")
                asked += 1
            for _ in range(batch):
                link.receive()
                answered += 1
        # The session is the same one.
        emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(DN), [0xffffffff])
        metrics = gateway.metrics()
        assert metrics['mapigate_rpc_http_recycled_total{channel="out"}'] >= 5
        assert metrics['mapigate_rpc_http_recycled_total{channel="in"}'] == 20
        assert asked == answered
        assert metrics["mapigate_rpc_calls_total"] >= asked


def test_silence_is_broken_by_pings(certificates, dovecot):
    with start_gateway(certificates, dovecot, "silence", http_keepalive="1s", http_timeout="2s") as gateway, open_link(gateway) as link:
        dce = bound(link)
        assert link.timeout == 2000
        for _ in range(4):
            link._receive_rts(link.out_channel.receive())
            link.ping()
        assert link.pings == 4
        dummy(dce)
        # Who says nothing for twice the time is gone.
        started = time.monotonic()
        with pytest.raises(rpch.ChannelError):
            while True:
                link._receive_rts(link.out_channel.receive())
        assert 2 < time.monotonic() - started < 10


def test_channel_without_its_other_half_ends(certificates, dovecot):
    with start_gateway(certificates, dovecot, "half", http_setup_limit="1s") as gateway:
        link = open_link(gateway)
        link.out_channel = link._open("RPC_OUT_DATA", 76)
        link.out_channel.send(rpch.rts(rpch.NONE, (rpch.VERSION, 1), (rpch.COOKIE, link.cookie), (rpch.COOKIE, link.out_channel.cookie),
                                       (rpch.RECEIVE_WINDOW, 65536)))
        link.out_channel.receive()
        with pytest.raises(rpch.ChannelError):
            link.out_channel.receive()
        settled(gateway, "mapigate_rpc_http_connections", 0)


def test_cookies_are_no_keys(gateway):
    """Another user who knows the cookie of a connection gets nothing of it."""
    with open_link(gateway) as link:
        thief = open_link(gateway, BOB)
        thief.cookie = link.cookie
        with pytest.raises(rpch.ChannelError):
            thief.connect()
        dummy(bound(link))


def test_cookie_that_is_taken(gateway):
    """The connection that has it does not mind another that claims it."""
    with open_link(gateway) as link:
        dce = bound(link)
        other = open_link(gateway)
        other.cookie = link.cookie
        with pytest.raises(rpch.HttpError) as refused:
            other.connect()
        assert (refused.value.status, refused.value.reason) == (503, "RPC Error: 6c0")
        with pytest.raises(rpch.HttpError) as refused:
            other.in_channel.receive()
        assert (refused.value.status, refused.value.reason) == (503, "RPC Error: 6c0")
        dummy(dce)
        other.close()
        dummy(dce)


@pytest.mark.parametrize("bytes_", [b"\5\0\x14\3\x10\0\0\0\x14\0\0\0\0\0\0\0\x80\0\0\0", b"\5\0\x14\3\x10\0\0\0\x18\0\0\0\0\0\0\0\0\0\1\0\x63\0\0\0",
                                    b"\4" * 64, rpch.rts(rpch.NONE, (rpch.COOKIE, b"x" * 16)), rpch.rts(rpch.EOF, (rpch.ANCE, None))])
def test_nonsense_ends_the_connection(gateway, bytes_):
    with open_link(gateway) as link:
        bound(link)
        link.in_channel.send(bytes_)
        with pytest.raises(rpch.ChannelError):
            link.receive()
    settled(gateway, "mapigate_rpc_http_connections", 0)


def test_killed_channels_leave_nothing(gateway):
    """Both channels, either one, with a TCP reset or properly, before, in and after calls."""
    chance = random.Random(4)
    settled(gateway, "mapigate_rpc_http_connections", 0)
    before = gateway.open_files()

    def round_of(number):
        link = open_link(gateway)
        try:
            link.connect(number % 2 == 0)
            dce = bound(link)
            if number % 3:
                emsmdb.hello(dce, DN)
            if number % 5 == 0:
                dce.call(6, b"")
            if number % 7 == 0:
                link.recycle_in()
            for channel in (link.in_channel, link.out_channel)[:: 1 if number % 2 else -1][: 1 + number % 2]:
                channel.reset() if chance.random() < 0.5 else channel.close()
        finally:
            link.close()

    threads = [threading.Thread(target=lambda first: [round_of(n) for n in range(first, 200, 4)], args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(gateway, "mapigate_rpc_http_connections", 0, 90)
    settled(gateway, "mapigate_rpc_connections", 0, 90)  # with the calls that are still in progress
    settled(gateway, "mapigate_sessions", 0, 90)
    until = time.monotonic() + 20
    while gateway.open_files() > before + 4 and time.monotonic() < until:
        time.sleep(0.2)
    assert gateway.open_files() <= before + 4


def impacket_transport(gateway, port, user=ALICE, password=PASSWORD, auth="Basic"):
    link = transport.DCERPCTransportFactory(f"ncacn_http:localhost[{port},RpcProxy=localhost:443]")
    link.set_rpc_proxy_url(f"https://127.0.0.1:{gateway.https_port}/rpc/rpcproxy.dll")
    link.set_credentials(user, password)
    link.set_auth_type(auth)
    return link


def test_impacket_endpoint_mapper(gateway):
    dce = impacket_transport(gateway, 593).get_dce_rpc()
    dce.connect()
    entries = epm.hept_lookup(None, dce=dce)
    assert len(entries) == 4
    dce.disconnect()


def test_impacket_mailbox(gateway):
    dce = impacket_transport(gateway, 6001).get_dce_rpc()
    dce.set_auth_type(RPC_C_AUTHN_WINNT)
    dce.set_auth_level(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    dce.set_credentials(ALICE, PASSWORD)
    dce.connect()
    dce.bind(emsmdb.EMSMDB)
    log_on(dce)
    dce.disconnect()
