"""What run_stress does for long and test_stress.py shortly: channels and connections killed at any moment, and crowds that wait."""
import contextlib
import pathlib
import random
import resource
import socket
import ssl
import struct
import threading
import time

from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY

import emsmdb
from conftest import ALICE, PASSWORD
from harness import rpch
from harness.processes import HarnessError

DN = emsmdb.user_dn(ALICE)
HALF_A_CALL = struct.pack("<BBBB4sHHI", 5, 0, 0, 3, b"\x10\0\0\0", 1024, 0, 99) + bytes(200)
MAY_GROW = 8 << 20  # bytes; of a daemon that has been through a tenth of it: what an allocator's arenas come to rest at
LEFT = ("mapigate_rpc_http_connections", "mapigate_rpc_connections", "mapigate_sessions")


def bound(link):
    dce = rpch.transport(link).get_dce_rpc()
    dce.connect()
    dce.bind(emsmdb.EMSMDB)
    return dce


def open_link(gateway):
    return rpch.VirtualConnection(gateway.https_port, rpch.Basic(ALICE, PASSWORD))


def settle(gateway, patience=60):
    """Waits until nothing is left; HarnessError after `patience` seconds."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        metrics = gateway.metrics()
        if all(metrics[name] == 0 for name in LEFT):
            return
        time.sleep(0.2)
    raise HarnessError(f"left behind: {({name: metrics[name] for name in LEFT})}")


def call_something(dce, chance):
    """Calls of a client that will be killed: a session or none, a wait that goes on, a call whose answer nobody reads."""
    if chance.random() >= 0.7:
        return
    hello = emsmdb.hello(dce, DN)
    if chance.random() < 0.3:
        begin_wait(dce, hello)
    elif chance.random() < 0.5:
        emsmdb.execute(dce, hello["pcxh"], emsmdb.rop_logon(DN), [0xffffffff])
        dce.call(6, b"")


def begin_wait(dce, hello):
    """EcDoAsyncWaitEx, whose answer is left to come."""
    request = emsmdb.EcDoAsyncConnectEx()
    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
    wait = emsmdb.EcDoAsyncWaitEx()
    wait["acxh"] = emsmdb.handle_of(dce.request(request)["pacxh"])
    wait["ulFlagsIn"] = 0
    dce.alter_ctx(emsmdb.ASYNC_EMSMDB).call(wait.opnum, wait)


def kill_channels(gateway, chance):
    link = open_link(gateway)
    try:
        link.connect(chance.random() < 0.5)
        call_something(bound(link), chance)
        if chance.random() < 0.2:
            link.recycle_in()
        victims = [link.in_channel, link.out_channel]
        chance.shuffle(victims)
        if chance.random() < 0.2:
            victims[0].socket.sendall(HALF_A_CALL)
        for channel in victims[:chance.randrange(1, 3)]:
            (channel.reset if chance.random() < 0.5 else channel.close)()
    finally:
        link.close()


def kill_connection(gateway, chance):
    """The same to a client by TCP, perhaps amid its logon."""
    if chance.random() < 0.2:
        dce = emsmdb.connect(gateway.rpc["emsmdb_port"], interface=None)
    else:
        dce = emsmdb.connect(gateway.rpc["emsmdb_port"], user=ALICE, password=PASSWORD, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        call_something(dce, chance)
    connection = dce.get_rpc_transport().get_socket()
    if chance.random() < 0.3:
        connection.sendall(HALF_A_CALL)
    if chance.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def kill_rounds(gateway, rounds, seed):
    """Kills channels and connections before, in and after calls, gently and not."""
    chance = random.Random(seed)
    for _ in range(rounds):
        (kill_connection if chance.random() < 0.3 else kill_channels)(gateway, chance)


def kill_beside(gateway, rounds, threads=4, seed=0):
    """That many rounds in all; what a round raises, this raises."""
    problems = []

    def run(number):
        try:
            kill_rounds(gateway, rounds // threads, seed * threads + number)
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if problems:
        raise problems[0]
    settle(gateway)


def wait_in(gateway, links):
    """One more virtual connection with a session and a pending wait, added to `links`."""
    link = open_link(gateway)
    links.append(link)
    link.connect()
    link.dce = dce = bound(link)  # which lives as long
    hello = emsmdb.hello(dce, DN)
    if hello["ErrorCode"]:
        raise HarnessError(f"EcDoConnectEx: {hello['ErrorCode']:#x} with {len(links)} open")
    begin_wait(dce, hello)


def is_waiting(link):
    """Whether nothing but pings has come on the virtual connection."""
    with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
        link.out_channel.socket.settimeout(0)
        while True:
            if link.out_channel.receive()[2] != rpch.RTS:
                return False
    return True


def is_sanitized(gateway):
    """AddressSanitizer keeps freed memory for a while, and looks for lost memory itself when the daemon ends."""
    return "libasan" in pathlib.Path(f"/proc/{gateway.daemon.pid}/maps").read_text()


def kills(gateway, rounds, say=lambda text: None):
    """Kills that often, in ten parts. HarnessError when sessions, connections, descriptors or memory are left behind."""
    kill_beside(gateway, max(20, rounds // 10))
    files, memory = gateway.open_files(), gateway.memory()
    say(f"after {max(20, rounds // 10)} kills: open files {files}, memory {memory >> 10} KiB")
    for part in range(1, 11):
        started = time.monotonic()
        kill_beside(gateway, rounds // 10, seed=part)
        say(f"{rounds * part // 10} kills more, the last tenth in {time.monotonic() - started:.0f} s; open files {gateway.open_files()}, "
            f"memory {gateway.memory() >> 10} KiB")
        if gateway.open_files() > files + 4:
            raise HarnessError(f"{gateway.open_files()} open files, {files} before")
    grown = gateway.memory() - memory
    if not is_sanitized(gateway) and grown > MAY_GROW:
        raise HarnessError(f"{grown >> 10} KiB of memory are left after {rounds} kills")


@contextlib.contextmanager
def crowd(gateway, count):
    """That many virtual connections with a session and a pending wait each. Gives them, and what each costs in bytes."""
    descriptors = 2 * count + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * descriptors:
        raise HarnessError(f"{count} virtual connections want {2 * descriptors} open files in the gateway; the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, descriptors), hard))
    links = []
    try:
        for _ in range(min(20, count // 2)):
            wait_in(gateway, links)
        before, begun = gateway.memory(), len(links)
        while len(links) < count:
            wait_in(gateway, links)
        yield links, (gateway.memory() - before) / (count - begun)
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    settle(gateway)
