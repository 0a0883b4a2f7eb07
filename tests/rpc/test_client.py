"""`mapigate client` over DCE/RPC: every authentication, every subcommand that reads or writes, and what goes wrong."""
import json
import os
import subprocess

import pytest

import chains
from conftest import ALICE, PASSWORD


@pytest.fixture(scope="module")
def far(certificates, dovecot):
    with chains.start_far(certificates, dovecot) as server:
        yield server


def rpc(server, *arguments, **keywords):
    return server.client("--transport", "rpctcp", "--epm-port", server.rpc["epm_port"], *arguments, **keywords)


def without_autodiscover(server, *arguments, password=PASSWORD):
    return subprocess.run(
        [server.program, "client", "--user", ALICE, "--transport", "rpctcp", "--rpc-server", "127.0.0.1", "--epm-port",
         str(server.rpc["epm_port"]), *arguments], capture_output=True, text=True, timeout=120,
        env={**os.environ, "MAPIGATE_PASSWORD": password})


@pytest.mark.parametrize("protection", ["connect", "packet", "integrity", "privacy"])
def test_same_as_over_http(far, protection):
    """Folders, messages and texts by NTLM are those that MAPI over HTTP shows."""
    def seen(*way):
        inbox = json.loads(far.client(*way, "--json", "ls", "Inbox").stdout)
        return (json.loads(far.client(*way, "--json", "folders").stdout), inbox,
                far.client(*way, "show", inbox[0]["id"], "--headers").stdout)
    over_rpc = seen("--transport", "rpctcp", "--epm-port", far.rpc["epm_port"], "--protection", protection)
    assert over_rpc == seen()
    assert len(over_rpc[1]) == 12


def test_fixed_ports_need_no_endpoint_mapper(far):
    done = far.client("--transport", "rpctcp", "--epm-port", 1, "--rpc-port", far.rpc["emsmdb_port"], "folders")
    assert "Inbox" in done.stdout


def test_address_book(far):
    """The referral service says where it is; its rows survive the way through NDR."""
    assert rpc(far, "gal").stdout == far.client("gal").stdout
    assert rpc(far, "resolve", "bob", "nobody").stdout == far.client("resolve", "bob", "nobody").stdout
    assert "Bob Brown" in rpc(far, "gal").stdout
    for asked in (("gal", "--containers"), ("autodiscover",), ("oab",)):
        assert rpc(far, "--json", *asked).stdout == far.client("--json", *asked).stdout, asked


def test_without_autodiscover(far):
    """The address book knows the mailbox's DN."""
    assert "Inbox" in without_autodiscover(far, "folders").stdout


def test_writing(far):
    folder = json.loads(rpc(far, "--json", "mkdir", "Over RPC").stdout)["id"]
    assert "Over RPC" in rpc(far, "folders").stdout
    first = json.loads(rpc(far, "--json", "ls", "Inbox", "--limit", "1").stdout)[0]["id"]
    rpc(far, "mv", first, "--to", "Over RPC", "--copy")
    assert len(json.loads(rpc(far, "--json", "ls", folder).stdout)) == 1


def test_wrong_password(far):
    done = without_autodiscover(far, "folders", password="wrong")
    assert done.returncode == 1
    assert "password" in done.stderr


def test_nobody_there(far):
    done = far.client("--transport", "rpctcp", "--epm-port", 1, "folders", check=False)
    assert done.returncode == 1
    assert "endpoint mapper" in done.stderr
