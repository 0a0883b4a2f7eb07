"""Relays in every combination of DCE/RPC over TCP and MAPI over HTTP, in and out: a client sees what it would see without
them, and faults of the far server stay faults that pass."""
import contextlib
import json
import struct
import time

import pytest
from impacket.dcerpc.v5 import nspi
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException

import chains
import emsmdb
from conftest import ALICE, BOB, PASSWORD
from harness import mailgen, rops
from harness.mapihttp import Client, ProtocolError, Session
from harness.processes import wait_until
from harness.properties import WireError


@pytest.fixture(scope="module")
def far(certificates, dovecot):
    with chains.start_far(certificates, dovecot) as server:
        yield server


@pytest.fixture(scope="module", params=["mapihttp", "rpctcp"])
def relay(request, certificates, far):
    """Named after what it speaks to the far server."""
    with chains.start_relay(certificates, far, request.param, f"relay-{request.param}") as server:
        yield server
        assert server.alive()
        server.check_log()


def way_in(server, transport):
    return ["--transport", "rpctcp", "--epm-port", server.rpc["epm_port"]] if transport == "rpctcp" else []


@pytest.mark.parametrize("transport", ["mapihttp", "rpctcp"])
def test_same_mailbox(far, relay, transport):
    way = way_in(relay, transport)
    inbox = json.loads(far.client("--json", "ls", "Inbox").stdout)
    assert json.loads(relay.client(*way, "--json", "ls", "Inbox").stdout) == inbox
    assert relay.client(*way, "--json", "folders").stdout == far.client("--json", "folders").stdout
    for one in inbox[:3]:
        assert relay.client(*way, "show", one["id"], "--headers").stdout == far.client("show", one["id"], "--headers").stdout


@pytest.mark.parametrize("transport", ["mapihttp", "rpctcp"])
def test_same_address_book(far, relay, transport):
    way = way_in(relay, transport)
    for command in (["gal"], ["gal", "--containers"], ["resolve", "alice", "bob", "a", "nobody"]):
        assert relay.client(*way, "--json", *command).stdout == far.client("--json", *command).stdout


@pytest.mark.parametrize("transport", ["mapihttp", "rpctcp"])
def test_writing(far, relay, transport):
    way = way_in(relay, transport)
    name = f"Made over {transport} by {relay.name}"
    relay.client(*way, "mkdir", name)
    assert name in far.client("folders").stdout


def test_wrong_password(relay):
    """The mapped credentials are for calls; who logs on still has to know the own password."""
    done = relay.client("folders", password="wrong", check=False)
    assert done.returncode == 1 and "password" in done.stderr
    with pytest.raises(DCERPCException):
        emsmdb.hello(emsmdb.connect(relay.rpc["emsmdb_port"], user=ALICE, password="wrong", level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY),
                     emsmdb.user_dn(ALICE))


def test_own_password_passed_on(certificates, far):
    for transport in ("mapihttp", "rpctcp"):
        with chains.start_relay(certificates, far, transport, f"pass-{transport}", credentials="pass-through") as server:
            assert server.client("folders").stdout == far.client("folders").stdout
            # By NTLM there is no password to pass on.
            done = server.client(*way_in(server, "rpctcp"), "folders", check=False)
            assert done.returncode == 1


def register(dce, hello, user):
    """Logs on and wants to hear of whatever happens in the store."""
    _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(user)), [0xffffffff])
    created_and_new_mail, whole_store = 0x06, 1
    ask = struct.pack("<BBBBBBB", 0x29, 0, 0, 1, created_and_new_mail, 0, whole_store)
    response, _ = emsmdb.execute(dce, hello["pcxh"], ask, [handles[0], 0xffffffff])
    assert struct.unpack_from("<BBI", response) == (0x29, 1, 0)


def test_notification(dovecot, relay):
    """EcDoAsyncWaitEx here becomes NotificationWait or EcDoAsyncWaitEx there, and ends when mail comes."""
    dce = emsmdb.connect(relay.rpc["emsmdb_port"], user=BOB, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    hello = emsmdb.hello(dce, emsmdb.user_dn(BOB))
    assert hello["ErrorCode"] == 0
    register(dce, hello, BOB)
    request = emsmdb.EcDoAsyncConnectEx()
    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
    waiting = dce.request(request)["pacxh"]
    second = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
    request = emsmdb.EcDoAsyncWaitEx()
    request["acxh"] = emsmdb.handle_of(waiting)
    request["ulFlagsIn"] = 0
    second.call(request.opnum, request)
    time.sleep(1)
    dovecot.seed(BOB, "INBOX", [mailgen.message(900, large=False).seed()])
    answer = emsmdb.EcDoAsyncWaitExResponse(second.recv())
    assert (answer["ErrorCode"], answer["pulFlagsOut"]) == (0, 1), relay.log()[-2000:]


def expect_failure(session):
    try:
        response = session.try_call(rops.get_receive_folder(""))
    except (ProtocolError, WireError, OSError):
        return
    assert response.error != 0


def test_far_server_hangs_and_goes_on(certificates, dovecot):
    """A call that gets no answer is an error in time; the session is the same afterwards."""
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(chains.start_far(certificates, dovecot, name="frozen"))
        relay = stack.enter_context(chains.start_relay(certificates, far, "rpctcp", "patient", call_limit="3s"))
        dce = emsmdb.connect(relay.rpc["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
        ask = struct.pack("<BBB", 0x27, 0, 0) + b"\0"  # RopGetReceiveFolder
        far.daemon.freeze()
        started = time.monotonic()
        try:
            with pytest.raises(DCERPCException) as refused:
                emsmdb.execute(dce, hello["pcxh"], ask, handles[:1])
        finally:
            far.daemon.thaw()
        assert refused.value.error_code == 0x80040115  # ecRpcFailed: Outlook tries again
        assert time.monotonic() - started < 20
        time.sleep(1)
        answer, _ = emsmdb.execute(dce, hello["pcxh"], ask, handles[:1])
        assert struct.unpack_from("<BBI", answer) == (0x27, 0, 0)


def is_gone(handle):
    return handle["attributes"] == 0 and bytes(handle["uuid"]) == bytes(16)


def asynchronous(dce, hello):
    request = emsmdb.EcDoAsyncConnectEx()
    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
    return dce.request(request)["pacxh"]


@contextlib.contextmanager
def relay_that_loses_the_sequence(certificates, dovecot, name):
    """A relay over MAPI/HTTP, and a context within which its far server hangs. Afterwards the far server has gone on with the
    one call that nobody waits for any more, and wants a cookie that nobody got."""
    with chains.start_far(certificates, dovecot, name=f"frozen-{name}") as far, \
            chains.start_relay(certificates, far, "mapihttp", f"patient-{name}", call_limit="3s") as relay:
        @contextlib.contextmanager
        def hanging():
            before = far.metrics()["mapigate_http_requests_total"]
            far.daemon.freeze()
            try:
                yield
            finally:
                far.daemon.thaw()
            wait_until(lambda: far.metrics()["mapigate_http_requests_total"] > before, "the far server goes on")
        yield relay, hanging


def test_rpc_client_when_the_sequence_is_lost(certificates, dovecot):
    """A zero handle, and a new session works."""
    with relay_that_loses_the_sequence(certificates, dovecot, "rpc") as (relay, hanging):
        dce = emsmdb.connect(relay.rpc["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        logon = emsmdb.rop_logon(emsmdb.user_dn(ALICE))
        _, handles = emsmdb.execute(dce, hello["pcxh"], logon, [0xffffffff])
        ask = struct.pack("<BBB", 0x27, 0, 0) + b"\0"  # RopGetReceiveFolder
        with hanging():
            answer = emsmdb.execute_raw(dce, hello["pcxh"], ask, handles[:1])
            assert answer["ErrorCode"] == 0x80040115 and not is_gone(answer["pcxh"])
        answer = emsmdb.execute_raw(dce, hello["pcxh"], ask, handles[:1])
        assert answer["ErrorCode"] == 0x80040115 and is_gone(answer["pcxh"])
        with pytest.raises(DCERPCException, match="context_mismatch"):
            emsmdb.execute(dce, hello["pcxh"], ask, handles[:1])
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        _, handles = emsmdb.execute(dce, hello["pcxh"], logon, [0xffffffff])
        answer, _ = emsmdb.execute(dce, hello["pcxh"], ask, handles[:1])
        assert struct.unpack_from("<BBI", answer) == (0x27, 0, 0)


def test_http_client_when_the_sequence_is_lost(certificates, dovecot):
    with relay_that_loses_the_sequence(certificates, dovecot, "http") as (relay, hanging):
        with Session.logged_on(relay.https_port, certificates.ca, ALICE, PASSWORD) as session:
            with hanging(), pytest.raises(ProtocolError) as unknown:
                session.try_call(rops.get_receive_folder(""))
            assert unknown.value.code == 1  # Unknown Failure: Outlook tries again
            for _ in range(2):
                with pytest.raises(ProtocolError) as lost:
                    session.try_call(rops.get_receive_folder(""))
                assert lost.value.code == 10  # Context Not Found: Outlook connects anew
        with Session.logged_on(relay.https_port, certificates.ca, ALICE, PASSWORD) as again:
            assert again.try_call(rops.get_receive_folder("")).error == 0


@pytest.mark.parametrize("transport", ["mapihttp", "rpctcp"])
def test_far_server_dies_and_comes_back(certificates, dovecot, transport):
    with contextlib.ExitStack() as stack:
        far = chains.start_far(certificates, dovecot, name="mortal").start()
        relay = stack.enter_context(chains.start_relay(certificates, far, transport, "living"))
        session = stack.enter_context(Session.logged_on(relay.https_port, certificates.ca, ALICE, PASSWORD))
        far.kill()
        expect_failure(session)
        stack.enter_context(chains.start_far(certificates, dovecot, name="mortal", folder=far.folder, ports=far.rpc,
                                             https_port=far.https_port))
        # What the far server knew of the session is gone; the client is told so, and logs on anew.
        with pytest.raises((ProtocolError, WireError, OSError)):
            session.try_call(rops.get_receive_folder(""))
        again = stack.enter_context(Session.logged_on(relay.https_port, certificates.ca, ALICE, PASSWORD))
        assert again.try_call(rops.get_receive_folder("")).error == 0
        assert relay.alive()


def test_far_server_is_down_at_the_start(certificates, dovecot):
    far = chains.start_far(certificates, dovecot, name="absent")  # never started
    with chains.start_relay(certificates, far, "rpctcp", "early") as relay:
        with contextlib.closing(Client(relay.https_port, certificates.ca, ALICE, PASSWORD)) as client:
            assert client.raw("Connect", client.connect_body("/o=x/cn=y")).status == 503


@pytest.mark.parametrize("transport", ["mapihttp", "rpctcp"])
def test_far_server_forgets_sessions_of_rpc_clients(certificates, dovecot, transport):
    """A zero handle for the mailbox, news for whoever waits, an unknown handle for the address book: clients begin anew."""
    with contextlib.ExitStack() as stack:
        far = chains.start_far(certificates, dovecot, name="forgetful").start()
        relay = stack.enter_context(chains.start_relay(certificates, far, transport, "told"))
        link = {"user": ALICE, "password": PASSWORD, "level": RPC_C_AUTHN_LEVEL_PKT_PRIVACY}
        dce = emsmdb.connect(relay.rpc["emsmdb_port"], **link)
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
        waiting = asynchronous(dce, hello)
        book = emsmdb.connect(relay.rpc["nspi_port"], nspi.MSRPC_UUID_NSPI, **link)
        bound = nspi.hNspiBind(book)["contextHandle"]
        assert nspi.hNspiGetSpecialTable(book, bound)["ErrorCode"] == 0
        far.kill()
        stack.enter_context(chains.start_far(certificates, dovecot, name="forgetful", folder=far.folder, ports=far.rpc,
                                             https_port=far.https_port))
        # The connections of before are broken: the first call may find out.
        with pytest.raises(DCERPCException):
            for _ in range(2):
                nspi.hNspiGetSpecialTable(book, bound)
        with pytest.raises(DCERPCException, match="context_mismatch"):
            nspi.hNspiGetSpecialTable(book, bound)
        assert nspi.hNspiGetSpecialTable(book, nspi.hNspiBind(book)["contextHandle"])["ErrorCode"] == 0
        request = emsmdb.EcDoAsyncWaitEx()
        request["acxh"] = emsmdb.handle_of(waiting)
        request["ulFlagsIn"] = 0
        second = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
        second.call(request.opnum, request)
        answer = emsmdb.EcDoAsyncWaitExResponse(second.recv())
        if answer["ErrorCode"]:  # the connection, as above
            second.call(request.opnum, request)
            answer = emsmdb.EcDoAsyncWaitExResponse(second.recv())
        assert (answer["ErrorCode"], answer["pulFlagsOut"]) == (0, 1)
        ask = struct.pack("<BBB", 0x27, 0, 0) + b"\0"
        answer = emsmdb.execute_raw(dce, hello["pcxh"], ask, handles[:1])
        if not is_gone(answer["pcxh"]):
            answer = emsmdb.execute_raw(dce, hello["pcxh"], ask, handles[:1])
        assert answer["ErrorCode"] == 0x80040115 and is_gone(answer["pcxh"])
        hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
        _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
        answer, _ = emsmdb.execute(dce, hello["pcxh"], ask, handles[:1])
        assert struct.unpack_from("<BBI", answer) == (0x27, 0, 0)
