"""Cached mode: the hierarchy and folders are downloaded once, then only what changed in IMAP."""
import email
import email.policy
import hashlib
import imaplib

import pytest

from conftest import PASSWORD
from harness import fasttransfer
from harness.fasttransfer import IDSET_DELETED, IDSET_GIVEN, IDSET_READ, STATE, Download, read_idset, synchronize
from harness.mailgen import message
from harness.processes import wait_until
from harness.properties import tag_of

GINA = "gina@example.test"  # of these tests alone
SUBJECT, MID, NAME = tag_of("PidTagSubject"), tag_of("PidTagMid"), tag_of("PidTagDisplayName")
SOURCE_KEY, PARENT_KEY = tag_of("PidTagSourceKey"), tag_of("PidTagParentSourceKey")


@pytest.fixture
def imap(dovecot):
    """A mailbox of this test alone, as another client sees it."""
    connection = imaplib.IMAP4("127.0.0.1", dovecot.port)
    connection.login(GINA, PASSWORD)
    yield connection
    connection.logout()


def own_ids(data):
    (ids,) = read_idset(data, replid=False).values()
    return ids


def test_hierarchy_equals_the_folder_tree(session):
    root = session.open_folder(session.ipm_subtree)
    first = synchronize(session, root, contents=False)
    assert first.ended
    paths = {}
    for folder in first.changes:
        parent = folder[PARENT_KEY]
        assert parent == b"" or parent in paths, "a folder before its parent"
        paths[folder[SOURCE_KEY]] = (paths[parent] + "/" if parent else "") + folder[NAME]
    assert len(set(paths.values())) == len(first.changes)
    # As the hierarchy table shows them, which other tests compare with IMAP.
    shown = session.folders()
    assert sorted(name for name, _ in shown.values()) == sorted(path.rsplit("/", 1)[-1] for path in paths.values())
    assert len(own_ids(first.state[IDSET_GIVEN])) == len(first.changes)

    again = synchronize(session, root, first.state, contents=False)
    assert again.changes == [] and again.deletions == {} and again.ended


def test_contents_equal_the_folder_in_imap_and_come_once(session, mailbox):
    folder = session.open_folder(session.inbox)
    first = synchronize(session, folder)
    expected = mailbox.folders["INBOX"]
    assert sorted(change.get(SUBJECT, "") for change in first.changes) == sorted(one.subject for one in expected)
    assert set(first.state) == set(STATE)
    assert len(own_ids(first.state[IDSET_GIVEN])) == len(expected)
    by_subject = {}
    for change in first.changes:
        by_subject.setdefault(change.get(SUBJECT, ""), []).append(change)
    for one in expected:
        parsed = email.message_from_bytes(one.data, policy=email.policy.default)
        if len(by_subject[one.subject]) != 1 or not parsed["To"]:
            continue
        change = by_subject[one.subject][0]
        for recipient in change.recipients:  # row S4
            assert recipient[tag_of("PidTagEntryId")] and recipient[tag_of("PidTagDisplayName")]
        data = [part.get(tag_of("PidTagAttachDataBinary"), b"") for part in change.attachments]
        digests = {hashlib.sha256(part).hexdigest() for part in data}
        for name, digest in one.attachments:
            assert digest in digests, (one.subject, name)

    again = synchronize(session, folder, first.state)
    assert again.changes == [] and again.deletions == {} and again.reads == {}


def test_after_a_delivery_only_that_message_comes(gateway, open_session, imap):
    box = "INBOX"
    for number in range(3):
        assert imap.append(box, None, None, message(number, large=False).data)[0] == "OK"
    session = open_session(gateway, user=GINA)
    folder = session.open_folder(session.inbox)
    state = synchronize(session, folder).state
    assert len(own_ids(state[IDSET_GIVEN])) == 3
    data = b"From: bob@example.test\r\nTo: gina@example.test\r\nSubject: fresh from IMAP\r\n\r\nHello.\r\n"
    assert imap.append(box, None, None, data)[0] == "OK"
    seen = []

    def arrived():
        nonlocal state
        found = synchronize(session, folder, state)
        seen.extend(found.changes)
        state = found.state
        return bool(seen)
    wait_until(arrived, "the new message", 60, 0.5)
    assert [change[SUBJECT] for change in seen] == ["fresh from IMAP"]
    assert synchronize(session, folder, state).changes == []

    # Read elsewhere: a read state change and no download.
    imap.select(box)
    uid = imap.uid("search", None, "HEADER", "Subject", '"fresh from IMAP"')[1][0].split()[-1]
    imap.uid("store", uid, "+FLAGS", r"(\Seen)")
    reads = []

    def read():
        nonlocal state
        found = synchronize(session, folder, state)
        assert found.changes == []
        state = found.state
        reads.append(found.reads)
        return bool(found.reads)
    wait_until(read, "the read state", 60, 0.5)
    counter = int.from_bytes(seen[0][MID].to_bytes(8, "little", signed=True)[2:], "big")
    assert read_idset(reads[-1][IDSET_READ], replid=True) == {b"\1\0": {counter}}

    # Deleted elsewhere: a deletion.
    imap.uid("store", uid, "+FLAGS", r"(\Deleted)")
    imap.expunge()
    deletions = []

    def deleted():
        nonlocal state
        found = synchronize(session, folder, state)
        state = found.state
        deletions.append(found.deletions)
        return bool(found.deletions)
    wait_until(deleted, "the deletion", 60, 0.5)
    assert read_idset(deletions[-1][IDSET_DELETED], replid=True) == {b"\1\0": {counter}}
    assert counter not in own_ids(state[IDSET_GIVEN])


def test_a_copied_message_is_the_same_in_buffers_of_any_size(session, mailbox):
    folder = session.open_folder(session.inbox)
    table = session.contents_table(folder)
    rows = session.rows(table, [MID, "PidTagHasAttachments"])
    mid = next((row[MID] for row in rows if row[tag_of("PidTagHasAttachments")]), rows[0][MID])
    opened = session.open_message(session.inbox, mid)
    streams = []
    for size in (600, 4000, 0x7000, 0x7BC0):
        context = session.call(fasttransfer.copy_to(), opened).handle
        streams.append(fasttransfer.download(session, context, size))
    assert len(set(streams)) == 1
    copied = Download(streams[0])
    assert copied.changes == [] and SUBJECT in copied.root
    assert copied.root.recipients or copied.root.attachments
