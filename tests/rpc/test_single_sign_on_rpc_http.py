"""Single sign-on from RPC over HTTP to RPC over HTTP: each channel of the client's logs on by NTLM at the far server, which offers
nothing else, and the relay makes channels there of the connections that this leaves."""
import contextlib
import subprocess
import threading
import time

import pytest
from impacket import ntlm
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import uuidtup_to_bin

import chains
import emsmdb
from conftest import ALICE, BOB, PASSWORD
from harness import mailgen, rpch
from harness.faultproxy import FaultProxy
from harness.mapihttp import AUTODISCOVER_REQUEST, Client
from harness.processes import wait_until
from test_rpc_http import log_on
from test_single_sign_on import NtlmClient, pairs, relay_to

VIRTUAL = "mapigate_rpc_http_connections"
RECYCLED = 'mapigate_rpc_http_recycled_total{channel="out"}'
NSPI = uuidtup_to_bin(("f5cc5a18-4264-101a-8c59-08002b2f8426", "56.0"))


def start_far(certificates, dovecot, name, **settings):
    return chains.start_far(certificates, dovecot, name=name, http=True, **{"auth": {"schemes": ["ntlm"]}, **settings})


def relay_by_channels(certificates, port, name, **settings):
    return relay_to(certificates, port, name=name, transport="rpchttp", **settings)


@pytest.fixture(scope="module")
def far(certificates, dovecot):
    with start_far(certificates, dovecot, "far-channels") as server:
        yield server


@pytest.fixture(scope="module")
def relay(certificates, far):
    with relay_by_channels(certificates, far.https_port, "channels") as server:
        yield server
        assert server.alive()
        server.check_log()


def open_link(server, user=ALICE, password=PASSWORD, scheme="NTLM", **keywords):
    return rpch.VirtualConnection(server.https_port, rpch.Ntlm(user, password, scheme=scheme), **keywords)


def bound(link, interface=emsmdb.EMSMDB, group=None):
    way = rpch.transport(link)
    if group:
        group.join(way)
    dce = way.get_dce_rpc()
    dce.connect()
    dce.bind(interface)
    return dce


def open_mailbox(dce, user):
    hello = emsmdb.hello(dce, emsmdb.user_dn(user))
    assert hello["ErrorCode"] == 0
    _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(user)), [0xffffffff])
    return hello, handles


def ask(dce, hello, handles, count=1):
    """RopGetReceiveFolderTable, that many times in one call: answers of some length."""
    rops, _ = emsmdb.execute(dce, hello["pcxh"], b"\x68\0\0" * count, handles)
    assert rops[:6] == b"\x68\0\0\0\0\0"


@pytest.mark.parametrize("in_first", [False, True])
def test_each_channel_brings_one_of_the_far_servers(far, relay, in_first):
    wait_until(lambda: far.metrics()[VIRTUAL] == 0 and pairs(relay) == 0, "those of others end")
    with contextlib.closing(open_link(relay).connect(in_first)) as link:
        assert pairs(relay) == 2 and far.metrics()[VIRTUAL] == 0
        dce = bound(link)
        hello, handles = open_mailbox(dce, ALICE)
        ask(dce, hello, handles)
        assert pairs(relay) == 2 and far.metrics()[VIRTUAL] == 1
        request = emsmdb.EcDoDisconnect()
        request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
        assert dce.request(request)["ErrorCode"] == 0
    wait_until(lambda: far.metrics()[VIRTUAL] == 0 and pairs(relay) == 0, "all of it ends with the client's")


def test_negotiate(certificates, dovecot):
    auth = {"schemes": ["negotiate"]}
    with start_far(certificates, dovecot, "far-channels-negotiate", auth=auth) as far, \
            relay_by_channels(certificates, far.https_port, "channels-negotiate", logons=auth) as relay, \
            open_link(relay, scheme="Negotiate") as link:
        log_on(bound(link))


def test_everybody_is_himself(relay):
    with open_link(relay) as one, open_link(relay, BOB) as two:
        for link, user, name in ((one, ALICE, "Alice Adams"), (two, BOB, "Bob Brown")):
            hello, _ = open_mailbox(bound(link), user)
            assert hello["szDisplayName"].rstrip("\0") == name
        # The far server decides who opens what.
        with open_link(relay, BOB) as third, pytest.raises(DCERPCException, match="0x80070005"):
            emsmdb.hello(bound(third), emsmdb.user_dn(ALICE))


def test_the_same_as_without_the_relay(certificates, dovecot):
    """`mapigate client` asks Autodiscover with its password, and the rest by NTLM."""
    both = {"schemes": ["ntlm", "basic"]}
    with start_far(certificates, dovecot, "far-channels-both", auth=both) as far, \
            relay_by_channels(certificates, far.https_port, "channels-both", logons=both, http_auth="ntlm") as relay:
        def seen(server, *asked):
            way = ["--transport", "rpchttp", "--rpc-proxy", server.url(), "--http-auth", "ntlm", "--auth", "none"]
            return server.client(*way, *asked).stdout
        for asked in (["folders"], ["--json", "ls", "Inbox"], ["gal"], ["resolve", "bob", "nobody"]):
            assert seen(relay, *asked) == seen(far, *asked), asked


def test_two_services_by_one_connection(far, relay):
    """The far server's connection is asked for another interface when the client is."""
    wait_until(lambda: far.metrics()[VIRTUAL] == 0, "those of others end")
    with open_link(relay) as link:
        dce = bound(link)
        hello, handles = open_mailbox(dce, ALICE)
        book = dce.alter_ctx(NSPI)
        # NspiBind: dwFlags, STAT in code page 1252, no server GUID.
        stat = b"\0" * 24 + (1252).to_bytes(4, "little") + (0x409).to_bytes(4, "little") * 2
        book.call(0, b"\0\0\0\0" + stat + b"\0\0\0\0")
        answer = book.recv()
        assert answer[-4:] == b"\0\0\0\0" and any(answer[-24:-4])
        ask(dce, hello, handles)
        assert far.metrics()[VIRTUAL] == 1


def test_waiting_by_a_second_connection(dovecot, far, relay):
    """Outlook's way: the handle of the one, the wait by the other, calls beside it."""
    group = emsmdb.Association()
    with open_link(relay, BOB) as first, open_link(relay, BOB) as second:
        dce = bound(first, group=group)
        hello, handles = open_mailbox(dce, BOB)
        # RopRegisterNotification: whatever is created or new in the store.
        answer, _ = emsmdb.execute(dce, hello["pcxh"], bytes([0x29, 0, 0, 1, 0x06, 0, 1]), [handles[0], 0xffffffff])
        assert answer[:6] == b"\x29\1\0\0\0\0"
        request = emsmdb.EcDoAsyncConnectEx()
        request["cxh"] = emsmdb.handle_of(hello["pcxh"])
        waiting = dce.request(request)["pacxh"]
        listener = bound(second, emsmdb.ASYNC_EMSMDB, group)
        wait = emsmdb.EcDoAsyncWaitEx()
        wait["acxh"] = emsmdb.handle_of(waiting)
        wait["ulFlagsIn"] = 0
        listener.call(wait.opnum, wait)
        answers = []
        second.out_channel.socket.settimeout(100)
        heard = threading.Thread(target=lambda: answers.append(emsmdb.EcDoAsyncWaitExResponse(listener.recv())), daemon=True)
        heard.start()
        for _ in range(5):
            ask(dce, hello, handles)
        assert not answers and far.metrics()[VIRTUAL] == 2
        dovecot.seed(BOB, "INBOX", [mailgen.message(950, large=False).seed()])
        heard.join(90)
        assert answers and (answers[0]["ErrorCode"], answers[0]["pulFlagsOut"]) == (0, 1), relay.log()[-2000:]


def test_sessions_of_two_connections_are_one_group(far, relay):
    """Each was opened on a connection of its own; the client uses both by the first."""
    group = emsmdb.Association()
    with open_link(relay) as first, open_link(relay) as second:
        dce = bound(first, group=group)
        open_mailbox(dce, ALICE)
        hello, handles = open_mailbox(bound(second, group=group), ALICE)
        ask(dce, hello, handles)


def test_channels_are_replaced(certificates, dovecot):
    """The far server wants another OUT channel now and then: the client is asked for one, whose logon brings it."""
    with start_far(certificates, dovecot, "far-recycling", http_lifetime="128KiB") as far, \
            relay_by_channels(certificates, far.https_port, "recycling") as relay, open_link(relay) as link:
        dce = bound(link)
        hello, handles = open_mailbox(dce, ALICE)
        deadline = time.monotonic() + 180

        def go_on_until(enough):
            while not enough():
                assert time.monotonic() < deadline, f"{link.out_recycled} and {link.in_recycled} channels replaced"
                ask(dce, hello, handles, 40)

        go_on_until(lambda: link.out_recycled >= 2 and far.metrics()[RECYCLED] == link.out_recycled)
        # A successor of the client's own making leaves a connection in store, and nobody need be asked.
        link.recycle_in()
        go_on_until(lambda: link.in_recycled == 1)
        before, seen = link.out_recycled, far.metrics()[RECYCLED]
        go_on_until(lambda: far.metrics()[RECYCLED] > seen)
        assert link.out_recycled == before
        go_on_until(lambda: link.out_recycled > before)
        wait_until(lambda: pairs(relay) == 3, "there are those of the channels in use, and the first, by which all know each other")
        assert far.metrics()[VIRTUAL] == 1


def test_refused_by_the_far_server(certificates, far):
    with relay_by_channels(certificates, far.https_port, "channels-braking", logons={"guesses": 2}) as relay:
        for password, status in (("wrong", 401), ("wrong", 401), (PASSWORD, 429)):
            with pytest.raises(rpch.HttpError) as refused:
                rpch.echo(relay.https_port, rpch.Ntlm(BOB, password))
            assert refused.value.status == status
        assert rpch.parse(rpch.echo(relay.https_port, rpch.Ntlm(ALICE, PASSWORD))) == (rpch.ECHO, [])
        wait_until(lambda: pairs(relay) == 0, "nothing is left of them")


class Unfinished(rpch.Ntlm):
    """Takes the challenge and is silent."""

    def header(self, channel):
        super().header(channel)
        self.channel = channel
        raise TimeoutError


def test_logon_that_ends_half_way(certificates, far):
    with relay_by_channels(certificates, far.https_port, "channels-limited", pinned_connections=1, logon_limit="1s") as relay:
        silent = Unfinished(ALICE, PASSWORD)
        with pytest.raises(TimeoutError):
            rpch.Channel(relay.https_port, "RPC_OUT_DATA", "localhost:6001", 76, silent)
        with pytest.raises(rpch.HttpError) as refused:
            rpch.echo(relay.https_port, rpch.Ntlm(ALICE, PASSWORD))
        assert refused.value.status == 503
        silent.channel.socket.settimeout(15)
        with contextlib.suppress(ConnectionError):
            assert silent.channel.socket.recv(1) == b""
        silent.channel.close()
        wait_until(lambda: pairs(relay) == 0, "its pair is gone")
        assert rpch.parse(rpch.echo(relay.https_port, rpch.Ntlm(ALICE, PASSWORD))) == (rpch.ECHO, [])


@pytest.mark.parametrize("amid", [False, True])
def test_far_server_closes(certificates, far, amid):
    """The client's channels end too, whether they have carried calls or not; another connection is as good."""
    with FaultProxy(far.https_port) as proxy, relay_by_channels(certificates, proxy.port, "channels-cut") as relay:
        with open_link(relay) as link:
            if amid:
                log_on(bound(link))
            proxy.cut_now()
            link.out_channel.socket.settimeout(60)
            with pytest.raises((rpch.ChannelError, ConnectionError)):
                while True:
                    link.receive()
        with open_link(relay) as link:
            log_on(bound(link))
        proxy.refuse()
        with pytest.raises(rpch.HttpError) as refused:
            rpch.echo(relay.https_port, rpch.Ntlm(ALICE, PASSWORD))
        assert refused.value.status == 503


def test_killed_channels_leave_nothing(far, relay):
    for number in range(24):
        link = open_link(relay)
        with contextlib.suppress(rpch.ChannelError, OSError):
            link.connect(number % 2 == 0)
            dce = bound(link)
            if number % 3:
                hello, handles = open_mailbox(dce, ALICE)
            if number % 4 == 1:
                link.recycle_in()
            for channel in (link.in_channel, link.out_channel)[:: 1 if number % 2 else -1][: 1 + number % 2]:
                channel.reset() if number % 5 else channel.close()
        link.close()
    wait_until(lambda: pairs(relay) == 0 and relay.metrics()[VIRTUAL] == 0 and far.metrics()[VIRTUAL] == 0, "nothing is left of them", 60)
    assert far.alive() and relay.alive()


def test_mapi_over_http_is_not_for_them(certificates, far, relay):
    """It would take two of the far server's connections for one of the client's. Autodiscover does not lead there."""
    client = NtlmClient(relay, certificates)
    with contextlib.closing(Client.open_connection(client)) as connection:
        assert client.say(connection, ntlm.getNTLMSSPType1()).status == 403
    client.path = "/autodiscover/autodiscover.xml"
    with contextlib.closing(client.open_connection()) as connection:
        reply = connection.post(client.path, AUTODISCOVER_REQUEST.format(address=ALICE).encode(),
                                {"Content-Type": "text/xml", "X-MapiHttpCapability": "1"})
    assert reply.status == 200 and b"<LegacyDN>" in reply.payload and b"<Type>EXHTTP</Type>" in reply.payload
    assert b"mapiHttp" not in reply.payload and f":{far.https_port}/".encode() not in reply.payload


def test_mapi_over_http_with_a_password(certificates, far):
    with relay_by_channels(certificates, far.https_port, "channels-passwords", logons={"schemes": ["ntlm", "basic"]}, http_auth="ntlm") as relay:
        client = NtlmClient(relay, certificates)
        with contextlib.closing(Client.open_connection(client)) as connection:
            refused = client.say(connection, ntlm.getNTLMSSPType1())
        assert refused.status == 401 and [one.split()[0] for one in refused.headers.get_all("WWW-Authenticate")] == ["Basic"]


def test_clients_need_channels_to_come_by(certificates, far):
    server = relay_by_channels(certificates, far.https_port, "channels-none")
    server.write_config(rpc={"nt_domain": "EXAMPLE"})
    done = subprocess.run([server.program, "serve", "-c", server.config_path], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "http = true" in done.stderr, done.stderr
