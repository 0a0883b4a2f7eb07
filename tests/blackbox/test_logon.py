"""Connect and logon, rows L1 to L8."""
import contextlib
import re
import uuid

import pytest

from conftest import ALICE, BOB, PASSWORD
from harness import rops
from harness.mapihttp import FOLDERS, Client, discover
from harness.properties import Reader, tag_of

# AUX types, [MS-OXCRPC] 2.2.2.2
AUX_CLIENT_CONTROL, AUX_EXORGINFO, AUX_ENDPOINT_CAPABILITIES = 0x0A, 0x17, 0x48


def aux_types(auxiliary):
    found = set()
    for payload in rops.unwrap_header_ext(auxiliary):
        reader = Reader(payload)
        while reader.left():
            size, _, kind = reader.unpack("HBB")
            found.add(kind)
            reader.bytes(size - 4)
    return found


def counter_of(folder_id):
    """The 6-byte GlobalCounter of an id whose low 16 bits are the replid (row L4)."""
    return folder_id.to_bytes(8, "little")[2:]


def test_row_l1_connect(endpoint, certificates):
    dn, path = discover(endpoint.https_port, certificates.ca, ALICE, PASSWORD)
    with contextlib.closing(Client(endpoint.https_port, certificates.ca, ALICE, PASSWORD, path=path)) as client:
        connected = client.connect(dn)
    assert (connected.status_code, connected.error_code) == (0, 0)
    assert connected.polls_max == 60_000
    assert connected.retry_count == 6
    assert connected.retry_delay == 10_000
    assert connected.display_name
    assert dn.lower().startswith(connected.dn_prefix.lower())
    version = re.match(r"Exchange/(\d+)\.(\d+)\.(\d+)\.(\d+)$", connected.reply.headers["X-ServerApplication"])
    assert tuple(map(int, version.groups()))[:3] >= (15, 0, 847)
    assert aux_types(connected.auxiliary) >= {AUX_CLIENT_CONTROL, AUX_EXORGINFO, AUX_ENDPOINT_CAPABILITIES}


def test_row_l2_replica_agrees(session):
    signature = session.properties(session.logon_handle, ["PidTagMappingSignature"])
    assert signature[tag_of("PidTagMappingSignature")] == session.logon.repl_guid.bytes_le
    for folder_id in session.logon.folder_ids:
        assert folder_id & 0xFFFF == session.logon.repl_id
    long_term = session.call(rops.long_term_id_from_id(session.inbox))
    assert long_term.guid == session.logon.repl_guid


def test_row_l2_same_at_the_next_logon(gateway, open_session):
    first, second = open_session(gateway), open_session(gateway)
    assert first.logon.repl_guid == second.logon.repl_guid
    assert first.logon.mailbox_guid == second.logon.mailbox_guid
    assert first.logon.folder_ids == second.logon.folder_ids


def test_row_l3_folder_ids_in_order(session):
    ids = session.logon.folder_ids
    assert len(set(ids)) == 13 and 0 not in ids

    def parent(folder_id):
        row = session.properties(session.open_folder(folder_id), ["PidTagParentFolderId"])
        return row[tag_of("PidTagParentFolderId")]

    assert parent(session.ipm_subtree) == session.root
    for name in ("inbox", "outbox", "sent_items", "deleted_items"):
        assert parent(getattr(session, name)) == session.ipm_subtree, name
    for name in ("deferred_action", "spooler_queue", "common_views", "schedule", "search", "views", "shortcuts"):
        assert parent(getattr(session, name)) == session.root, name


def test_every_logon_folder_opens(session):
    for name in FOLDERS:
        response = session.try_call(rops.open_folder(getattr(session, name)))
        assert response.error == 0, name


def test_row_l4_source_key(session):
    row = session.properties(session.open_folder(session.inbox), ["PidTagSourceKey", "PidTagFolderId"])
    assert row[tag_of("PidTagFolderId")] == session.inbox
    assert row[tag_of("PidTagSourceKey")] == session.logon.repl_guid.bytes_le + counter_of(session.inbox)


def test_row_l4_long_term_id(session):
    long_term = session.call(rops.long_term_id_from_id(session.inbox))
    assert long_term.padding == 0
    assert long_term.counter == counter_of(session.inbox)


def test_row_l5_65536_ids(session):
    ranges = []
    for _ in range(3):
        given = session.call(rops.get_local_replica_ids(65536))
        assert given.repl_guid == session.logon.repl_guid
        start = int.from_bytes(given.global_count, "big")
        assert start > 0
        ranges.append(range(start, start + 65536))
    ranges.sort(key=lambda ids: ids.start)
    for one, other in zip(ranges, ranges[1:]):
        assert one.stop <= other.start
    folder_counters = {int.from_bytes(counter_of(folder_id), "big") for folder_id in session.logon.folder_ids}
    assert not any(counter in ids for counter in folder_counters for ids in ranges)


def test_row_l6_id_from_long_term_id(session):
    for folder_id in session.logon.folder_ids:
        long_term = session.call(rops.long_term_id_from_id(folder_id))
        back = session.call(rops.id_from_long_term_id(long_term.guid, long_term.counter))
        assert back.object_id == folder_id


def test_row_l6_foreign_replica(session):
    response = session.try_call(rops.id_from_long_term_id(uuid.UUID(int=0x1234 << 64 | 5), b"\0\0\0\0\0\7"))
    if response.error == 0:
        assert response.object_id & 0xFFFF not in (0, session.logon.repl_id)


def test_row_l7_child_outlives_its_parent(session):
    folder = session.open_folder(session.inbox)
    table = session.contents_table(folder)
    session.call(rops.release(), folder)
    rows = session.rows(table, ["PidTagMid", "PidTagSubject"])
    assert len(rows) == 80
    message = session.open_message(session.inbox, rows[0][tag_of("PidTagMid")])
    session.call(rops.release(), table)
    assert session.properties(message, ["PidTagMessageClass"])[tag_of("PidTagMessageClass")].startswith("IPM")


def test_released_handle_is_refused(session):
    folder = session.open_folder(session.inbox)
    session.call(rops.release(), folder)
    assert session.try_call(rops.get_contents_table(), folder).error != 0


def test_row_l8_other_mailbox_is_not_opened(gateway, certificates, session):
    bobs_dn, _ = discover(gateway.https_port, certificates.ca, BOB, PASSWORD)
    assert bobs_dn != session.dn
    responses, _ = session.client.execute([(rops.logon(bobs_dn), [0])], [rops.NO_HANDLE])
    assert responses[0].error != 0
    responses, _ = session.client.execute([(rops.logon(session.dn + "x"), [0])], [rops.NO_HANDLE])
    assert responses[0].error != 0


def test_logon_ids_are_echoed(session):
    responses, _ = session.client.execute(
        [(rops.logon(session.dn, logon_id=5), [1]), (rops.logon(session.dn, logon_id=6), [2])],
        [rops.NO_HANDLE] * 3)
    assert [response.check().index for response in responses] == [1, 2]


@pytest.mark.parametrize("message_class,folder", [("", "inbox"), ("IPM", "inbox"), ("IPM.Note", "inbox"),
                                                  ("REPORT.IPM.Note.NDR", "inbox"), ("IPC", "root")])
def test_row_f1_receive_folders(session, message_class, folder):
    response = session.call(rops.get_receive_folder(message_class))
    assert response.folder_id == getattr(session, folder)


def test_row_f2_default_folder_entry_ids(session):
    names = ["PidTagIpmAppointmentEntryId", "PidTagIpmContactEntryId", "PidTagIpmJournalEntryId",
             "PidTagIpmNoteEntryId", "PidTagIpmTaskEntryId", "PidTagIpmDraftsEntryId"]
    for folder_id in (session.root, session.inbox):
        row = session.properties(session.open_folder(folder_id), names)
        for name in names:
            assert isinstance(row[tag_of(name)], bytes) and len(row[tag_of(name)]) == 46, name


def test_row_t1_address_types(session):
    assert set(session.call(rops.get_address_types()).address_types) >= {"SMTP", "EX"}
