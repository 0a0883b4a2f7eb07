"""DCE/RPC over TCP: calls that do nothing, sequential and with 16 outstanding, against a bare echo server on the same Samba
core; memory an idle connection; a call relayed from TCP to TCP against the same call directly. Over HTTP: sessions that wait all at
once, and what a virtual connection costs."""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate, mailbox_modules
from harness.processes import TOP, Daemon, HarnessError, free_port, private_dir

from .measure import raise_file_limit, resident_bytes, row

ALICE, PASSWORD = "alice@example.test", "secret"
NT_HASH = "878D8014606CDA29677A44EFA1353FC7"  # of "secret"
DN = "/o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=" + ALICE
SECONDS, ROUNDS, IDLE = 2, 5, 1000
WAITING, VIRTUAL_LIMIT = 2000, 64  # sessions over HTTP; KiB that a virtual connection may take
DOVECOT_MASTER = """
passdb {{
driver = passwd-file
args = {folder}/masters
master = yes
}}
"""


def program():
    """Of the same build as the daemon."""
    daemon = pathlib.Path(os.environ.get("MAPIGATE", TOP / "build/release/src/daemon/mapigate"))
    return daemon.parents[2] / "tests" / "bench" / "rpc_bench"


def bench(*arguments):
    done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise HarnessError(f"rpc_bench {' '.join(map(str, arguments))}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def calls_a_second(port, level, outstanding):
    result = bench("calls", port, ALICE, level, outstanding, SECONDS)
    return result["calls"] / result["seconds"]


def gateway(certificates, modules, chain, name):
    folder = private_dir(name)
    accounts = folder / "accounts"
    accounts.write_text(f"{ALICE}:{NT_HASH}\n")
    accounts.chmod(0o600)
    ports = {"epm_port": free_port(), "emsmdb_port": free_port(), "nspi_port": 0, "rfr_port": 0}
    server = Mapigate(certificates, modules, chain, folder=folder, name=name, server={"default_domain": "example.test"},
                      sessions={"max_per_user": 100000}, rpc={"address": "127.0.0.1", "accounts": accounts, "http": True, **ports})
    server.rpc = ports
    return server


def against_echo(near, echo_port):
    results = []
    for level in ("none", "privacy"):
        port = near.rpc["epm_port" if level == "none" else "emsmdb_port"]
        for outstanding in (1, 16):
            rounds = [(calls_a_second(port, level, outstanding), calls_a_second(echo_port, level, outstanding)) for _ in range(ROUNDS)]
            ours, theirs = (statistics.median(one[side] for one in rounds) for side in (0, 1))
            how = "no authentication" if level == "none" else "NTLM PRIVACY"
            results.append(row(f"{how}, {outstanding} outstanding: calls/s", ours, theirs, "1/s", "echo", True))
    return results


def memory_of(group, port, level):
    """Bytes a connection costs the processes of the group."""
    def settled():
        return min(resident_bytes(group) for _ in range(3))
    bench("calls", port, ALICE, level, 16, 1)
    before = settled()
    holder = subprocess.Popen([program(), "hold", str(port), ALICE, level, str(IDLE)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        if holder.stdout.readline().strip() != "ready":
            raise HarnessError("rpc_bench hold does not get ready")
        return (settled() - before) / IDLE
    finally:
        holder.communicate("\n", timeout=30)


def over_http(near):
    """What a virtual connection takes, idle and with a session that waits."""
    sys.path.append(str(TOP / "tests" / "rpc"))  # the client is that of the tests
    import stress  # noqa: E402

    def settled():
        return min(resident_bytes(near.daemon.pid) for _ in range(3))
    results = []
    with stress.crowd(near, 20):
        pass  # pools and caches have grown
    before, links = settled(), [stress.open_link(near) for _ in range(IDLE)]
    try:
        for link in links:
            link.connect()
            stress.bound(link)
        idle = (settled() - before) / IDLE / 1024
    finally:
        for link in links:
            link.close()
    stress.settle(near)
    results.append(row("memory an idle virtual connection", idle, VIRTUAL_LIMIT, "KiB", "limit", False))
    before, started = settled(), time.monotonic()
    with stress.crowd(near, WAITING) as (links, _):
        waiting = sum(stress.is_waiting(link) for link in links)
        print(f"  {waiting} of {WAITING} sessions wait at once, opened in {time.monotonic() - started:.0f} s", flush=True)
        if waiting != WAITING:
            raise HarnessError(f"only {waiting} of {WAITING} sessions over HTTP wait")
        each = (settled() - before) / WAITING / 1024
    results.append(row("the same with a session that waits", each, VIRTUAL_LIMIT, "KiB", "limit", False))
    return results


def executes_a_second(port):
    result = bench("executes", port, ALICE, "privacy", SECONDS, DN)
    return result["calls"] / result["seconds"]


def run():
    raise_file_limit(4 * WAITING)
    certificates, results = Certificates(private_dir("tls")), []
    with contextlib.ExitStack() as stack:
        folder = private_dir("dovecot")
        (folder / "masters").write_text("gateway:{PLAIN}mastersecret\n")
        (folder / "masters").chmod(0o644)
        dovecot = stack.enter_context(Dovecot(certificates, folder=folder, extra=DOVECOT_MASTER.format(folder=folder)))
        modules = mailbox_modules(dovecot.tls_port, certificates)
        modules["imap"] |= {"master_user": "gateway", "master_password": "mastersecret"}
        near = stack.enter_context(gateway(certificates, modules, ["mail"], "near"))
        map_file = folder / "map"
        map_file.write_text(f"{ALICE}:{ALICE}:{PASSWORD}\n")
        map_file.chmod(0o600)
        relay = stack.enter_context(gateway(certificates, {"upstream": {
            "type": "relay", "transport": "rpctcp", "server": "127.0.0.1", "credentials": "mapped", "map_file": map_file,
            "emsmdb_port": near.rpc["emsmdb_port"]}}, ["upstream"], "relay"))
        echo_port = free_port()
        echo = Daemon([program(), "echo", echo_port], private_dir("echo"), "echo")
        stack.callback(echo.stop)
        echo.wait_ready(lambda: "ready" in pathlib.Path(echo.stdout_path).read_text(), "the echo server listens")
        results += against_echo(near, echo_port)
        for level in ("none", "privacy"):
            ports = near.rpc["epm_port" if level == "none" else "emsmdb_port"], echo_port
            ours, theirs = memory_of(near.daemon.pid, ports[0], level), memory_of(echo.pid, ports[1], level)
            how = "no authentication" if level == "none" else "NTLM PRIVACY"
            results.append(row(f"memory an idle connection, {how}", ours / 1024, theirs / 1024, "KiB", "echo", False))
        results += over_http(near)
        rounds = [(executes_a_second(relay.rpc["emsmdb_port"]), executes_a_second(near.rpc["emsmdb_port"])) for _ in range(ROUNDS)]
        relayed, direct = (statistics.median(1e6 / one[side] for one in rounds) for side in (0, 1))
        results.append(row("a call relayed TCP to TCP", relayed, direct, "us ", "direct", False))
    return results
