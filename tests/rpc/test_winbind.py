"""NTLM with accounts in a domain that Samba's own winbindd and ntlm_auth know; what else programs like these may do is in
test_ntlm_helper.py."""
import pytest
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException

from conftest import ALICE, BOB, NT_HASH, PASSWORD, start_gateway
from harness import winbind
from test_http_logon import connection, log_on_by_ntlm
from test_ntlm_helper import call
from test_rpc_http import log_on

pytestmark = pytest.mark.skipif(not winbind.available(), reason="winbind or libnss-wrapper is not installed, or this is not root")


@pytest.fixture(scope="module")
def domain():
    with winbind.Winbind("EXAMPLE", {"alice": PASSWORD}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(certificates, dovecot, domain):
    with start_gateway(certificates, dovecot, "winbind", auth={"schemes": ["negotiate", "ntlm"]}, nt_domain="EXAMPLE", ntlm_helper=domain.helper) as server:
        (server.folder / "accounts").write_text(f"{BOB}:{NT_HASH}\n")  # alice is in the domain only
        yield server


@pytest.mark.parametrize("level", [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY])
def test_every_level(gateway, level):
    log_on(call(gateway, "alice", level=level))


@pytest.mark.parametrize("user, password, domain_name", [("alice", "wrong", "EXAMPLE"), ("nobody", PASSWORD, "EXAMPLE"), ("alice", PASSWORD, "OTHER")])
def test_refused(gateway, user, password, domain_name):
    with pytest.raises(DCERPCException):
        call(gateway, user, password, domain_name)


def test_at_the_http_level(gateway):
    answer, text = log_on_by_ntlm(connection(gateway), "alice")
    assert answer.status == 200 and ALICE in text
    answer, _ = log_on_by_ntlm(connection(gateway), "alice", "wrong")
    assert answer.status == 401


def test_winbindd_is_away_and_comes_back(gateway, domain):
    """Nobody's password is wrong meanwhile: clients are not asked for another."""
    domain.stop()
    answer, _ = log_on_by_ntlm(connection(gateway), "alice")
    assert answer.status == 503
    assert f"cannot check the password of {ALICE}" in gateway.log()
    domain.start()
    answer, _ = log_on_by_ntlm(connection(gateway), "alice")
    assert answer.status == 200
    call(gateway, "alice")
