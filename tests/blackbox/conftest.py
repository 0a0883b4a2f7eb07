"""One IMAP server (harness/imap_server.py says which), one gateway before it, one relay before the gateway: shared by all tests of a run.

Tests that break a server make their own with `make_dovecot` and `make_gateway`.
"""
import contextlib
import time

import pytest

from harness import imap_server, mailgen, people, rops, ways
from harness.certificates import Certificates
from harness.mapigate import Mapigate
from harness.mapihttp import Session
from harness.processes import private_dir

ALICE, BOB, PASSWORD = "alice@example.test", "bob@example.test", "secret"
NESTED = "Projekte/Übung & Co"


@pytest.fixture(scope="session")
def certificates():
    return Certificates(private_dir("tls"))


class Mailbox:
    """What alice's mailbox holds, folder by folder, in order of arrival; tests must leave it as it is."""

    def __init__(self):
        self.folders = {
            "INBOX": [mailgen.message(number, large=False) for number in range(80)],
            "Sent": [mailgen.message(number, large=False) for number in range(100, 110)],
            NESTED: [mailgen.message(number, large=False) for number in range(200, 205)],
        }
        self.broken = mailgen.broken()

    def seed(self, server):
        for folder, messages in self.folders.items():
            server.seed(ALICE, folder, [message.seed() for message in messages])
        taken = imap_server.seed_what_it_takes(server, ALICE, "Broken", [(data, None, mailgen.FIRST_DATE) for _, data in self.broken])
        assert len(taken) > len(self.broken) // 2
        self.broken = [self.broken[place] for place in taken]


@pytest.fixture(scope="session")
def mailbox():
    return Mailbox()


@pytest.fixture(scope="session")
def dovecot(certificates, mailbox):
    users = (ALICE, BOB, "carol@example.test", "dave@example.test", "erin@example.test",
             "frank@example.test", "gina@example.test")
    with imap_server.make(certificates, users) as server:
        mailbox.seed(server)
        yield server


USERS = [("alice", "Alice Adams"), ("bob", "Bob Brown"), ("carol", "Carol Clark"), ("dave", "Dave Dunn")]


@pytest.fixture(scope="session")
def people_file():
    return people.write(private_dir("people") / "people.toml", "example.test", USERS)


@pytest.fixture(scope="session")
def gateway(certificates, dovecot, people_file):
    with Mapigate.gateway(certificates, dovecot.tls_port, people=people_file, name="gateway") as server:
        yield server


@pytest.fixture(scope="session")
def relay(certificates, gateway):
    with Mapigate.relay(certificates, gateway.https_port) as server:
        yield server


@pytest.fixture(scope="session", params=["gateway", "relay"] if ways.chosen() == "direct" else ["gateway"])
def endpoint(request):
    """The gateway, then the relay before it: a client must not see the difference. Other ways lead to the gateway alone."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_session(certificates):
    """open_session(server, user=ALICE): a logged-on Session, closed with the test."""
    with contextlib.ExitStack() as stack:
        def open_one(server, user=ALICE, password=PASSWORD, **keywords):
            return stack.enter_context(
                Session.logged_on(server.https_port, certificates.ca, user, password, **keywords))
        yield open_one


@pytest.fixture
def session(gateway, open_session):
    return open_session(gateway)


@pytest.fixture
def mapi(gateway, open_session):
    """A session of frank, whose mailbox is for tests that leave something in it."""
    return open_session(gateway, "frank@example.test")


@pytest.fixture
def folder(mapi):
    """A folder of the test's own below that inbox: (id, handle)."""
    inbox = mapi.open_folder(mapi.inbox)
    made = mapi.call(rops.create_folder(f"Test {time.monotonic_ns()}"), inbox)
    yield made.folder_id, made.handle
    mapi.call(rops.delete_folder(made.folder_id, 0x15), inbox)


@pytest.fixture
def make_dovecot(certificates):
    with contextlib.ExitStack() as stack:
        def make(users=(ALICE, BOB), **keywords):
            return stack.enter_context(imap_server.make(certificates, users, **keywords))
        yield make


@pytest.fixture
def make_gateway(certificates):
    with contextlib.ExitStack() as stack:
        def make(imap_port, **keywords):
            return stack.enter_context(Mapigate.gateway(certificates, imap_port, **keywords))
        yield make


@pytest.fixture(autouse=True)
def servers_are_well(request):
    """After each test the shared daemons it used still run and have reported nothing."""
    yield
    for name in ("gateway", "relay", "endpoint"):
        if name in request.fixturenames:
            server = request.getfixturevalue(name)
            assert server.alive(), f"{server.name} died:\n{server.log()[-4000:]}"
            server.check_log()
