"""What happens at the IMAP server is told to clients that wait, at once: by IDLE and NOTIFY, one connection a mailbox."""
import contextlib
import os
import re
import time

import pytest

from conftest import ALICE, BOB
from harness import imap_server, mailgen, rops
from harness.mapigate import Mapigate
from harness.notifications import (ALL_OBJECTS, CREATED, DELETED, MODIFIED, NEW_MAIL, Waiter, fetch, wait_for)
from harness.processes import wait_until
from harness.properties import tag_of

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")
MAIL = b"From: x@example.test\r\nSubject: %s\r\nMessage-ID: <%s@x>\r\n\r\n.\r\n"
# Servers with and without NOTIFY, and one that cannot even IDLE; those of other kinds stand for themselves.
KINDS = {"notify": None, "idle": "IMAP4rev1 IDLE UIDPLUS MOVE LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE QRESYNC ENABLE NAMESPACE",
         "poll": "IMAP4rev1 UIDPLUS NAMESPACE"} if imap_server.chosen() == "dovecot" else {imap_server.chosen(): None}


def mail(subject):
    return MAIL % (subject.encode(), subject.encode())


@pytest.fixture(scope="module", params=list(KINDS))
def server(certificates, request):
    with imap_server.make(certificates, (ALICE, BOB), capability=KINDS[request.param]) as one:
        yield one


@pytest.fixture(scope="module")
def kind(server):
    """How it tells of news."""
    can = imap_server.capabilities(server, ALICE)
    return "notify" if "NOTIFY" in can else "idle" if "IDLE" in can else "poll"


@pytest.fixture(scope="module")
def teller(certificates, server, kind):
    # Where there is something to wait for, asking must play no part in it.
    gateway = Mapigate.gateway(certificates, server.tls_port, name="teller")
    gateway.arguments["modules"]["mail"]["refresh_interval"] = "2s" if kind == "poll" else "10min"
    gateway.arguments["modules"]["imap"]["flag_interval"] = "1s"
    gateway.write_config()
    with gateway as one:
        yield one
        one.check_log()


@pytest.fixture
def watching(teller, open_session):
    """A session with the inbox open, for which the gateway stands by."""
    session = open_session(teller)
    inbox = session.open_folder(session.inbox)
    session.rows(session.contents_table(inbox), [SUBJECT])
    session.call(rops.register_notification(ALL_OBJECTS, session.inbox), inbox)
    with Waiter(session) as waiter:
        waiter.pending(1.5)
    fetch(session)
    return session


def seconds_to(session, action):
    """Seconds from the action to the end of a NotificationWait that stood before it."""
    with Waiter(session) as waiter:
        time.sleep(0.3)
        started = time.monotonic()
        action()
        assert waiter.pending(30), "nobody told"
        return time.monotonic() - started


def allowed(kind):
    # Dovecot itself waits half a second before it tells.
    return 12.0 if kind == "poll" else 2.0


def test_new_mail_is_what_is_delivered_into_any_folder(teller, server, kind, open_session):
    """[MS-OXCNOTIF] 2.2.1.1: scripts deliver into folders, too; what another client moves there is old, or was read."""
    if kind == "idle":
        pytest.skip("IDLE tells of the inbox only")
    session = open_session(teller)
    name = f"Delivered {kind}"
    made = session.call(rops.create_folder(name), session.open_folder(session.ipm_subtree))
    session.rows(session.contents_table(made.handle), [SUBJECT])
    session.call(rops.register_notification(NEW_MAIL | CREATED, whole_store=True))
    session.call(rops.register_notification(NEW_MAIL | CREATED, made.folder_id), made.handle)
    with Waiter(session) as waiter:  # the gateway stands by from here on
        waiter.pending(1.5)
    fetch(session)
    server.seed(ALICE, name, [(mail("old"), None, mailgen.FIRST_DATE), (mail("read"), [r"\Seen"], None)])
    _, seen = wait_for(session, lambda e: e.kind == CREATED and e.message, 40)
    server.seed(ALICE, name, [mail("delivered")])
    event, more = wait_for(session, lambda e: e.kind == NEW_MAIL, 40)
    assert event.message_class == "IPM.Note"
    told = session.properties(session.open_message(made.folder_id, event.message_id), [SUBJECT])
    assert told[SUBJECT] == "delivered"
    assert len({e.message_id for e in seen + more if e.kind == NEW_MAIL}) == 1


def test_new_mail(watching, server, kind):
    took = seconds_to(watching, lambda: server.seed(ALICE, "INBOX", [mail("news")]))
    assert took < allowed(kind)
    event, seen = wait_for(watching, lambda e: e.kind == NEW_MAIL)
    assert event.folder_id == watching.inbox and event.message_flags & 1 == 0
    rows = watching.rows(watching.contents_table(watching.open_folder(watching.inbox)), [SUBJECT, MID])
    assert [row[MID] for row in rows if row[SUBJECT] == "news"] == [event.message_id]
    seen += fetch(watching)
    assert any(e.kind == CREATED and e.message_id == event.message_id for e in seen)
    counts = [e for e in seen if e.kind == MODIFIED and not e.message and e.folder_id == watching.inbox]
    assert counts and (counts[-1].total, counts[-1].unread) == (len(rows), len(rows))
    assert counts[-1].tags == []  # the counts say it ([MS-OXCNOTIF] 2.2.1.4.1.2, TagCount)


def test_flags_move_and_expunge_by_others(watching, server, kind):
    server.seed(ALICE, "INBOX", [mail("flagged"), mail("moved"), mail("gone")])

    def rows():
        table = watching.contents_table(watching.open_folder(watching.inbox))
        return {row[SUBJECT]: row[MID] for row in watching.rows(table, [SUBJECT, MID])}
    wait_until(lambda: {"flagged", "moved", "gone"} <= set(rows()), "the messages", 30, 0.3)
    ids = rows()
    time.sleep(0.5)
    fetch(watching)
    link = server.connect(ALICE)
    link.select("INBOX")
    numbers = {subject: link.search(None, "SUBJECT", subject)[1][0].split()[-1] for subject in ("flagged", "moved", "gone")}
    took = seconds_to(watching, lambda: link.store(numbers["flagged"], "+FLAGS", r"(\Seen)"))
    assert took < allowed(kind)
    wait_for(watching, lambda e: e.kind == MODIFIED and e.message_id == ids["flagged"], 20)
    link.store(numbers["gone"], "+FLAGS", r"(\Deleted)")
    link.expunge()
    wait_for(watching, lambda e: e.kind == DELETED and e.message_id == ids["gone"], 20)
    link.copy(link.search(None, "SUBJECT", "moved")[1][0].split()[-1], "Archive")
    link.store(link.search(None, "SUBJECT", "moved")[1][0].split()[-1], "+FLAGS", r"(\Deleted)")
    link.expunge()
    wait_for(watching, lambda e: e.kind == DELETED and e.message_id == ids["moved"], 20)
    link.logout()


def test_other_folders(watching, server, kind):
    """With NOTIFY at once, by the counts; without when they are asked about."""
    if kind == "idle":
        pytest.skip("IDLE tells of one folder; the others are asked about, here every ten minutes")
    server.seed(ALICE, "Archive", [mail("filed")])
    archive = next(key for key, (name, _) in wait_until(
        lambda: watching.folders() if "Archive" in [name for name, _ in watching.folders().values()] else None,
        "the folder", 20).items() if name == "Archive")
    handle = watching.open_folder(archive)
    watching.rows(watching.contents_table(handle), [SUBJECT])
    watching.call(rops.register_notification(ALL_OBJECTS, archive), handle)
    fetch(watching)
    took = seconds_to(watching, lambda: server.seed(ALICE, "Archive", [mail("filed by a filter")]))
    assert took < allowed(kind)
    wait_for(watching, lambda e: e.kind == CREATED and e.message and e.folder_id == archive, 20)


def test_folders_that_come(watching, server, kind):
    if kind == "idle":
        pytest.skip("nothing tells of folders but NOTIFY")
    watching.call(rops.register_notification(ALL_OBJECTS, whole_store=True))
    fetch(watching)
    link = server.connect(ALICE)
    link.create('"Came by IMAP"')
    link.logout()
    event, _ = wait_for(watching, lambda e: e.kind == CREATED and not e.message, 30)
    assert watching.folders()[event.folder_id][0] == "Came by IMAP"


def test_one_connection_stands_by_however_many_wait(teller, server, kind, open_session):
    if kind == "poll":
        pytest.skip("nothing stands by")
    sessions = [open_session(teller, BOB) for _ in range(5)]
    with contextlib.ExitStack() as stack:
        for session in sessions:
            inbox = session.open_folder(session.inbox)
            session.rows(session.contents_table(inbox), [SUBJECT])
            session.call(rops.register_notification(NEW_MAIL, session.inbox), inbox)
        waiters = [stack.enter_context(Waiter(session)) for session in sessions]
        time.sleep(2)
        server.seed(BOB, "INBOX", [mail("for five")])
        assert all(waiter.pending(10) for waiter in waiters)
    # Its connections: one that stands by, and at most two that work.
    established = teller_connections(teller, server)
    assert 1 <= established <= 6, established


def teller_connections(gateway, server):
    """Connections of all users of the gateway to the IMAP server."""
    inodes = set()
    for fd in os.listdir(f"/proc/{gateway.daemon.pid}/fd"):
        with contextlib.suppress(OSError):
            found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{gateway.daemon.pid}/fd/{fd}"))
            if found:
                inodes.add(found.group(1))
    port = f"{server.tls_port:04X}"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(1 for row in rows if row[2].endswith(":" + port) and row[9] in inodes and row[3] == "01")


def test_a_server_that_comes_back_is_watched_again(certificates, open_session):
    with imap_server.make(certificates, (ALICE,)) as server, \
            Mapigate.gateway(certificates, server.tls_port, name="again") as gateway:
        session = open_session(gateway)
        inbox = session.open_folder(session.inbox)
        session.rows(session.contents_table(inbox), [SUBJECT])
        session.call(rops.register_notification(NEW_MAIL, session.inbox), inbox)
        with Waiter(session) as waiter:
            waiter.pending(1)
        server.kill()
        server.start()
        server.seed(ALICE, "INBOX", [mailgen.message(1, large=False).seed()])
        wait_for(session, lambda e: e.kind == NEW_MAIL, 40)
        time.sleep(3)
        fetch(session)
        assert seconds_to(session, lambda: server.seed(ALICE, "INBOX", [mail("again")])) < 5
