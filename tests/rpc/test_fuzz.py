"""Mutated PDUs, RTS packets and channels against the running daemon: whatever comes, it goes on, and nothing is left of who sent
it. MAPIGATE_FUZZ says how many clients of each kind, MAPIGATE_FUZZ_SEED which. What the codecs make of such is in src/**/*_fuzz.cc."""
import contextlib
import os
import random
import struct
import threading

import pytest
from impacket.dcerpc.v5 import epm, nspi
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY

import emsmdb
import stress
from conftest import ALICE, PASSWORD, start_gateway
from harness import rpch

CLIENTS = int(os.environ.get("MAPIGATE_FUZZ") or 60)
SEED = int(os.environ.get("MAPIGATE_FUZZ_SEED") or 1)
PATIENCE = 1.0  # seconds that a client waits for an answer that may never come
LEVELS = [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY]
NUMBERS = (0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff)


@pytest.fixture(scope="module")
def server(certificates, dovecot):
    generous = {"guesses": 1000000, "guesses_per_address": 1000000, "schemes": ["ntlm", "basic"]}
    with start_gateway(certificates, dovecot, "fuzz", auth=generous, sessions={"max_per_user": 100000}) as gateway:
        yield gateway
        gateway.check_log()


def mutated(data, chance):
    """One or a few changes: to the head, whose lengths and kinds steer everything, or anywhere."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        kind = chance.randrange(8)
        at = chance.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and data:
            data[at] = chance.randrange(256)
        elif kind == 2 and len(data) >= 24:  # type, flags, lengths, call, context, operation
            place, form = chance.choice(((2, "B"), (3, "B"), (4, "B"), (8, "<H"), (10, "<H"), (12, "<I"), (16, "<H"), (18, "<H"), (20, "<H"), (22, "<H")))
            struct.pack_into(form, data, place, chance.choice(NUMBERS) & ((1 << 8 * struct.calcsize(form)) - 1))
        elif kind == 3 and len(data) >= 28:
            struct.pack_into("<I", data, chance.randrange(24, len(data) - 3) & ~3, chance.choice((*NUMBERS, len(data))))
        elif kind == 4:
            del data[at:at + chance.randrange(1, 40)]
        elif kind == 5:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40)))
        elif kind == 6:
            data[at:at] = data[at:at + chance.randrange(1, 200)]
        elif kind == 7:
            data += data
    if chance.random() < 0.5 and len(data) >= 16:  # a length that is right lets the rest be looked at
        struct.pack_into("<H", data, 8, len(data) & 0xffff)
    return bytes(data)


class Mutator:
    """For emsmdb.connect(group=...), which lets it have the transport before anything is sent."""

    def __init__(self, chance):
        self.chance, self.link = chance, None

    def join(self, link):
        self.link, send = link, link.send

        def send_mutated(data, *args, **keywords):
            link.get_socket().settimeout(PATIENCE)
            return send(mutated(data, self.chance) if self.chance.random() < 0.3 else data, *args, **keywords)

        def receive(*_, count=0, **__):
            """impacket's own would ask a connection that has ended for more, for ever."""
            data = b""
            while not data or len(data) < count:
                piece = link.get_socket().recv(count - len(data) if count else 8192)
                if not piece:
                    raise EOFError
                data += piece
            return data

        link.send, link.recv = send_mutated, receive

    def close(self):
        with contextlib.suppress(AttributeError, OSError):  # it may not have come to a connection
            self.link.get_socket().close()


def use_mailbox(dce, chance):
    dn = emsmdb.user_dn(ALICE)
    hello = emsmdb.hello(dce, dn, aux=bytes(chance.choice((0, 0, 20))))
    _, handles = emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(dn), [0xffffffff])
    emsmdb.execute(dce, hello["pcxh"], struct.pack("<BBB", 0x27, 0, 0) + b"\0", handles[:1])
    if chance.random() < 0.3:
        stress.begin_wait(dce, hello)
        return
    request = emsmdb.EcDoDisconnect()
    request["pcxh"] = emsmdb.handle_of(hello["pcxh"])
    dce.request(request)


def use_address_book(dce, _):
    handle = nspi.hNspiBind(dce)["contextHandle"]
    nspi.hNspiGetSpecialTable(dce, handle)
    nspi.hNspiQueryRows(dce, handle, ContainerID=0, Count=5)
    nspi.hNspiUnbind(dce, handle)


def client_by_tcp(gateway, chance):
    where, mutator = chance.randrange(4), Mutator(chance)
    try:
        if where == 0:
            epm.hept_lookup(None, dce=emsmdb.connect(gateway.rpc["epm_port"], interface=None, group=mutator))
            return
        port, interface, use = (("nspi_port", nspi.MSRPC_UUID_NSPI, use_address_book), ("emsmdb_port", emsmdb.EMSMDB, use_mailbox))[where > 1]
        use(emsmdb.connect(gateway.rpc[port], interface, ALICE, PASSWORD, chance.choice(LEVELS), chance.random() < 0.3, group=mutator), chance)
    finally:
        mutator.close()


class MutantChannel(rpch.Channel):
    def __init__(self, chance, *arguments):
        self.chance = chance
        super().__init__(*arguments, timeout=10)

    def request(self, length, authorization):
        if self.chance.random() < 0.05:
            length = self.chance.choice((*NUMBERS, -1, length + 1, length - 1, 1 << 40))
        if self.chance.random() < 0.05:
            self.target = self.chance.choice(("", "localhost", "localhost:0", "localhost:99999", ":6001", "localhost:6001:6001", "%00:6001", "x" * 4000 + ":6001"))
        if self.chance.random() < 0.03:
            self.method = self.chance.choice(("GET", "RPC_IN_DATA", "RPC_OUT_DATA", "POST"))
        super().request(length, authorization)
        self.socket.settimeout(PATIENCE)

    def send(self, data):
        if self.chance.random() < 0.15:
            data = mutated(data, self.chance)
        # In pieces at times: a PDU need not come at once.
        cut = self.chance.randrange(len(data)) if data and self.chance.random() < 0.2 else 0
        for piece in (data[:cut], data[cut:]):
            if piece:
                super().send(piece)


class MutantConnection(rpch.VirtualConnection):
    def __init__(self, gateway, chance):
        who = rpch.Basic(ALICE, PASSWORD) if chance.random() < 0.8 else rpch.Ntlm(ALICE, PASSWORD)
        super().__init__(gateway.https_port, who, chance.choice((6001, 6001, 6004, 593)), window=chance.choice((65536, 8192, 0, 0xffffffff)))
        self.chance = chance

    def _open(self, method, length):
        return MutantChannel(self.chance, self.port, method, self.target, length, self.credentials)


def client_by_http(gateway, chance):
    link = MutantConnection(gateway, chance)
    try:
        link.connect(chance.random() < 0.5)
        dce = rpch.transport(link).get_dce_rpc()
        dce.connect()
        dce.bind(emsmdb.EMSMDB)
        if chance.random() < 0.5:
            link.recycle_in()
        if chance.random() < 0.5:
            link.send_ack()
            link.ping()
        use_mailbox(dce, chance)
    finally:
        link.close()


def run_clients(gateway, client, count):
    """Four at a time. What a client makes of the answers to nonsense is its own affair."""
    finished = []

    def work(number):
        chance = random.Random(SEED * 1000 + number)
        for _ in range(count // 4):
            try:
                client(gateway, chance)
                finished.append(True)
            except Exception:  # noqa: BLE001
                finished.append(False)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return finished


@pytest.mark.parametrize("client", [client_by_tcp, client_by_http])
def test_mutants(server, client):
    finished = run_clients(server, client, CLIENTS)
    assert True in finished and False in finished, "all were refused or none: these are no mutants"
    assert server.alive(), server.log()[-4000:]
    server.check_log()
    stress.settle(server)
    # Clients in their right mind are served as before.
    sane = random.Random(0)
    dce = emsmdb.connect(server.rpc["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    use_mailbox(dce, sane)
    dce.disconnect()
    with stress.open_link(server) as link:
        use_mailbox(stress.bound(link), sane)
    stress.settle(server)
