"""`mapigate client --transport rpchttp`, a relay over it, and tickets instead of passwords."""
import json
import os
import subprocess

import pytest

import chains
from conftest import ALICE
from harness import kerberos
from harness.rpc_proxy import RpcProxy


@pytest.fixture(scope="module")
def far(certificates, dovecot):
    with chains.start_far(certificates, dovecot, name="far-http", http=True, auth={"schemes": ["ntlm", "basic"]}) as server:
        yield server


@pytest.mark.parametrize("http_auth", ["basic", "ntlm"])
@pytest.mark.parametrize("protection", ["integrity", "privacy"])
def test_same_as_over_mapi_http(far, http_auth, protection):
    def seen(*way):
        inbox = json.loads(far.client(*way, "--json", "ls", "Inbox").stdout)
        return far.client(*way, "folders").stdout, inbox, far.client(*way, "show", inbox[0]["id"], "--headers").stdout
    way = ["--transport", "rpchttp", "--rpc-proxy", far.url(), "--http-auth", http_auth, "--protection", protection]
    assert seen(*way) == seen()


def test_mapi_http_by_ntlm(far):
    assert far.client("--auth", "ntlm", "folders").stdout == far.client("folders").stdout


def test_address_book(far):
    way = ["--transport", "rpchttp", "--rpc-proxy", far.url()]
    for asked in (("gal",), ("resolve", "bob", "nobody"), ("--json", "gal", "--containers"), ("--json", "autodiscover"), ("oab",)):
        assert far.client(*way, *asked).stdout == far.client(*asked).stdout, asked


def test_out_channels_come_to_other_proxies(certificates, far):
    """[MS-RPCH] 3.2.2.5.8: the successor begins when the client has told it that the predecessor has ended."""
    with RpcProxy(certificates, {6001: far.rpc["emsmdb_port"], 6002: far.rpc["rfr_port"], 6004: far.rpc["nspi_port"]}, recycle_after=1000) as proxy:
        way = ["--transport", "rpchttp", "--rpc-proxy", proxy.url()]
        for asked in (("folders",), ("ls", "Inbox"), ("gal",)):
            assert far.client(*way, *asked, timeout=30).stdout == far.client(*asked).stdout
        assert proxy.out_recycled >= 2
        assert not proxy.problems


def test_relay(certificates, far):
    """MAPI over HTTP in, DCE/RPC over HTTP out."""
    with chains.start_relay(certificates, far, "rpchttp", "relay-rpchttp") as relay:
        assert relay.client("folders").stdout == far.client("folders").stdout
        assert relay.client("--transport", "rpctcp", "--epm-port", relay.rpc["epm_port"], "gal").stdout == far.client("gal").stdout


@pytest.mark.skipif(not kerberos.available(), reason="krb5-kdc and krb5-user are not installed")
@pytest.mark.parametrize("auth", ["kerberos"])
@pytest.mark.parametrize("protection", ["connect", "privacy"])
def test_ticket(certificates, dovecot, kerberized, auth, protection):
    server, kdc = kerberized
    environment = {**os.environ, **kdc.ticket("alice", "secret")}
    environment.pop("MAPIGATE_PASSWORD", None)
    done = subprocess.run([server.program, "client", "--user", ALICE, "--transport", "rpctcp", "--rpc-server", "localhost", "--auth", auth,
                           "--protection", protection, "--epm-port", str(server.rpc["epm_port"]), "folders"],
                          capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Inbox" in done.stdout


@pytest.fixture(scope="module")
def kerberized(certificates, dovecot):
    with kerberos.Kdc("EXAMPLE.TEST", {"alice": "secret"}) as kdc:
        with chains.start_far(certificates, dovecot, name="kerberized",
                              auth={"schemes": ["negotiate", "basic"], "keytab": kdc.keytab, "realm": "EXAMPLE.TEST"}) as server:
            yield server, kdc
