"""NTLM with accounts in a domain, which a program like winbind's ntlm_auth asks; at the HTTP level and within DCE/RPC."""
import base64
import pathlib

import pytest
from impacket import ntlm
from impacket.dcerpc.v5.rpcrt import (RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
                                      DCERPCException)

import emsmdb
from conftest import ALICE, BOB, NT_HASH, PASSWORD, start_gateway
from harness.processes import private_dir
from test_http_logon import connection, log_on_by_ntlm, ntlm_token, post
from test_rpc_http import log_on

PRIVACY = RPC_C_AUTHN_LEVEL_PKT_PRIVACY


@pytest.fixture(scope="module")
def gateway(certificates, dovecot):
    domain = private_dir("domain") / "accounts"
    domain.write_text(f"EXAMPLE:alice:{NT_HASH}\n:{ALICE}:{NT_HASH}\n:alice:{NT_HASH}\nOTHER:alice:{NT_HASH}\nEXAMPLE:carol:away\nEXAMPLE:dora:crash\n")
    program = pathlib.Path(__file__).with_name("ntlm_auth")
    with start_gateway(certificates, dovecot, "domain", auth={"schemes": ["ntlm", "basic"]}, nt_domain="EXAMPLE",
                       ntlm_helper=["/usr/bin/python3", program, domain]) as server:
        server.domain = domain
        (server.folder / "accounts").write_text(f"{BOB}:{NT_HASH}\n")  # alice is in the domain only
        yield server


def call(gateway, user, password=PASSWORD, domain="EXAMPLE", level=PRIVACY):
    dce = emsmdb.connect(gateway.rpc["emsmdb_port"], user=user, password=password, level=level, domain=domain)
    dce.call(6, b"")  # EcDummyRpc
    assert dce.recv() == b"\0\0\0\0"
    return dce


@pytest.mark.parametrize("level", [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, PRIVACY])
def test_every_level(gateway, level):
    """The session key that the program gives signs and seals."""
    log_on(call(gateway, "alice", level=level))


def test_user_of_the_file(gateway):
    call(gateway, BOB, domain="")


def test_principal_name(gateway):
    call(gateway, ALICE, domain="")


@pytest.mark.parametrize("user, password, domain", [("alice", "wrong", "EXAMPLE"), ("nobody", PASSWORD, "EXAMPLE"), ("alice", PASSWORD, "OTHER")])
def test_refused(gateway, user, password, domain):
    """alice of a domain that is trusted, and rightly so, is not our alice."""
    with pytest.raises(DCERPCException):
        call(gateway, user, password, domain)


def test_domain_is_away(gateway):
    for _ in range(2):
        with pytest.raises(DCERPCException):
            call(gateway, "carol")
    assert "cannot check the password of carol@example.test" in gateway.log()


def test_program_that_ends(gateway):
    with pytest.raises(DCERPCException):
        call(gateway, "dora")
    call(gateway, "alice")


def test_response_that_is_too_short(gateway):
    """Such a question has two answers: whoever asks next must not get the second."""
    link = connection(gateway)
    hello = ntlm.getNTLMSSPType1()
    answer, _ = post(link, "NTLM " + base64.b64encode(hello.getData()).decode())
    proof, _ = ntlm.getNTLMSSPType3(hello, ntlm_token(answer, "NTLM"), "alice", "wrong", "EXAMPLE")
    proof["ntlm"] = b"\1" * 8
    answer, _ = post(link, "NTLM " + base64.b64encode(proof.getData()).decode())
    assert answer.status == 401
    for password, status in ((PASSWORD, 200), ("wrong", 401), (PASSWORD, 200)):
        answer, _ = log_on_by_ntlm(connection(gateway), "alice", password)
        assert answer.status == status


def test_at_the_http_level(gateway):
    link = connection(gateway)
    answer, text = log_on_by_ntlm(link, "alice")
    assert answer.status == 200 and ALICE in text
    answer, _ = log_on_by_ntlm(connection(gateway), "alice", "wrong")
    assert answer.status == 401
