"""A relay goes on with the ticket that its client forwarded: at the HTTP level or within DCE/RPC, whichever way to the upstream."""
import contextlib
import os
import subprocess
import tempfile
from unittest import mock

import pytest

import chains
from conftest import ALICE, BOB, PASSWORD
from harness import kerberos
from harness.mapigate import Mapigate
from harness.processes import private_dir

pytestmark = pytest.mark.skipif(not kerberos.available(), reason="krb5-kdc and krb5-user are not installed")

UPSTREAMS = {"rpctcp": {"auth": "kerberos"}, "rpctcp by SPNEGO": {"auth": "negotiate", "protection": "integrity"},
             "rpchttp": {"auth": "kerberos", "http_auth": "negotiate"}, "mapihttp": {"auth": "negotiate"}}


@pytest.fixture(scope="module")
def kdc():
    with kerberos.Kdc("EXAMPLE.TEST", {"alice": PASSWORD, "bob": PASSWORD}) as server:
        yield server


def by_ticket(kdc):
    return {"schemes": ["negotiate"], "keytab": kdc.keytab, "realm": "EXAMPLE.TEST"}


@pytest.fixture(scope="module")
def far(certificates, dovecot, kdc):
    with chains.start_far(certificates, dovecot, name="far-delegated", http=True, auth=by_ticket(kdc)) as server:
        yield server


@contextlib.contextmanager
def relay_to(certificates, far, kdc, kind, credentials=None):
    """By the name of localhost, which the tickets are for."""
    folder = private_dir("delegated")
    transport = kind.split(" ")[0]
    upstream = {"type": "relay", "transport": transport, **UPSTREAMS[kind], **(credentials or {"credentials": "pass-through"})}
    if transport == "rpctcp":
        upstream |= {"server": "localhost", "epm_port": far.rpc["epm_port"]}
    else:
        upstream |= {"url": f"https://localhost:{far.https_port}", "ca_file": certificates.ca}
    ports, rpc = chains.rpc_settings(folder)
    relay = Mapigate(certificates, {"upstream": upstream}, ["upstream"], folder=folder, name="delegated", server={"default_domain": "example.test"},
                     rpc={**rpc, "http": True}, auth=by_ticket(kdc))
    relay.rpc = ports
    with mock.patch.dict(os.environ, kdc.environment):  # the relay asks the KDC itself
        relay.start()
    try:
        yield relay
        relay.check_log()
    finally:
        relay.stop()


def way_to(relay, transport):
    if transport == "rpctcp":
        return ["--transport", "rpctcp", "--auth", "kerberos", "--rpc-server", "localhost", "--epm-port", relay.rpc["epm_port"]]
    return ["--auth", "negotiate", "--server", f"https://localhost:{relay.https_port}", "--ca-file", relay.certificates.ca]


def run(relay, environment, way, *command):
    environment = {**os.environ, **environment}
    environment.pop("MAPIGATE_PASSWORD", None)
    return subprocess.run([str(relay.program), "client", "--user", ALICE, *map(str, way), *command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, env=environment)


@pytest.mark.parametrize("kind", UPSTREAMS)
@pytest.mark.parametrize("transport", ["rpctcp", "mapihttp"])
def test_forwarded_ticket(certificates, far, kdc, kind, transport):
    ticket = kdc.ticket("alice", PASSWORD, forwardable=True)
    with relay_to(certificates, far, kdc, kind) as relay:
        for command in (["folders"], ["ls", "Inbox"], ["resolve", "bob"]):
            direct = run(far, ticket, way_to(far, transport), *command)
            relayed = run(relay, ticket, [*way_to(relay, transport), "--delegate"], *command)
            assert direct.returncode == relayed.returncode == 0, direct.stderr + relayed.stderr + relay.log()[-2000:]
            assert relayed.stdout == direct.stdout
        # One that was not forwarded proves who the client is, and leads no further.
        kept = run(relay, ticket, way_to(relay, transport), "folders")
        assert kept.returncode != 0
        assert "without a password or a ticket" in relay.log()
    left = [name for place in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(place) for name in os.listdir(place)]
    assert not [name for name in left if name.startswith("mapigate-ticket-")]


def test_ticket_that_cannot_be_forwarded(certificates, far, kdc):
    with relay_to(certificates, far, kdc, "rpctcp") as relay:
        done = run(relay, kdc.ticket("alice", PASSWORD), [*way_to(relay, "rpctcp"), "--delegate"], "folders")
        assert done.returncode != 0 and "kinit -f" in done.stderr


@pytest.mark.parametrize("mapped, forwarded, works", [((ALICE, PASSWORD), False, True), ((ALICE, "wrong"), False, False),
                                                      ((BOB, "wrong"), True, True)])
def test_ticket_counts_before_mapped_credentials(certificates, far, kdc, mapped, forwarded, works):
    map_file = private_dir("map") / "map"
    map_file.write_text(f"{ALICE}:{':'.join(mapped)}\n")
    map_file.chmod(0o600)
    ticket = kdc.ticket("alice", PASSWORD, forwardable=True)
    with relay_to(certificates, far, kdc, "rpctcp", {"credentials": "mapped", "map_file": map_file}) as relay:
        done = run(relay, ticket, [*way_to(relay, "rpctcp"), *(["--delegate"] if forwarded else [])], "folders")
        assert (done.returncode == 0) == works, done.stderr
