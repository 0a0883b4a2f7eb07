"""What a backend refuses, and folders on which several clients work at once: the right error, and nothing lost."""
import contextlib
import random
import threading
import time

import pytest

from conftest import ALICE
from harness import imap_server, rops
from harness.mapigate import Mapigate
from harness.processes import wait_until
from harness.properties import tag_of
from test_writing import Imap

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")
EC_QUOTA, EC_TOO_BIG, EC_NOT_FOUND, EC_ACCESS_DENIED, EC_NETWORK = 0x4D9, 0x80040305, 0x8004010F, 0x80070005, 0x80040115
BIG = b"x" * 300_000


def rows(mapi, handle, columns=("PidTagSubject", "PidTagMid"), flags=0):
    return mapi.rows(mapi.contents_table(handle, flags), list(columns))


@pytest.fixture
def full(certificates, open_session):
    """(session, server) of a mailbox with room for a megabyte."""
    quota = """mail_plugins = quota
protocol imap {
mail_plugins = quota imap_quota
}
plugin {
quota = count:User quota
quota_vsizes = yes
quota_rule = *:storage=1M
quota_grace = 0
}
"""
    with imap_server.make(certificates, (ALICE,), extra=quota) as server, \
            Mapigate.gateway(certificates, server.tls_port, name="full") as gateway:
        if hasattr(server, "set_quota"):
            server.set_quota(ALICE, 1024)
        yield open_session(gateway), server
        gateway.check_log()


def test_a_full_mailbox(full):
    session, server = full
    inbox = session.open_folder(session.inbox)
    saved = []
    for number in range(4):
        message = session.new_message(session.inbox, {"PidTagSubject": f"big {number}"}, files=[("big.bin", BIG)])
        response = session.try_call(rops.save_changes_message(), message)
        if response.error:
            assert response.error == EC_QUOTA
            break
        saved.append(response.message_id)
    else:
        raise AssertionError("four messages of 400 KB fit into a megabyte")
    assert server.count(ALICE) == len(saved) == len(rows(session, inbox))
    # The handle lives on, and what it holds is saved once there is room. Nothing is lost by trying, either.
    assert session.try_call(rops.save_changes_message(), message).error == EC_QUOTA
    # What is there can be read, flagged, copied nowhere, and deleted.
    session.call(rops.set_read_flags([saved[0]], 4), inbox)
    deleted = session.open_folder(session.deleted_items)
    copied = session.try_call(rops.move_copy_messages(saved[:1], copy=True), inbox, deleted)
    assert copied.error == EC_QUOTA
    if "MOVE" in imap_server.capabilities(server, ALICE):
        session.call(rops.move_copy_messages(saved[:1]), inbox, deleted)
        found = rows(session, deleted)
        assert [row[SUBJECT] for row in found] == ["big 0"]
        session.call(rops.delete_messages([found[0][MID]], hard=True), deleted)
    else:  # a copy stands beside the message for a moment, and there is no room for that
        assert session.try_call(rops.move_copy_messages(saved[:1]), inbox, deleted).error == EC_QUOTA
        assert len(rows(session, inbox)) == len(saved) and not rows(session, deleted)
        session.call(rops.delete_messages(saved[:1], hard=True), inbox)
    assert session.save(message) in [row[MID] for row in rows(session, inbox)]
    assert server.count(ALICE) == len(saved)


def test_the_store_tells_its_limit(full):
    session, server = full
    if "QUOTA" not in imap_server.capabilities(server, ALICE):
        pytest.skip("the server tells no limits")
    limits = [0x3FF50003, 0x666E0003, 0x666A0003]  # PidTagStorageQuotaLimit, PidTagProhibitSendQuota, PidTagProhibitReceiveQuota
    size = 0x0E080014  # PidTagMessageSizeExtended
    row = session.properties(session.logon_handle, [*limits, size])
    assert [row[tag] for tag in limits] == [1024] * 3 and 0 <= row[size] <= 1024 * 1024
    problems = session.call(rops.set_properties({limits[1]: 1})).problems
    assert [problem[1] for problem in problems] == [limits[1]]


def test_a_message_too_big_to_send(certificates, make_dovecot, open_session):
    from harness.processes import free_port
    server = make_dovecot(users=(ALICE,))
    gateway = Mapigate.gateway(certificates, server.tls_port, smtp_port=free_port(), name="small")
    gateway.arguments["modules"]["mail"]["max_submit_size"] = "100KiB"
    gateway.write_config()
    with gateway:
        session = open_session(gateway)
        message = session.new_message(session.outbox, {"PidTagSubject": "x"}, [(0, 1, "b", "b@example.test")],
                                      [(f"{number}.bin", b"x" * 60_000) for number in range(2)])
        session.save(message)
        assert session.try_call(rops.submit_message(), message).error == EC_TOO_BIG
        assert [row[SUBJECT] for row in rows(session, session.open_folder(session.outbox))] == ["x"]


@pytest.fixture
def guarded(certificates, open_session):
    """A mailbox with a folder that may be read only."""
    with imap_server.make(certificates, (ALICE,), rights=True) as server:
        server.seed(ALICE, "Guarded", [b"Subject: kept\r\nMessage-ID: <kept@x>\r\n\r\n.\r\n"])
        server.set_rights(ALICE, "Guarded", "lr")
        with Mapigate.gateway(certificates, server.tls_port, name="guarded") as gateway:
            yield open_session(gateway), server
            gateway.check_log()


def test_a_folder_that_may_only_be_read(guarded):
    session, server = guarded
    folder = wait_until(lambda: [key for key, (name, _) in session.folders().items() if name == "Guarded"], "the folder", 10)[0]
    handle = session.open_folder(folder)
    found = rows(session, handle)
    assert [row[SUBJECT] for row in found] == ["kept"]
    message = session.new_message(folder, {"PidTagSubject": "new"})
    assert session.try_call(rops.save_changes_message(), message).error == EC_ACCESS_DENIED
    assert session.try_call(rops.set_read_flags([found[0][MID]]), handle).error == EC_ACCESS_DENIED
    for hard in (False, True):
        assert session.try_call(rops.delete_messages([found[0][MID]], hard=hard), handle).error == EC_ACCESS_DENIED
    inbox = session.open_folder(session.inbox)
    assert session.try_call(rops.move_copy_messages([found[0][MID]]), handle, inbox).error == EC_ACCESS_DENIED
    session.call(rops.move_copy_messages([found[0][MID]], copy=True), handle, inbox)
    assert [row[SUBJECT] for row in rows(session, inbox)] == ["kept"]
    saved = session.save(session.new_message(session.inbox, {"PidTagSubject": "mine"}))
    assert session.try_call(rops.move_copy_messages([saved]), inbox, handle).error == EC_ACCESS_DENIED
    assert session.try_call(rops.create_folder("below"), handle).error == EC_ACCESS_DENIED
    assert session.try_call(rops.delete_folder(folder), session.open_folder(session.ipm_subtree)).error in (0, EC_ACCESS_DENIED)
    assert [row[SUBJECT] for row in rows(session, handle)] == ["kept"]
    assert sorted(row[SUBJECT] for row in rows(session, inbox)) == ["kept", "mine"]


def test_a_folder_renamed_by_another_client(certificates, make_dovecot, make_gateway, open_session):
    server = make_dovecot(users=(ALICE,))
    server.seed(ALICE, "Before", [b"Subject: one\r\n\r\n.\r\n"])
    session = open_session(make_gateway(server.tls_port))
    folder = next(key for key, (name, _) in session.folders().items() if name == "Before")
    handle = session.open_folder(folder)
    found = rows(session, handle)
    link = server.connect(ALICE)
    link.rename("Before", "After")
    link.logout()
    # Whatever the old handle says meanwhile: no crash, no empty mailbox, nothing written to the wrong place.
    message = session.new_message(folder, {"PidTagSubject": "late"})
    # Dovecot drops a connection that had it open; that may pass.
    response = session.try_call(rops.save_changes_message(), message)
    assert response.error in (0, EC_NOT_FOUND, EC_NETWORK)
    assert session.try_call(rops.save_changes_message(), message).error in (0, EC_NOT_FOUND)
    opened = session.try_call(rops.open_message(folder, found[0][MID]))
    assert opened.error in (0, EC_NOT_FOUND)
    wait_until(lambda: "After" in [name for name, _ in session.folders().values()], "the new name", 20, 0.3)
    renamed = next(key for key, (name, _) in session.folders().items() if name == "After")
    assert [row[SUBJECT] for row in rows(session, session.open_folder(renamed))] == ["one"]


def test_two_clients_and_an_imap_client_on_one_folder(certificates, make_dovecot, make_gateway, open_session):
    """Everybody marks, moves and deletes what they find; afterwards all agree, and nothing is there twice or lost."""
    server = make_dovecot(users=(ALICE,))
    count = 60
    server.seed(ALICE, "INBOX", [b"Subject: n%d\r\nMessage-ID: <n%d@x>\r\n\r\n.\r\n" % (n, n) for n in range(count)])
    gateway = make_gateway(server.tls_port)
    sessions = [open_session(gateway), open_session(gateway)]
    stop, problems = time.monotonic() + 6, []

    def by_mapi(session, seed):
        choose = random.Random(seed)
        try:
            inbox, trash = session.open_folder(session.inbox), session.open_folder(session.deleted_items)
            while time.monotonic() < stop:
                found = rows(session, inbox)
                if not found:
                    break
                one = choose.choice(found)[MID]
                action = choose.randrange(4)
                if action == 0:
                    session.try_call(rops.set_read_flags([one], choose.choice((0, 4))), inbox)
                elif action == 1:
                    session.try_call(rops.move_copy_messages([one]), inbox, trash)
                elif action == 2:
                    session.try_call(rops.delete_messages([one]), inbox)
                else:
                    session.try_call(rops.open_message(session.inbox, one))
        except Exception as problem:  # noqa: BLE001  (told by the test)
            problems.append(problem)

    def by_imap():
        choose = random.Random(3)
        link, can = server.connect(ALICE), imap_server.capabilities(server, ALICE)
        while time.monotonic() < stop:
            link.select("INBOX")
            uids = link.uid("search", None, "ALL")[1][0].split()
            if not uids:
                break
            uid = choose.choice(uids)
            with contextlib.suppress(Exception):
                if choose.randrange(2):
                    link.uid("store", uid, "+FLAGS", r"(\Flagged)")
                elif "MOVE" in can:
                    link.uid("move", uid, "Archive")
            time.sleep(0.05)
        link.logout()

    threads = [threading.Thread(target=by_mapi, args=(session, number)) for number, session in enumerate(sessions)]
    threads.append(threading.Thread(target=by_imap))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not problems
    imap = Imap(server)
    everywhere = []
    for name in ("INBOX", "Trash", "Archive", "Recoverable Items"):
        with contextlib.suppress(AssertionError):
            everywhere += imap.subjects(name)
    assert sorted(everywhere) == sorted(f"n{number}" for number in range(count))
    for session in sessions:
        wait_until(lambda: sorted(row[SUBJECT] for row in rows(session, session.open_folder(session.inbox))) == imap.subjects("INBOX"),
                   "both see what IMAP sees", 20, 0.5)
    imap.select("INBOX")
    flagged = sorted(imap.subjects("INBOX", "FLAGGED"))
    wait_until(lambda: sorted(row[SUBJECT] for row in rows(sessions[0], sessions[0].open_folder(sessions[0].inbox), ["PidTagSubject", "PidTagFlagStatus"])
                              if row[tag_of("PidTagFlagStatus")] == 2) == flagged, "flags are those that IMAP has", 20, 0.5)
