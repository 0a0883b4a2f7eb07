"""Log on by NTLM and read a mailbox over DCE/RPC: impacket and Samba's client before, Dovecot behind."""
import struct
import time

import pytest
from impacket.dcerpc.v5 import nspi, oxabref
from impacket.dcerpc.v5.rpcrt import (RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
                                      DCERPCException)

import emsmdb
from conftest import ALICE, BOB, PASSWORD, start_gateway

LEVELS = [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY]


def log_on(gateway, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY, user=ALICE, password=PASSWORD, **keywords):
    return emsmdb.connect(gateway.rpc["emsmdb_port"], user=user, password=password, level=level, **keywords)


def inbox_of(rops):
    """The inbox's folder id of a RopLogon response ([MS-OXCROPS] 2.2.3.1.2)."""
    rop, index, code, flags = struct.unpack_from("<BBIB", rops)
    assert (rop, index, code) == (0xfe, 0, 0)
    folders = struct.unpack_from("<13Q", rops, 7)
    return folders[4]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("user", [ALICE, "alice", "ALICE@Example.Test"])
def test_logon(gateway, level, user):
    dce = log_on(gateway, level, user)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    assert hello["ErrorCode"] == 0
    assert hello["pcmsPollsMax"] == 60000
    assert hello["pcxh"]["uuid"] != b"\0" * 16
    assert len(b"".join(hello["rgbAuxOut"])) == hello["pcbAuxOut"]
    dn = emsmdb.user_dn(ALICE)
    rops, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(dn), [0xffffffff])
    inbox = inbox_of(rops)
    # RopOpenFolder, RopGetContentsTable: the messages that Dovecot has.
    open_folder = struct.pack("<BBBBQB", 0x02, 0, 0, 1, inbox, 0)
    contents = struct.pack("<BBBBB", 0x05, 0, 1, 2, 0)
    rops, _ = emsmdb.execute(dce, hello["pcxh"], open_folder + contents, [handles[0], 0xffffffff, 0xffffffff])
    assert struct.unpack_from("<BBI", rops) == (0x02, 1, 0)
    table = rops[8:]
    assert struct.unpack_from("<BBI", table) == (0x05, 2, 0)
    assert struct.unpack_from("<I", table, 6)[0] == 12
    request = emsmdb.EcDoDisconnect()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    answer = dce.request(request)
    assert answer["ErrorCode"] == 0 and answer["pcxh"]["uuid"] == b"\0" * 16
    dce.disconnect()


def test_anonymous_is_refused(gateway):
    with pytest.raises(DCERPCException, match="access_denied"):
        emsmdb.hello(emsmdb.connect(gateway.rpc["emsmdb_port"]), emsmdb.user_dn(ALICE))


@pytest.mark.parametrize("user, password", [(ALICE, "wrong"), ("nobody@example.test", PASSWORD)])
def test_wrong_password_is_refused(gateway, user, password):
    with pytest.raises(DCERPCException):
        emsmdb.hello(log_on(gateway, user=user, password=password), emsmdb.user_dn(ALICE))


def test_context_handle_belongs_to_its_association_group(gateway):
    """A connection outside of it does not know the handle, though the user is the same."""
    first = log_on(gateway)
    hello = emsmdb.hello(first, emsmdb.user_dn(ALICE))
    with pytest.raises(DCERPCException, match="context_mismatch"):
        emsmdb.execute(log_on(gateway), hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])


def test_unknown_handle(gateway):
    bad = {"attributes": 0, "uuid": b"\x01" * 16}
    with pytest.raises(DCERPCException, match="context_mismatch"):
        emsmdb.execute(log_on(gateway), bad, b"", [])


def test_malformed_rop_buffer(gateway):
    dce = log_on(gateway)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    request = emsmdb.EcDoRpcExt2()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    request["pulFlags"] = 3
    request["rgbIn"], request["cbIn"], request["pcbOut"] = [b"\xff"] * 32, 32, 0x8007
    request["rgbAuxIn"], request["cbAuxIn"], request["pcbAuxOut"] = [], 0, 0x1008
    with pytest.raises(DCERPCException) as refused:
        dce.request(request)
    assert refused.value.error_code == 0x4b6  # ecRpcFormat
    # The session goes on.
    emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])


@pytest.mark.parametrize("size, room, aux", [(7, 0x8007, 0), (0, 0x8007, 0), (8, 7, 0), (8, 0x8007, 7)])
def test_lengths_below_a_header(gateway, size, room, aux):
    """[MS-OXCRPC] 3.1.4.2: ecRpcFailed."""
    dce = log_on(gateway)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    request = emsmdb.EcDoRpcExt2()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    request["pulFlags"] = 3
    request["rgbIn"], request["cbIn"], request["pcbOut"] = [b"\0"] * size, size, room
    request["rgbAuxIn"], request["cbAuxIn"], request["pcbAuxOut"] = [b"\0"] * aux, aux, 0x1008
    with pytest.raises(DCERPCException) as refused:
        dce.request(request)
    assert refused.value.error_code == 0x80040115


@pytest.mark.parametrize("size, code", [(0x8007, 0x4b6), (0x8008, 0x80040115)])
def test_too_long_for_one_buffer(gateway, size, code):
    """[MS-OXCRPC] 3.1.4.2, cbIn: ecRpcFailed for what is too long, ecRpcFormat for what is wrong otherwise."""
    dce = log_on(gateway)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    request = emsmdb.EcDoRpcExt2()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    request["pulFlags"] = 3
    request["rgbIn"], request["cbIn"], request["pcbOut"] = [b"\0"] * size, size, 0x8007
    request["rgbAuxIn"], request["cbAuxIn"], request["pcbAuxOut"] = [], 0, 0x1008
    with pytest.raises(DCERPCException) as refused:
        dce.request(request)
    assert refused.value.error_code == code


@pytest.mark.parametrize("version", [(0, 0, 0), (1, 2, 3), (10, 0, 0)])
def test_client_that_is_too_old(gateway, version):
    dce = log_on(gateway)
    request = emsmdb.hello_request(emsmdb.user_dn(ALICE), version=version)
    dce.call(request.opnum, request)
    answer = emsmdb.EcDoConnectExResponse(dce.recv())
    assert answer["ErrorCode"] == 0x80040110  # ecVersionMismatch
    assert answer["pcxh"]["uuid"] == b"\0" * 16
    # "The minimum client protocol version that the server supports", and the server's as to everybody.
    assert struct.unpack("<3H", answer["rgwBestVersion"]) == (0x0b00, 0x8000, 0)
    assert answer["rgwServerVersion"] == emsmdb.hello(dce, emsmdb.user_dn(ALICE))["rgwServerVersion"]


@pytest.mark.parametrize("wanted", ["integrity", "privacy"])
def test_too_little_protection(certificates, dovecot, wanted):
    """[MS-OXCRPC] 3.1.4.1: ecNotEncrypted, upon which clients ask for encryption; elsewhere a fault."""
    with start_gateway(certificates, dovecot, "strict", protection=wanted) as strict:
        for level in LEVELS:
            dce = log_on(strict, level)
            request = emsmdb.hello_request(emsmdb.user_dn(ALICE))
            dce.call(request.opnum, request)
            answer = emsmdb.EcDoConnectExResponse(dce.recv())
            enough = level >= {"integrity": RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, "privacy": RPC_C_AUTHN_LEVEL_PKT_PRIVACY}[wanted]
            assert answer["ErrorCode"] == (0 if enough else 0x970)
            assert (answer["pcxh"]["uuid"] != b"\0" * 16) == enough
        book = emsmdb.connect(strict.rpc["nspi_port"], nspi.MSRPC_UUID_NSPI, user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_CONNECT)
        with pytest.raises(DCERPCException, match="access_denied"):
            nspi.hNspiBind(book)


@pytest.mark.parametrize("dn, code", [("\0", 0x80070005), ("UserDN\0", 0x3eb), (emsmdb.user_dn("nobody@example.test"), 0x3eb),
                                      (emsmdb.user_dn(BOB), 0x80070005)])
def test_names_that_are_not_the_users(gateway, dn, code):
    """[MS-OXCRPC] 3.1.4.1: ecAccessDenied without a name and for somebody else's, ecUnknownUser for nobody's."""
    dce = log_on(gateway)
    request = emsmdb.hello_request(dn)
    dce.call(request.opnum, request)
    answer = emsmdb.EcDoConnectExResponse(dce.recv())
    assert answer["ErrorCode"] == code
    assert answer["pcxh"]["uuid"] == b"\0" * 16
    assert emsmdb.hello(dce, emsmdb.user_dn(ALICE))["ErrorCode"] == 0


def test_linked_session_has_the_time_stamp_of_the_first(gateway):
    dce = log_on(gateway)
    first = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    second = emsmdb.hello(dce, emsmdb.user_dn(ALICE), link=first["picxr"], stamp=first["pulTimeStamp"])
    assert second["pulTimeStamp"] == first["pulTimeStamp"] != 0
    assert second["picxr"] != first["picxr"]


def test_stub_that_is_cut_off(gateway):
    dce = log_on(gateway)
    dce.call(emsmdb.EcDoRpcExt2.opnum, b"\0" * 30)
    with pytest.raises(DCERPCException, match="bad_stub_data|0x6f7"):
        dce.recv()
    assert gateway.alive()


def test_request_in_fragments(gateway):
    """Each signed and sealed by itself."""
    dce = log_on(gateway)
    dce.set_max_fragment_size(500)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    dn = emsmdb.user_dn(ALICE)
    _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(dn), [0xffffffff])
    ask = struct.pack("<BBB", 0x27, 0, 0) + b"IPM.Note\0"  # RopGetReceiveFolder
    answer, _ = emsmdb.execute(dce, hello["pcxh"], ask * 200, handles[:1])
    responses = answer.split(struct.pack("<BBI", 0x27, 0, 0))
    assert len(responses) == 201 and len(set(responses[1:])) == 1


@pytest.mark.parametrize("outstanding", [2, 32])
def test_calls_side_by_side(gateway, outstanding):
    """On one connection, each answered by its own call_id."""
    dce = log_on(gateway)
    for _ in range(outstanding):
        dce.call(6, b"")
    for _ in range(outstanding):
        assert dce.recv() == b"\0\0\0\0"


def test_reserved_methods(gateway):
    dce = log_on(gateway)
    for opnum in (0, 2, 9, 12, 13, 200):
        dce.call(opnum, b"")
        with pytest.raises(DCERPCException, match="op_rng_error"):
            dce.recv()


def waiting(gateway, dce, hello):
    request = emsmdb.EcDoAsyncConnectEx()
    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
    return dce.request(request)["pacxh"]


def wait_call(dce, acxh):
    """Asks, and leaves the answer to come."""
    request = emsmdb.EcDoAsyncWaitEx()
    request["acxh"] = emsmdb.handle_of(acxh)
    request["ulFlagsIn"] = 0
    dce.call(request.opnum, request)


def test_client_that_leaves_while_it_waits(gateway):
    """Its call is ended and its session with it, long before the five minutes are over."""
    before = gateway.metrics()["mapigate_rpc_orphans_total"]
    dce = log_on(gateway)
    hello = emsmdb.hello(dce, emsmdb.user_dn(ALICE))
    emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    waiting(gateway, dce, hello)
    second = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
    wait_call(second, waiting(gateway, dce, hello))
    time.sleep(0.5)
    connections = gateway.metrics()["mapigate_rpc_connections"]
    dce.disconnect()
    for _ in range(100):
        now = gateway.metrics()
        if now["mapigate_rpc_orphans_total"] > before and now["mapigate_rpc_connections"] < connections:
            return
        time.sleep(0.1)
    pytest.fail("the orphaned call is still there")


def test_context_handle_outlives_its_connection(gateway):
    group = emsmdb.Association()
    first, second = log_on(gateway, group=group), log_on(gateway, group=group)
    hello = emsmdb.hello(first, emsmdb.user_dn(ALICE))
    emsmdb.execute(second, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    first.disconnect()
    time.sleep(0.5)
    emsmdb.execute(second, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    # Somebody else in the group has no part of it.
    other = log_on(gateway, user=BOB, group=group)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        emsmdb.execute(other, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    third = log_on(gateway, group=group)
    second.disconnect()
    other.disconnect()
    emsmdb.execute(third, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    third.disconnect()


def until_orphaned(gateway, before):
    until = time.monotonic() + 10
    while gateway.metrics()["mapigate_rpc_orphans_total"] == before and time.monotonic() < until:
        time.sleep(0.1)


def test_wait_goes_on_by_another_connection(gateway):
    """The one that it was asked by is lost: its call is no longer outstanding, and no reason to refuse the next ([MS-OXCRPC] 3.3.4.1)."""
    group = emsmdb.Association()
    main = log_on(gateway, group=group)
    hello = emsmdb.hello(main, emsmdb.user_dn(ALICE))
    emsmdb.execute(main, hello["pcxh"], emsmdb.rop_logon(emsmdb.user_dn(ALICE)), [0xffffffff])
    acxh = waiting(gateway, main, hello)
    for _ in range(3):
        before = gateway.metrics()["mapigate_rpc_orphans_total"]
        dce = log_on(gateway, group=group)
        dce = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
        wait_call(dce, acxh)
        dce.get_rpc_transport().get_socket().settimeout(1.5)
        with pytest.raises(TimeoutError):
            dce.recv()
        # A second one beside it is refused.
        beside = log_on(gateway, group=group)
        beside = beside.alter_ctx(emsmdb.ASYNC_EMSMDB)
        wait_call(beside, acxh)
        assert emsmdb.EcDoAsyncWaitExResponse(beside.recv())["ErrorCode"] == 0x7ee  # ecRejected
        beside.disconnect()
        dce.disconnect()
        until_orphaned(gateway, before)
    # However often: those that nobody hears are over.
    for _ in range(8):
        before = gateway.metrics()["mapigate_rpc_orphans_total"]
        dce = log_on(gateway, group=group)
        dce = dce.alter_ctx(emsmdb.ASYNC_EMSMDB)
        wait_call(dce, acxh)
        dce.disconnect()
        until_orphaned(gateway, before)
    last = log_on(gateway, group=group).alter_ctx(emsmdb.ASYNC_EMSMDB)
    wait_call(last, acxh)
    last.get_rpc_transport().get_socket().settimeout(1.5)
    with pytest.raises(TimeoutError):
        last.recv()


def test_referral(gateway):
    dce = emsmdb.connect(gateway.rpc["rfr_port"], oxabref.MSRPC_UUID_OXABREF, user=ALICE, password=PASSWORD,
                         level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    assert oxabref.hRfrGetNewDSA(dce, emsmdb.user_dn(ALICE).rstrip("\0"))["ppszServer"].rstrip("\0") == "localhost"
    dn = "/o=mapigate/ou=Exchange/cn=Configuration/cn=Servers/cn=localhost"
    assert oxabref.hRfrGetFQDNFromServerDN(dce, dn)["ppszServerFQDN"].rstrip("\0") == "localhost"
    # Where a RopLogon has sent a user whose mailbox moved, as itself or by its database.
    servers = "/o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn="
    for end, host in (("other.example.test", "other.example.test"), ("Other.Example.test/cn=Microsoft Private MDB", "other.example.test"),
                      ("localhost", "localhost"), ("no host@at all", "localhost")):
        assert oxabref.hRfrGetFQDNFromServerDN(dce, servers + end)["ppszServerFQDN"].rstrip("\0") == host
