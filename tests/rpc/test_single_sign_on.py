"""Single sign-on through a relay: NTLM is between the client and the far server, which offers nothing else; the relay knows no
password and no account, and makes pairs of the client's connections and its own."""
import base64
import contextlib
import re
import socket
import subprocess
import threading

import pytest
from impacket import ntlm

import chains
import emsmdb
from conftest import ALICE, BOB, PASSWORD
from harness import rops, rpch
from harness.faultproxy import FaultProxy
from harness.mapigate import Mapigate
from harness.mapihttp import AUTODISCOVER_REQUEST, Client, Session
from harness.processes import wait_until
from test_rpc_http import dummy, log_on

PINNED = 'mapigate_relay_pinned{module="upstream"}'


@pytest.fixture(scope="module")
def far(certificates, dovecot):
    with chains.start_far(certificates, dovecot, name="far-ntlm", auth={"schemes": ["ntlm"]}) as server:
        yield server


def relay_to(certificates, port, name="sso", logons=None, **settings):
    upstream = {"type": "relay", "url": f"https://127.0.0.1:{port}", "ca_file": certificates.ca, "credentials": "pass-through"}
    return Mapigate(certificates, {"upstream": upstream | settings}, ["upstream"], name=name, server={"default_domain": "example.test"},
                    auth={"schemes": ["ntlm"], "pass_to": "upstream", **(logons or {})}, rpc={"http": True, "nt_domain": "EXAMPLE"},
                    sessions={"pending_period": "1s"})


@pytest.fixture(scope="module")
def relay(certificates, far):
    with relay_to(certificates, far.https_port) as server:
        yield server
        assert server.alive()
        server.check_log()


class NtlmClient(Client):
    """Logs on by NTLM on each of its connections, and says nothing of itself afterwards."""

    def __init__(self, server, certificates, user=ALICE, password=PASSWORD, domain="", scheme="NTLM"):
        super().__init__(server.https_port, certificates.ca, user, password)
        self.domain, self.scheme = domain, scheme

    def headers(self, request_type):
        return {**super().headers(request_type), "Authorization": None}

    def say(self, connection, message):
        field = f"{self.scheme} " + base64.b64encode(message.getData()).decode()
        return connection.post(self.path, b"", {**self.headers("PING"), "Cookie": None, "Authorization": field})

    def begin(self):
        """A connection with a challenge on it, and what to answer."""
        connection = super().open_connection()
        hello = ntlm.getNTLMSSPType1(domain=self.domain)
        challenge = self.say(connection, hello)
        assert challenge.status == 401
        tokens = [value.split(" ", 1)[1] for value in challenge.headers.get_all("WWW-Authenticate") if value.startswith(self.scheme + " ")]
        proof, _ = ntlm.getNTLMSSPType3(hello, base64.b64decode(tokens[0]), self.user, self.password, self.domain)
        return connection, proof

    def open_connection(self):
        connection, proof = self.begin()
        self.answer = self.say(connection, proof)
        return connection

    def logged_on(self):
        """The status of a logon."""
        with contextlib.closing(self.open_connection()):
            return self.answer.status


@contextlib.contextmanager
def session_at(server, certificates, user=ALICE, **keywords):
    with contextlib.closing(NtlmClient(server, certificates, user, **keywords)) as client:
        dn = emsmdb.user_dn(user).rstrip("\0")
        client.connect(dn)
        session = Session(client, dn)
        session.log_on()
        yield session


def pairs(relay):
    return relay.metrics()[PINNED]


def is_closed(connection, patience=15.0):
    """Whether the server closes it within that time."""
    connection.http.sock.settimeout(patience)
    try:
        return connection.http.sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:  # in whatever way
        return True


def test_the_same_as_without_the_relay(far, relay):
    inbox = relay.client("--auth", "ntlm", "--json", "ls", "Inbox").stdout
    assert inbox == far.client("--auth", "ntlm", "--json", "ls", "Inbox").stdout and '"id"' in inbox
    for command in (["folders"], ["gal"], ["resolve", "bob", "nobody"]):
        assert relay.client("--auth", "ntlm", *command).stdout == far.client("--auth", "ntlm", *command).stdout, command


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_schemes(certificates, dovecot, scheme):
    auth = {"schemes": [scheme.lower()]}
    with chains.start_far(certificates, dovecot, name=f"far-{scheme}", auth=auth) as far, \
            relay_to(certificates, far.https_port, name=f"sso-{scheme}", logons=auth) as relay:
        with session_at(relay, certificates, scheme=scheme) as session:
            assert session.try_call(rops.get_receive_folder("")).error == 0


def test_connections_are_pairs(certificates, far, relay):
    wait_until(lambda: pairs(relay) == 0, "those of others end")
    with session_at(relay, certificates) as one, session_at(relay, certificates, BOB) as two:
        for _ in range(3):
            assert one.try_call(rops.get_receive_folder("")).error == 0
            assert two.try_call(rops.get_receive_folder("")).error == 0
        assert pairs(relay) == 2
    wait_until(lambda: pairs(relay) == 0, "they end with the clients'")


def test_other_connections_are_nobodys(certificates, relay):
    with session_at(relay, certificates) as session:
        with contextlib.closing(Client.open_connection(session.client)) as stranger:
            assert session.client.raw("Execute", b"", connection=stranger).status == 401
        # Another user is let in, and has no such session.
        with contextlib.closing(NtlmClient(relay, certificates, BOB).open_connection()) as other:
            reply = session.client.raw("Execute", session.client.execute_body(b""), connection=other, keep_cookies=False)
            assert (reply.status, reply.code) == (200, 10)
        assert session.try_call(rops.get_receive_folder("")).error == 0


def test_waiting_beside_calls(certificates, relay):
    with session_at(relay, certificates) as session:
        second = session.client.open_connection()
        ended = threading.Event()

        def wait():
            with contextlib.suppress(Exception):
                session.client.raw("NotificationWait", b"\0" * 8, connection=second, keep_cookies=False)
            ended.set()

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        assert not ended.wait(1)
        before = pairs(relay)
        assert session.try_call(rops.get_receive_folder("")).error == 0
        assert not ended.is_set()
        second.http.sock.shutdown(socket.SHUT_RDWR)
        waiting.join(20)
        second.close()
        wait_until(lambda: pairs(relay) < before, "the wait's pair is gone")


def test_autodiscover(certificates, far, relay):
    client = NtlmClient(relay, certificates)
    with contextlib.closing(client.open_connection()) as connection:
        for address, expected in ((ALICE, b"<LegacyDN>"), (BOB, b"<ErrorCode>500")):
            reply = connection.post("/autodiscover/autodiscover.xml", AUTODISCOVER_REQUEST.format(address=address).encode(),
                                    {"Content-Type": "text/xml", "X-MapiHttpCapability": "1"})
            assert reply.status == 200 and expected in reply.payload
            assert f":{far.https_port}/".encode() not in reply.payload


def manifest(server, certificates):
    """The list of offline address books, from where Autodiscover says, on one connection."""
    with contextlib.closing(NtlmClient(server, certificates).open_connection()) as connection:
        document = connection.post("/autodiscover/autodiscover.xml", AUTODISCOVER_REQUEST.format(address=ALICE).encode(),
                                   {"Content-Type": "text/xml", "X-MapiHttpCapability": "1"}).payload.decode()
        path = re.search(r"<OABUrl>https://[^/]+(/[^<]+)</OABUrl>", document).group(1)
        connection.http.request("GET", path + "oab.xml")
        answer = connection.http.getresponse()
        return answer.status, answer.read()


def test_offline_address_book(certificates, far, relay):
    wait_until(lambda: manifest(far, certificates)[0] == 200, "the far server has made its address book")
    assert manifest(relay, certificates) == manifest(far, certificates)


def test_wrong_passwords_are_braked_here_too(certificates, far):
    with relay_to(certificates, far.https_port, name="braking", logons={"guesses": 2}) as relay:
        assert NtlmClient(relay, certificates, BOB, "wrong").logged_on() == 401
        assert NtlmClient(relay, certificates, BOB, "wrong").logged_on() == 401
        assert NtlmClient(relay, certificates, BOB).logged_on() == 429
        assert NtlmClient(relay, certificates, ALICE).logged_on() == 200


def test_names_of_other_domains_are_nobodys(certificates, far, relay):
    """The far server lets both in; here the domain is not ours."""
    assert NtlmClient(far, certificates, "alice", domain="ELSEWHERE").logged_on() == 200
    assert NtlmClient(relay, certificates, "alice", domain="ELSEWHERE").logged_on() == 401
    assert NtlmClient(relay, certificates, "alice", domain="example").logged_on() == 200


def test_proof_without_a_challenge(certificates, relay):
    client = NtlmClient(relay, certificates)
    connection, proof = client.begin()
    connection.close()
    with contextlib.closing(Client.open_connection(client)) as fresh:
        assert client.say(fresh, proof).status == 401


def test_far_server_closes(certificates, far):
    """The client's connection goes too. Another logon, and the session goes on."""
    with FaultProxy(far.https_port) as proxy, relay_to(certificates, proxy.port, name="cut") as relay:
        with session_at(relay, certificates) as session:
            proxy.cut_now()
            assert is_closed(session.client.connection)
            session.client.close()
            assert session.try_call(rops.get_receive_folder("")).error == 0
        proxy.refuse()
        connection = Client.open_connection(session.client)
        with contextlib.closing(connection):
            assert session.client.say(connection, ntlm.getNTLMSSPType1()).status == 503


def test_idle_pairs_are_kept_awake(certificates, dovecot):
    with chains.start_far(certificates, dovecot, name="impatient", auth={"schemes": ["ntlm"]}, https={"idle_limit": "4s"}) as far:
        with relay_to(certificates, far.https_port, name="waking", ping_interval="1s") as relay, session_at(relay, certificates) as session:
            assert not is_closed(session.client.connection, 8)
            assert session.try_call(rops.get_receive_folder("")).error == 0
        with relay_to(certificates, far.https_port, name="sleeping") as relay, session_at(relay, certificates) as session:
            assert is_closed(session.client.connection)


def test_limits(certificates, far):
    with relay_to(certificates, far.https_port, name="limited", pinned_connections=1, logon_limit="1s") as relay:
        first = NtlmClient(relay, certificates)
        unfinished, _ = first.begin()
        with contextlib.closing(unfinished):
            with contextlib.closing(Client.open_connection(first)) as second:
                assert first.say(second, ntlm.getNTLMSSPType1()).status == 503
            assert is_closed(unfinished)
        wait_until(lambda: pairs(relay) == 0, "its pair is gone")
        assert NtlmClient(relay, certificates).logged_on() == 200


def test_clients_of_rpc_over_http(relay):
    """The first channel's pair carries the calls of the virtual connection."""
    with rpch.VirtualConnection(relay.https_port, rpch.Ntlm(ALICE, PASSWORD)) as link:
        dce = rpch.transport(link).get_dce_rpc()
        dce.connect()
        dce.bind(emsmdb.EMSMDB)
        log_on(dce)
        link.recycle_in()
        while not link.in_recycled:
            dummy(dce)
        log_on(dce)
    wait_until(lambda: pairs(relay) == 0, "all pairs end with it")


def test_basic_beside_it(certificates, dovecot):
    """Who shows a password is asked about there with it; the relay then proves it by NTLM itself."""
    with chains.start_far(certificates, dovecot, name="far-both", auth={"schemes": ["ntlm"]}) as far, \
            relay_to(certificates, far.https_port, name="both", logons={"schemes": ["ntlm", "basic"]}, auth="ntlm") as relay:
        assert relay.client("folders").stdout == relay.client("--auth", "ntlm", "folders").stdout


@pytest.mark.parametrize("logons, settings, text", [({"pass_to": "upstreem"}, {}, 'did you mean "upstream"'), ({"schemes": ["basic"]}, {}, "schemes"),
                                                    ({}, {"transport": "rpctcp", "server": "localhost"}, "mapihttp"),
                                                    ({}, {"credentials": "mapped"}, "pass-through")])
def test_what_cannot_be(certificates, far, logons, settings, text):
    map_file = far.folder / "map"
    map_file.touch(mode=0o600)
    server = relay_to(certificates, far.https_port, name="wrong", logons=logons, map_file=map_file, **settings)
    done = subprocess.run([server.program, "serve", "-c", server.config_path], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and text in done.stderr, done.stderr
