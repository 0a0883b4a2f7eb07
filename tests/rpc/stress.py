"""What run_stress does for long and test_stress.py shortly: channels killed at any moment, and crowds that wait."""
import random
import threading
import time

import emsmdb
from conftest import ALICE, PASSWORD
from harness import rpch
from harness.processes import HarnessError

DN = emsmdb.user_dn(ALICE)
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


def kill_rounds(gateway, rounds, seed):
    """Kills channels before, in and after calls, gently and not."""
    chance = random.Random(seed)
    for _ in range(rounds):
        link = open_link(gateway)
        try:
            link.connect(chance.random() < 0.5)
            dce = bound(link)
            if chance.random() < 0.7:
                hello = emsmdb.hello(dce, DN)
                if chance.random() < 0.3:
                    request = emsmdb.EcDoAsyncConnectEx()
                    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
                    waiting = dce.request(request)["pacxh"]
                    wait = emsmdb.EcDoAsyncWaitEx()
                    wait["acxh"] = emsmdb.handle_of(waiting)
                    wait["ulFlagsIn"] = 0
                    dce.alter_ctx(emsmdb.ASYNC_EMSMDB).call(wait.opnum, wait)
                elif chance.random() < 0.5:
                    dce.call(6, b"")
            if chance.random() < 0.2:
                link.recycle_in()
            victims = [link.in_channel, link.out_channel]
            chance.shuffle(victims)
            for channel in victims[:chance.randrange(1, 3)]:
                (channel.reset if chance.random() < 0.5 else channel.close)()
        finally:
            link.close()


def kill_beside(gateway, rounds, threads=4):
    """That many rounds in all; what a round raises, this raises."""
    problems = []

    def run(seed):
        try:
            kill_rounds(gateway, rounds // threads, seed)
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    workers = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]
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
    request = emsmdb.EcDoAsyncConnectEx()
    request["cxh"] = emsmdb.handle_of(hello["pcxh"])
    wait = emsmdb.EcDoAsyncWaitEx()
    wait["acxh"] = emsmdb.handle_of(dce.request(request)["pacxh"])
    wait["ulFlagsIn"] = 0
    dce.alter_ctx(emsmdb.ASYNC_EMSMDB).call(wait.opnum, wait)
