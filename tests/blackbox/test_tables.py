"""Tables with categories, what is told of changes in them, and search folders, over the wire."""
import time

from conftest import ALICE
from harness import mailgen, rops
from harness.processes import wait_until
from harness.properties import EC_NOT_FOUND, PropertyError, Reader, res_and, res_bitmask, res_content, res_not, res_property, tag_of

SUBJECT, MID, PARENT = tag_of("PidTagSubject"), tag_of("PidTagMid"), tag_of("PidTagParentFolderId")
SENDER, FLAGS = tag_of("PidTagSentRepresentingName"), tag_of("PidTagMessageFlags")
ROW_TYPE, DEPTH, INST_ID = tag_of("PidTagRowType"), tag_of("PidTagDepth"), tag_of("PidTagInstID")
COUNT, UNREAD = tag_of("PidTagContentCount"), tag_of("PidTagContentUnreadCount")
COLUMNS = [ROW_TYPE, DEPTH, INST_ID, SENDER, SUBJECT, COUNT, UNREAD, MID, FLAGS]
LEAF, EXPANDED, COLLAPSED = 1, 3, 4
NOT_COLLAPSED, NOT_EXPANDED, INVALID_BOOKMARK, NULL_OBJECT = 0x4F8, 0x4F7, 0x80040405, 0x4B9
NOT_SEARCH_FOLDER, NOT_INITIALIZED, NOT_SUPPORTED, TOO_COMPLEX = 0x461, 0x80040605, 0x80040102, 0x80040117
RUNNING, COMPLETE = 0x1, 0x1000
ERIN = "erin@example.test"


def inbox_table(session, flags=0):
    return session.contents_table(session.open_folder(session.inbox), flags)


def rows(session, table):
    session.call(rops.set_columns(COLUMNS), table)
    session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 0), table)
    return session.rows(table, COLUMNS)


def test_categories_hold_every_message_once(endpoint, open_session, mailbox):
    session = open_session(endpoint)
    table = inbox_table(session)
    session.call(rops.sort_table((SENDER, 0), (SUBJECT, 0), categories=1, expanded=1), table)
    shown = rows(session, table)
    headers = [row for row in shown if row[ROW_TYPE] == EXPANDED]
    leaves = [row for row in shown if row[ROW_TYPE] == LEAF]
    assert sorted(row[SUBJECT] for row in leaves) == sorted(message.subject for message in mailbox.folders["INBOX"])
    assert sum(row[COUNT] for row in headers) == len(leaves)
    assert len({row[SENDER].lower() for row in headers}) == len(headers) > 1
    # Each header is followed by as many rows as it says, all of its sender.
    position = 0
    for header in headers:
        assert shown[position] is header and header[DEPTH] == 0
        below = shown[position + 1:position + 1 + header[COUNT]]
        assert all(row[ROW_TYPE] == LEAF and row[DEPTH] == 1 and row[SENDER].lower() == header[SENDER].lower()
                   for row in below)
        assert sum(not row[FLAGS] & 1 for row in below) == header[UNREAD]
        position += 1 + header[COUNT]
    assert position == len(shown)


def test_expand_and_collapse(session):
    table = inbox_table(session)
    assert session.try_call(rops.expand_row(COLUMNS, 1), table).error == NULL_OBJECT
    session.call(rops.sort_table((SENDER, 1), categories=1), table)
    collapsed = rows(session, table)
    assert {row[ROW_TYPE] for row in collapsed} == {COLLAPSED}
    largest = max(collapsed, key=lambda row: row[COUNT])
    answer = session.call(rops.expand_row(COLUMNS, largest[INST_ID], 3), table)
    assert answer.expanded_row_count == largest[COUNT]
    assert len(answer.rows) == min(3, largest[COUNT]) and all(row[SENDER] == largest[SENDER] for row in answer.rows)
    assert session.try_call(rops.expand_row(COLUMNS, largest[INST_ID]), table).error == NOT_COLLAPSED
    opened = rows(session, table)
    assert len(opened) == len(collapsed) + largest[COUNT]
    assert session.call(rops.query_position(), table).denominator == len(opened)
    state = session.call(rops.get_collapse_state(answer.rows[-1][INST_ID]), table).collapse_state
    assert session.call(rops.collapse_row(largest[INST_ID]), table).collapsed_row_count == largest[COUNT]
    assert session.try_call(rops.collapse_row(largest[INST_ID]), table).error == NOT_EXPANDED
    assert session.try_call(rops.collapse_row(4711 << 16), table).error == EC_NOT_FOUND
    # Another table of the same order takes the state.
    other = inbox_table(session)
    session.call(rops.sort_table((SENDER, 1), categories=1), other)
    session.call(rops.set_columns(COLUMNS), other)
    bookmark = session.call(rops.set_collapse_state(state), other).bookmark
    session.call(rops.seek_row_bookmark(bookmark, 0), other)
    assert session.call(rops.query_rows(COLUMNS, 1), other).rows[0][INST_ID] == answer.rows[-1][INST_ID]
    assert [row[INST_ID] for row in rows(session, other)] == [row[INST_ID] for row in opened]


def test_conversations_by_their_newest_message(session):
    time_of = tag_of("PidTagMessageDeliveryTime")
    table = inbox_table(session)
    session.call(rops.sort_table(("PidTagNormalizedSubject", 1), (time_of, 4), (time_of, 0), categories=1, expanded=1), table)
    columns = [ROW_TYPE, time_of]
    session.call(rops.set_columns(columns), table)
    newest, group = [], []
    for row in session.rows(table, columns) + [{ROW_TYPE: EXPANDED, time_of: None}]:
        if row[ROW_TYPE] == LEAF:
            group.append(row[time_of])
        elif group:
            assert group == sorted(group)
            newest.append(max(group))
            group = []
    assert newest == sorted(newest, reverse=True) and len(newest) > 1


def test_bookmarks(session):
    table = inbox_table(session)
    shown = rows(session, table)
    session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 10), table)
    bookmark = session.call(rops.create_bookmark(), table).bookmark
    moved = session.call(rops.seek_row_bookmark(bookmark, -3), table)
    assert (moved.row_no_longer_visible, moved.has_sought_less, moved.rows_sought) == (0, 0, -3)
    assert session.call(rops.query_rows(COLUMNS, 1), table).rows[0][MID] == shown[7][MID]
    session.call(rops.seek_row_fractional(1, 4), table)
    assert session.call(rops.query_position(), table).numerator == len(shown) // 4
    session.call(rops.free_bookmark(bookmark), table)
    assert session.try_call(rops.seek_row_bookmark(bookmark, 0), table).error == INVALID_BOOKMARK
    again = session.call(rops.create_bookmark(), table).bookmark
    session.call(rops.sort_table((SUBJECT, 0)), table)
    assert session.try_call(rops.seek_row_bookmark(again, 0), table).error == INVALID_BOOKMARK
    session.call(rops.reset_table(), table)
    assert session.try_call(rops.query_rows(COLUMNS, 1), table).error == NULL_OBJECT


def test_bookmarks_find_rows_that_are_shown_again(session):  # [MS-OXCTABL] 3.2.5.10
    table = inbox_table(session)
    session.call(rops.sort_table((SENDER, 0), (SUBJECT, 0), categories=1, expanded=1), table)
    shown = rows(session, table)
    header = next(place for place, row in enumerate(shown) if row[ROW_TYPE] == EXPANDED and row[COUNT] > 2)
    session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, header + 2), table)
    bookmark = session.call(rops.create_bookmark(), table).bookmark

    def at_bookmark():
        moved = session.call(rops.seek_row_bookmark(bookmark, 0), table)
        return moved.row_no_longer_visible, session.call(rops.query_rows(COLUMNS, 1, flags=1), table).rows
    assert at_bookmark() == (0, [shown[header + 2]])
    session.call(rops.collapse_row(shown[header][INST_ID]), table)
    after = header + 1 + shown[header][COUNT]
    assert at_bookmark() == (1, shown[after:after + 1])
    session.call(rops.expand_row(COLUMNS, shown[header][INST_ID]), table)
    assert at_bookmark() == (0, [shown[header + 2]])


def test_attachment_tables_tell_of_all_their_columns(mapi, folder):  # [MS-OXCTABL] 3.2.5.13
    message = mapi.save(mapi.new_message(folder[0], {SUBJECT: "two"}, files=[("a.txt", b"one"), ("b.txt", b"two")]))
    table = mapi.call(rops.get_attachment_table(), mapi.open_message(folder[0], message)).handle
    wanted = [tag_of(name) for name in ("PidTagRecordKey", "PidTagCreationTime", "PidTagLastModificationTime", "PidTagAttachNumber")]
    first, second = mapi.rows(table, wanted)
    assert not [value for row in (first, second) for value in row.values() if isinstance(value, PropertyError)]
    assert first[wanted[0]] != second[wanted[0]]
    assert set(wanted) <= set(mapi.call(rops.query_columns_all(), table).columns)


def test_sizes_of_messages_in_both_widths(mapi, folder):
    """PidTagMessageSize and PidTagMessageSizeExtended have one id; the type says which is meant."""
    folder_id, handle = folder
    short, wide = tag_of("PidTagMessageSize"), 0x0E080014
    message_id = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "sized", "PidTagBody": "x" * 1000}))
    (row,) = mapi.rows(mapi.contents_table(handle), [short, wide])
    assert row[short] == row[wide] > 1000
    opened = mapi.properties(mapi.open_message(folder_id, message_id), [short, wide])
    assert opened[short] == opened[wide] > 1000


def test_members_of_a_conversation_in_all_folders(mapi, folder):
    """[MS-OXCFOLD] 2.2.1.14.1: the root has a table of them."""
    folder_id, handle = folder
    target = mapi.call(rops.create_folder("elsewhere"), handle)
    conversation = 0x30130102
    first, other = (mapi.save(mapi.new_message(folder_id, {SUBJECT: name})) for name in ("member", "stranger"))
    mapi.call(rops.move_copy_messages([first], copy=True), handle, target.handle)
    wanted = mapi.properties(mapi.open_message(folder_id, first), [conversation])[conversation]
    root = mapi.open_folder(mapi.root)
    opened = mapi.call(rops.get_contents_table(0x80), root)
    assert opened.row_count >= 3
    table = opened.handle
    assert {first, other} <= {row[MID] for row in mapi.rows(table, [MID])}
    mapi.call(rops.restrict(res_property(conversation, 4, wanted)), table)
    for order in ((tag_of("PidTagParentFolderId"), 0), (tag_of("PidTagParentFolderId"), 1)):
        mapi.call(rops.sort_table(order), table)
        members = mapi.rows(table, [SUBJECT, PARENT, MID])
        assert [row[SUBJECT] for row in members] == ["member", "member"]
        parents = [row[PARENT] for row in members]
        signed = [one - (1 << 64) if one >> 63 else one for one in parents]
        assert signed == sorted(signed, reverse=bool(order[1])) and set(parents) == {folder_id, target.folder_id}
        assert [mapi.properties(mapi.open_message(row[PARENT], row[MID]), [SUBJECT])[SUBJECT] for row in members] == ["member"] * 2
    hit = mapi.call(rops.find_row([SUBJECT, PARENT, MID], res_property(PARENT, 4, target.folder_id)), table)
    assert hit.row[PARENT] == target.folder_id
    # What comes is there when the table is looked at next.
    mapi.call(rops.move_copy_messages([first], copy=True), handle, target.handle)
    assert mapi.call(rops.query_position(), table).denominator == 3
    assert mapi.try_call(rops.sort_table((SUBJECT, 0), categories=1), table).error == TOO_COMPLEX
    assert mapi.try_call(rops.get_contents_table(0x82), root).error == NOT_SUPPORTED


def test_long_values_are_cut_in_rows(mapi, folder):
    """[MS-OXCTABL] 2.2.2.5.2: whoever wants all of it opens the message."""
    folder_id, handle = folder
    blob = 0x7D500102
    values = [bytes([number]) * size for number, size in enumerate((510, 511, 6000))]
    for value in values:
        mapi.save(mapi.new_message(folder_id, {SUBJECT: "s" * 300, blob: value}))
    table = mapi.contents_table(handle)
    shown = mapi.rows(table, [SUBJECT, MID, blob])
    assert sorted(row[blob] for row in shown) == [value[:510] for value in values]
    assert {len(row[SUBJECT]) for row in shown} == {255}
    whole = [mapi.properties(mapi.open_message(folder_id, row[MID]), [blob])[blob] for row in shown]
    assert sorted(whole) == values
    # FindRow shows rows, too.
    mapi.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 0), table)
    hit = mapi.call(rops.find_row([SUBJECT, MID, blob], res_content(SUBJECT, "s")), table)
    assert len(hit.row[blob]) == 510


def table_events(session, table, seconds=30):
    """The table events that come next, with their rows read."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        session.client.notification_wait()  # while it waits the folder is looked at
        responses, _ = session.client.execute([(rops.get_status(), [0])], [table])
        notes = [response.notification for response in responses if response.rop_id == 0x2A
                 and response.notification_handle == table]
        if notes:
            for note in notes:
                if hasattr(note, "row"):
                    note.row = Reader(note.row).row([SUBJECT, FLAGS])
            return notes
    raise AssertionError("no table event came")


def test_rows_are_told_one_by_one(dovecot, gateway, open_session):
    user = "carol@example.test"
    for number in (1, 2):
        dovecot.seed(user, "INBOX", [mailgen.small(number)[0]])
    session = open_session(gateway, user=user)
    # A mailbox that somebody opened before shows what it knows and looks for news meanwhile.
    held = dovecot.count(user)
    wait_until(lambda: session.call(rops.get_contents_table(), session.open_folder(session.inbox)).row_count == held, "all messages", 30, 0.1)
    table = inbox_table(session)
    session.call(rops.set_columns([SUBJECT, FLAGS]), table)
    before = session.rows(table, [SUBJECT, FLAGS])
    dovecot.seed(user, "INBOX", [mailgen.small(3)[0]])
    (added,) = table_events(session, table)
    assert added.event == rops.ROW_ADDED and added.folder_id == session.inbox
    assert added.row[SUBJECT].startswith("Message 3:")
    client = dovecot.connect(user)
    client.select("INBOX")
    client.store(str(held + 1), "+FLAGS", r"(\Seen)")
    (changed,) = table_events(session, table)
    assert changed.event == rops.ROW_MODIFIED and changed.message_id == added.message_id
    assert changed.row[FLAGS] & 1
    client.store("1", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.logout()
    (gone,) = table_events(session, table)
    assert gone.event == rops.ROW_DELETED
    session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 0), table)
    assert len(session.rows(table, [SUBJECT, FLAGS])) == len(before)


# -- search folders

def search_folder(session, name):
    """A search folder under the Finder: (id, handle)."""
    finder = session.open_folder(session.search)
    made = session.call(rops.create_folder(name, kind=2), finder)
    return made.folder_id, made.handle


def wait_for_search(session, handle):
    wait_until(lambda: not session.call(rops.get_search_criteria(), handle).search_flags & RUNNING, "the search", 60, 0.1)


def found(session, handle, columns=(SUBJECT,)):
    table = session.contents_table(handle, 0x10)
    shown = session.rows(table, list(columns))
    session.call(rops.release(), table)
    return shown


def test_search_folder_over_the_whole_mailbox(endpoint, open_session, mailbox):
    session = open_session(endpoint)
    folder, handle = search_folder(session, f"Everything {time.monotonic()}")
    assert session.try_call(rops.get_search_criteria(), handle).error == NOT_INITIALIZED
    restriction = res_and(res_content("PidTagSubject", "#1"), res_not(res_bitmask("PidTagMessageFlags", 1)))
    session.call(rops.set_search_criteria(restriction, [session.ipm_subtree], 0x2 | 0x4), handle)
    wait_for_search(session, handle)
    answer = session.call(rops.get_search_criteria(), handle)
    assert answer.restriction == restriction and answer.folder_ids == [session.ipm_subtree]
    assert answer.search_flags & COMPLETE and answer.search_flags & 0x4
    wanted = sorted(message.subject for messages in mailbox.folders.values() for message in messages
                    if "#1" in message.subject and r"\Seen" not in message.flags)
    shown = found(session, handle, (SUBJECT, MID, PARENT))
    assert sorted(row[SUBJECT] for row in shown) == wanted
    for row in shown[:3]:
        assert row[PARENT] != folder
        message = session.open_message(row[PARENT], row[MID])
        assert session.properties(message, [SUBJECT])[SUBJECT] == row[SUBJECT]
    kind = session.properties(handle, ["PidTagFolderType", COUNT])
    assert kind[tag_of("PidTagFolderType")] == 2 and kind[COUNT] == len(wanted)
    # Sorted and categorised as any other table.
    table = session.contents_table(handle, 0x10)
    session.call(rops.sort_table((SUBJECT, 0)), table)
    subjects = [row[SUBJECT] for row in session.rows(table, [SUBJECT])]
    assert sorted(subjects) == wanted
    parent = session.open_folder(session.search)
    session.call(rops.delete_folder(folder), parent)
    inbox = session.call(rops.get_contents_table(0x10), session.open_folder(session.inbox))
    assert inbox.row_count == len(mailbox.folders["INBOX"])
    assert session.try_call(rops.get_search_criteria(), session.open_folder(session.inbox)).error == NOT_SEARCH_FOLDER


def test_search_in_bodies_and_staying_current(dovecot, gateway, open_session):
    def mail(number, text):
        return (f"From: a@example.test\r\nTo: {ERIN}\r\nSubject: Mail {number}\r\nMessage-ID: <s{number}@example.test>\r\n"
                f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").encode()

    dovecot.seed(ERIN, "INBOX", [mail(1, "the blue whale"), mail(2, "nothing of it"), mail(3, "Über den Walfisch")])
    session = open_session(gateway, user=ERIN)
    _, handle = search_folder(session, "Whales")
    watch = session.call(rops.register_notification(rops.SEARCH_COMPLETE, whole_store=True)).handle
    session.call(rops.set_search_criteria(res_content("PidTagBody", "BLUE whale"), [session.inbox], 0x2), handle)
    wait_for_search(session, handle)
    assert [row[SUBJECT] for row in found(session, handle)] == ["Mail 1"]
    dovecot.seed(ERIN, "INBOX", [mail(4, "another Blue Whale"), mail(5, "a red one")])

    def refreshed():
        session.contents_table(session.open_folder(session.inbox), 0x10)  # a look at the inbox brings it up to date
        return {row[SUBJECT] for row in found(session, handle)} == {"Mail 1", "Mail 4"}
    wait_until(refreshed, "the new mail in the search folder", 30, 0.5)
    # In UTF-8, directly on a table of the inbox; and found row by row.
    table = inbox_table(session, 0x10)
    session.call(rops.restrict(res_content("PidTagBody", "über den")), table)
    assert [row[SUBJECT] for row in session.rows(table, [SUBJECT])] == ["Mail 3"]
    table = inbox_table(session, 0x10)
    session.call(rops.set_columns([SUBJECT]), table)
    hit = session.call(rops.find_row([SUBJECT], res_content("PidTagBody", "nothing of")), table)
    assert hit.row[SUBJECT] == "Mail 2"
    # Deleting in the search folder deletes the message.
    (row,) = [row for row in found(session, handle, (SUBJECT, MID)) if row[SUBJECT] == "Mail 1"]
    session.call(rops.delete_messages([row[MID]], hard=True), handle)
    wait_until(lambda: {row[SUBJECT] for row in found(session, handle)} == {"Mail 4"}, "the deletion", 10, 0.1)
    table = inbox_table(session, 0x10)
    assert "Mail 1" not in {row[SUBJECT] for row in session.rows(table, [SUBJECT])}
    assert watch


def test_search_folders_outlive_a_restart(make_dovecot, make_gateway, open_session):
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(1, 12)])
    gateway = make_gateway(server.tls_port)
    session = open_session(gateway)
    folder, handle = search_folder(session, "Ones")
    session.call(rops.set_search_criteria(res_content("PidTagSubject", "Message 1"), [session.inbox], 0x2), handle)
    wait_for_search(session, handle)
    first = {row[SUBJECT] for row in found(session, handle)}
    assert len(first) == 3  # 1, 10, 11
    gateway.kill()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(100, 103)])
    gateway.start()
    session = open_session(gateway)
    handle = session.open_folder(folder)
    assert session.call(rops.get_search_criteria(), handle).search_flags & COMPLETE

    def current():
        inbox_table(session, 0x10)
        return len(found(session, handle)) == 6
    wait_until(current, "the new messages in the search folder", 30, 0.5)
