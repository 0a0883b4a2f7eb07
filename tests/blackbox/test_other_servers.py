"""The same mailbox on other IMAP servers: Cyrus, and a Dovecot without CONDSTORE, QRESYNC, MOVE, UIDPLUS and the rest.

A short scenario of everything; `./test servers` runs all tests of mailboxes on them, and by all ways to the gateway."""
import pytest

from conftest import ALICE, BOB
from harness import imap_server, rops
from harness.mapigate import Mapigate
from harness.notifications import ALL_OBJECTS, DELETED, NEW_MAIL, Waiter, fetch, wait_for
from harness.processes import wait_until
from harness.properties import tag_of
from test_keeping import SOFT_DELETED, keywords_tag
from test_writing import Imap

SUBJECT, MID, FLAGS = tag_of("PidTagSubject"), tag_of("PidTagMid"), tag_of("PidTagMessageFlags")


@pytest.fixture(scope="module", params=["cyrus", "bare"])
def server(certificates, request):
    with imap_server.make(certificates, (ALICE, BOB), kind=request.param) as one:
        yield one


@pytest.fixture(scope="module")
def other(certificates, server):
    with Mapigate.gateway(certificates, server.tls_port, name="other") as one:
        yield one
        one.check_log()


@pytest.fixture
def mapi(other, open_session):
    return open_session(other)


@pytest.fixture
def imap(server):
    one = Imap(server)
    yield one
    one.link.logout()


def rows(mapi, handle, columns=("PidTagSubject", "PidTagMid"), flags=0):
    return mapi.rows(mapi.contents_table(handle, flags), list(columns))


def test_special_folders_are_the_servers(mapi, imap):
    imap.link.append("Drafts", None, None, b"Subject: a draft\r\n\r\n.\r\n")
    trash = mapi.open_folder(mapi.deleted_items)
    assert mapi.properties(trash, ["PidTagDisplayName"])[tag_of("PidTagDisplayName")] == "Deleted Items"
    drafts = next(key for key, (name, _) in mapi.folders().items() if name == "Drafts")
    assert [row[SUBJECT] for row in rows(mapi, mapi.open_folder(drafts))] == ["a draft"]
    names = [name for name, _ in mapi.folders().values()]
    assert "Sent Items" in names and "Sent" not in names


def test_write_edit_move_delete(mapi, imap):
    made = mapi.call(rops.create_folder("Ordner & Übung"), mapi.open_folder(mapi.ipm_subtree))
    name, handle = "Ordner & Übung", made.handle
    message = mapi.new_message(made.folder_id, {"PidTagSubject": "eins", "PidTagBody": "text", "PidTagComment": "beside"},
                               [(0, 1, "Bob", BOB)], [("a.bin", bytes(range(256)) * 50)])
    saved = mapi.save(message)
    assert imap.subjects(name) == ["eins"]
    mapi.call(rops.set_properties({"PidTagSubject": "zwei", keywords_tag(mapi): ["Rote Kategorie"], "PidTagFlagStatus": 2}), message)
    assert mapi.save(message) == saved
    seen, flags = imap.only(name)
    assert seen["Subject"] == "zwei" and {"Rote_Kategorie", r"\Flagged"} <= flags
    assert [part.get_content() for part in seen.iter_attachments()] == [bytes(range(256)) * 50]
    second = mapi.call(rops.create_folder("inner"), handle)
    mapi.call(rops.move_copy_messages([saved], copy=True), handle, second.handle)
    mapi.call(rops.move_copy_messages([row[MID] for row in rows(mapi, second.handle)]), second.handle, mapi.open_folder(mapi.deleted_items))
    trash = rows(mapi, mapi.open_folder(mapi.deleted_items), ["PidTagSubject", "PidTagMid", "PidTagComment"])
    assert [row[tag_of("PidTagComment")] for row in trash if row[SUBJECT] == "zwei"] == ["beside"]
    mapi.call(rops.set_properties({"PidTagDisplayName": "umbenannt"}), second.handle)
    assert f"{name}/umbenannt" in [path.replace("&ANw-", "Ü").replace("&-", "&") for path in imap.folders()]
    # Deleted, recovered, and gone for good.
    mapi.call(rops.delete_messages([saved]), handle)
    assert imap.uids(name) == [] and rows(mapi, handle) == []
    kept = rows(mapi, handle, flags=SOFT_DELETED)
    assert [row[SUBJECT] for row in kept] == ["zwei"]
    mapi.call(rops.move_copy_messages([kept[0][MID]]), handle, handle)
    assert imap.subjects(name) == ["zwei"]
    back = rows(mapi, handle)
    mapi.call(rops.delete_messages([back[0][MID]], hard=True), handle)
    assert imap.uids(name) == [] and rows(mapi, handle, flags=SOFT_DELETED) == []
    mapi.call(rops.delete_folder(made.folder_id), mapi.open_folder(mapi.ipm_subtree))
    assert not [path for path in imap.folders() if path.startswith("Ordner")]


def test_changes_by_others_are_seen_and_told(mapi, imap, server):
    inbox = mapi.open_folder(mapi.inbox)
    rows(mapi, inbox)
    mapi.call(rops.register_notification(ALL_OBJECTS, mapi.inbox), inbox)
    with Waiter(mapi) as waiter:
        waiter.pending(1.5)
    fetch(mapi)
    server.seed(ALICE, "INBOX", [b"Subject: news %d\r\nMessage-ID: <n%d@x>\r\n\r\n.\r\n" % (n, n) for n in range(3)])
    event, _ = wait_for(mapi, lambda e: e.kind == NEW_MAIL, 20)
    wait_until(lambda: len(rows(mapi, inbox)) == 3, "all three", 20, 0.3)
    found = {row[SUBJECT]: row[MID] for row in rows(mapi, inbox)}
    assert event.message_id in found.values()
    imap.select("INBOX")
    uids = imap.uids("INBOX")
    imap.link.uid("store", uids[0], "+FLAGS", r"(\Seen Von_IMAP)")
    tag = keywords_tag(mapi)

    def marked():
        row = next(row for row in rows(mapi, inbox, ["PidTagMid", "PidTagMessageFlags", tag]) if row[MID] == found["news 0"])
        return row[FLAGS] & 1 and row[tag] == ["Von IMAP"]
    # A server without CONDSTORE is asked for all flags now and then only; news are a reason.
    wait_until(marked, "flags and category", 30, 0.5)
    imap.link.uid("store", uids[1], "+FLAGS", r"(\Deleted)")
    imap.link.expunge()
    wait_for(mapi, lambda e: e.kind == DELETED and e.message_id == found["news 1"], 20)
    assert sorted(row[SUBJECT] for row in rows(mapi, inbox)) == ["news 0", "news 2"]


def test_what_others_rename_stays_the_same_folder(mapi, imap, server):
    def by_name(name):
        return next((key for key, (one, _) in mapi.folders().items() if one == name), None)
    imap.link.create("Before")
    imap.link.create("Before/inner")
    server.seed(ALICE, "Before/inner", [b"Subject: in there %d\r\nMessage-ID: <t%d@x>\r\n\r\n.\r\n" % (n, n) for n in range(3)])
    wait_until(lambda: by_name("inner"), "the new folder", 40, 0.5)
    outer, inner = by_name("Before"), by_name("inner")
    handle = mapi.open_folder(inner)
    found = {row[SUBJECT]: row[MID] for row in rows(mapi, handle)}
    assert len(found) == 3
    message = mapi.call(rops.open_message(inner, found["in there 1"], 3)).handle
    mapi.call(rops.set_properties({"PidTagComment": "beside"}), message)
    mapi.save(message)
    assert imap.link.rename("Before", "After")[0] == "OK"
    wait_until(lambda: by_name("After"), "the new name", 40, 0.5)
    assert by_name("After") == outer and by_name("inner") == inner and not by_name("Before")
    after = rows(mapi, mapi.open_folder(inner), ["PidTagSubject", "PidTagMid", "PidTagComment"])
    assert {row[SUBJECT]: row[MID] for row in after} == found
    assert [row[tag_of("PidTagComment")] for row in after if row[SUBJECT] == "in there 1"] == ["beside"]


def test_a_full_mailbox_is_told(certificates, open_session, server):
    if not hasattr(server, "set_quota"):
        pytest.skip("quota of Dovecot: test_limits")
    server.set_quota(BOB, 300)
    with Mapigate.gateway(certificates, server.tls_port, name="fullother") as gateway:
        session = open_session(gateway, BOB)
        message = session.new_message(session.inbox, {"PidTagSubject": "big"}, files=[("big.bin", b"x" * 300_000)])
        assert session.try_call(rops.save_changes_message(), message).error == 0x4D9  # ecQuotaExceeded
        assert server.count(BOB) == 0
