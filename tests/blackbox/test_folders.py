"""What [MS-OXCFOLD] says of single ROPs on folders: what they refuse, and with which code."""
import struct
import subprocess
import uuid

from conftest import ALICE
from harness import mailgen, rops
from harness.dovecot import Dovecot
from harness.processes import wait_until
from harness.properties import tag_of

NOT_SUPPORTED, NOT_FOUND, INVALID_PARAM, SEARCH_FOLDER, EC_ERROR = 0x80040102, 0x8004010F, 0x80070057, 0x460, 0x80004005
CORRUPT_DATA = 0x8004011B
NULL_DESTINATION = 0x503
SEARCH, RESTART = 2, 2
EXIST_CLASS = struct.pack("<BI", 8, 0x001A001F)  # messages that have a class


def test_what_folders_refuse(mapi, folder):
    folder_id, handle = folder
    inside = mapi.call(rops.create_folder("inside"), handle)
    assert mapi.try_call(rops.delete_folder(inside.folder_id, 0x02), handle).error == INVALID_PARAM
    assert mapi.try_call(rops.get_hierarchy_table(0x03), handle).error == NOT_SUPPORTED
    assert mapi.try_call(rops.get_contents_table(0x04), handle).error == INVALID_PARAM
    assert mapi.try_call(rops.get_contents_table(0x80), handle).error == 0  # members of conversations, here
    table = mapi.contents_table(handle)
    assert mapi.try_call(rops.open_folder(folder_id), table).error == NOT_SUPPORTED
    # The whole mailbox is not emptied by one call, and not deleted at all.
    root = mapi.open_folder(mapi.root)
    assert mapi.try_call(rops.delete_folder(mapi.root), root).error == NOT_SUPPORTED
    for rop in (rops.empty_folder(), rops.hard_delete_all()):
        assert mapi.try_call(rop, root).error == NOT_SUPPORTED


def test_what_has_no_folder_to_go_to(mapi, folder):
    folder_id, handle = folder
    inside = mapi.call(rops.create_folder("inside"), handle)
    for rop in (rops.move_copy_messages([]), rops.move_folder(inside.folder_id, "x"), rops.copy_folder(inside.folder_id, "x")):
        assert mapi.try_call(rop, handle).error == NULL_DESTINATION
        assert mapi.try_call(rop, handle, mapi.logon_handle).error == NOT_SUPPORTED  # no Folder object
    mapi.call(rops.delete_folder(inside.folder_id), handle)
    for rop in (rops.empty_folder(), rops.hard_delete_all()):
        assert mapi.try_call(rop, inside.handle).error == NOT_FOUND


def test_messages_that_are_not_there_make_a_completion_partial(mapi, folder):  # [MS-OXCFOLD] 3.2.5.6, 3.2.5.11 and 3.2.5.12
    folder_id, handle = folder
    inside = mapi.call(rops.create_folder("inside"), handle)

    def messages(count):
        return [mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "one"})) for _ in range(count)]

    def partial(rop, *to):
        return bool(mapi.call(rop, handle, *to).partial_completion)

    first, second, third = messages(3)
    hidden = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "hidden", "PidTagMessageClass": "IPM.Mapigate"}, associated=True))
    nobody = first + (0x123456 << 16)
    assert not partial(rops.move_copy_messages([first, hidden], copy=True), inside.handle)
    assert partial(rops.move_copy_messages([first, nobody], copy=True), inside.handle)
    assert mapi.call(rops.get_contents_table(), inside.handle).row_count == 2
    assert not partial(rops.move_copy_messages([first]), inside.handle)
    assert not partial(rops.move_copy_messages([first]), inside.handle)  # it has gone there (row P13)
    assert not partial(rops.delete_messages([second]))
    assert not partial(rops.delete_messages([second]))
    assert partial(rops.delete_messages([third, nobody], hard=True))
    assert not partial(rops.delete_messages([hidden]))
    assert mapi.call(rops.get_contents_table(), handle).row_count == 0


def test_deleted_messages_are_counted(mapi, folder):  # [MS-OXCFOLD] 2.2.2.2.1, PidTagDeletedCountTotal
    folder_id, handle = folder
    inside = mapi.call(rops.create_folder("inside"), handle)
    total = 0x670B0003
    first, second, third = (mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "one"})) for _ in range(3))
    below = mapi.save(mapi.new_message(inside.folder_id, {"PidTagSubject": "below"}))
    assert mapi.properties(handle, [total])[total] == 0
    mapi.call(rops.delete_messages([first]), handle)
    mapi.call(rops.delete_messages([first]), handle)  # gone already
    mapi.call(rops.delete_messages([second], hard=True), handle)
    mapi.call(rops.delete_messages([below]), inside.handle)
    mapi.call(rops.move_copy_messages([third]), handle, inside.handle)
    assert [mapi.properties(one, [total])[total] for one in (handle, inside.handle)] == [2, 1]
    copy = mapi.call(rops.copy_folder(inside.folder_id, "copy"), handle, handle)
    assert copy.partial_completion == 0
    rows = mapi.rows(mapi.hierarchy_table(handle), ["PidTagDisplayName", total])
    assert {row[tag_of("PidTagDisplayName")]: row[total] for row in rows} == {"inside": 1, "copy": 0}


def test_search_folders_take_no_messages(mapi, folder):
    folder_id, handle = folder
    message = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "here"}))
    found = mapi.call(rops.create_folder("found", kind=SEARCH), handle)
    mapi.call(rops.set_search_criteria(EXIST_CLASS, [folder_id], RESTART), found.handle)
    for copy in (True, False):
        assert mapi.try_call(rops.move_copy_messages([message], copy), handle, found.handle).error == SEARCH_FOLDER


def test_search_folders_are_copied_and_moved_with_what_they_look_for(mapi, folder):
    folder_id, handle = folder
    mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "here"}))
    target = mapi.call(rops.create_folder("target"), handle)
    found = mapi.call(rops.create_folder("found", kind=SEARCH), handle)
    mapi.call(rops.set_search_criteria(EXIST_CLASS, [folder_id], RESTART), found.handle)
    mapi.call(rops.copy_folder(found.folder_id, "again"), handle, target.handle)
    mapi.call(rops.move_folder(found.folder_id, "moved"), handle, target.handle)
    columns = ["PidTagDisplayName", "PidTagFolderType", "PidTagFolderId"]
    rows = mapi.rows(mapi.hierarchy_table(target.handle), columns)
    shown = {row[tag_of("PidTagDisplayName")]: row for row in rows}
    assert set(shown) == {"again", "moved"}
    for row in rows:
        assert row[tag_of("PidTagFolderType")] == SEARCH
        opened = mapi.open_folder(row[tag_of("PidTagFolderId")])
        criteria = mapi.call(rops.get_search_criteria(), opened)
        assert (criteria.restriction, criteria.folder_ids) == (EXIST_CLASS, [folder_id])
        wait_until(lambda: mapi.call(rops.get_contents_table(), opened).row_count == 1, "the message", 20, 0.1)
    assert mapi.call(rops.get_contents_table(), handle).row_count == 1  # and none was copied


def test_properties_that_the_store_makes(mapi, folder):
    folder_id, handle = folder
    columns = ["PidTagFolderFlags", "PidTagHierRev", "PidTagHierarchyChangeNumber", "PidTagFolderType"]
    at_first = mapi.properties(handle, columns)
    assert at_first[tag_of("PidTagFolderFlags")] == 0x5  # IPM, NORMAL
    assert at_first[tag_of("PidTagHierRev")] is not None
    assert mapi.properties(mapi.open_folder(mapi.root), columns)[tag_of("PidTagFolderFlags")] == 0x4
    found = mapi.call(rops.create_folder("found", kind=SEARCH), handle)
    assert mapi.properties(found.handle, columns)[tag_of("PidTagFolderFlags")] == 0x3  # IPM, SEARCH
    numbers = [row[tag_of("PidTagHierarchyChangeNumber")] for row in (at_first, mapi.properties(handle, columns))]
    for name in ("a", "b"):
        made = mapi.call(rops.create_folder(name), handle)
        numbers.append(mapi.properties(handle, columns)[tag_of("PidTagHierarchyChangeNumber")])
        mapi.call(rops.delete_folder(made.folder_id), handle)
        numbers.append(mapi.properties(handle, columns)[tag_of("PidTagHierarchyChangeNumber")])
    assert numbers == sorted(set(numbers))


def test_search_criteria_come_in_unicode_or_the_code_page(mapi, folder):
    folder_id, handle = folder
    head, text = struct.pack("<BBHH", 2, 3, 2, 1), "Übung"  # not; content, prefix, ignoring case
    wide = head + struct.pack("<II", 0x001A001F, 0x001A001F) + text.encode("utf-16-le") + b"\0\0"
    narrow = head + struct.pack("<II", 0x001A001E, 0x001A001E) + text.encode("cp1252") + b"\0"
    found = mapi.call(rops.create_folder("found", kind=SEARCH), handle)
    mapi.call(rops.set_search_criteria(wide, [folder_id], RESTART), found.handle)
    assert mapi.call(rops.get_search_criteria(), found.handle).restriction == wide
    assert mapi.call(rops.get_search_criteria(unicode=False), found.handle).restriction == narrow


# -- what is told of them ([MS-OXCNOTIF])

def told(mapi, subscription, kind, rop, handle, to=rops.NO_HANDLE):
    """What the subscription is told of that kind after the ROP: one event."""
    responses, _ = mapi.client.execute([(rop, [0, 1])], [handle, to])
    assert responses[0].error == 0
    seen = []

    def heard():
        nonlocal responses
        seen.extend(one.notification for one in responses
                    if one.rop_id == 0x2A and one.notification_handle == subscription and one.notification.kind == kind)
        responses, _ = mapi.client.execute([(rops.long_term_id_from_id(0), [0])], [mapi.logon_handle])
        return seen
    wait_until(heard, "the notification", 10, 0.1)
    (one,) = seen
    return one


def test_copied_and_moved_folders_are_told_as_such(mapi, folder):
    folder_id, handle = folder
    source, target = (mapi.call(rops.create_folder(name), handle) for name in ("source", "target"))
    kinds = rops.CREATED | rops.MOVED | rops.COPIED
    there = mapi.call(rops.register_notification(kinds, target.folder_id)).handle
    copied = told(mapi, there, rops.COPIED, rops.copy_folder(source.folder_id, "copy"), handle, target.handle)
    (row,) = mapi.rows(mapi.hierarchy_table(target.handle), ["PidTagFolderId"])
    assert copied.folder_id == row[tag_of("PidTagFolderId")] and copied.parent_folder_id == target.folder_id
    assert (copied.old_folder_id, copied.old_id) == (source.folder_id, folder_id)
    moved = told(mapi, there, rops.MOVED, rops.move_folder(source.folder_id, "moved"), handle, target.handle)
    assert (moved.folder_id, moved.parent_folder_id, moved.old_id) == (source.folder_id, target.folder_id, folder_id)


def test_tables_whose_client_knows_what_it_does(mapi, folder, gateway, open_session):  # [MS-OXCFOLD] 2.2.1.13.1
    folder_id, handle = folder
    suppresses = 0x80
    plain, quiet = (mapi.hierarchy_table(handle, flags) for flags in (0, suppresses))
    for table in (plain, quiet):
        assert mapi.rows(table, ["PidTagDisplayName"]) == []

    def heard(rop, of):
        responses, _ = mapi.client.execute([(rop, [0, 1])], [of, rops.NO_HANDLE])
        return {one.notification_handle for one in responses if one.rop_id == 0x2A}

    def look_on():
        responses, _ = mapi.client.execute([(rops.long_term_id_from_id(0), [0])], [mapi.logon_handle])
        return {one.notification_handle for one in responses if one.rop_id == 0x2A}
    mine = heard(rops.create_folder("mine"), handle)
    wait_until(lambda: mine.update(look_on()) or mine, "the change of this client", 10, 0.1)
    assert mine == {plain}
    other = open_session(gateway, "frank@example.test")
    other.call(rops.create_folder("theirs"), other.open_folder(folder_id))
    theirs = set()
    wait_until(lambda: theirs.update(look_on()) or theirs == {plain, quiet}, "the change of another", 20, 0.1)


def test_who_watches_a_message_is_told_where_it_went(mapi, folder):
    folder_id, handle = folder
    target = mapi.call(rops.create_folder("target"), handle)
    watched, other = (mapi.save(mapi.new_message(folder_id, {"PidTagSubject": name})) for name in ("watched", "other"))
    subscription = mapi.call(rops.register_notification(rops.MOVED | rops.COPIED, folder_id, watched)).handle
    mapi.call(rops.move_copy_messages([other]), handle, target.handle)
    event = told(mapi, subscription, rops.MOVED, rops.move_copy_messages([watched]), handle, target.handle)
    assert (event.folder_id, event.old_folder_id, event.old_id) == (target.folder_id, folder_id, watched)


# -- the store ([MS-OXCSTOR])

def test_read_only_properties_of_the_store(mapi):
    # PidTagExtendedRuleSizeLimit, PidTagMailboxOwnerName, PidTagMailboxOwnerEntryId, PidTagUserEntryId, PidTagContentCount
    for tag, value in ((0x0E9B0003, 1), (0x661C001F, "Somebody"), (0x661B0102, b"\1\2"), (0x66190102, b"\1\2"), (0x36020003, 77)):
        before = mapi.properties(mapi.logon_handle, [tag])[tag]
        assert [problem[1] for problem in mapi.call(rops.set_properties({tag: value})).problems] == [tag]
        assert mapi.properties(mapi.logon_handle, [tag])[tag] == before
        assert len(mapi.call(rops.delete_properties([tag])).problems) == 1


def test_out_of_office_is_for_servers_that_answer_mail(mapi):
    """Without a Sieve server nobody would: better said than kept."""
    out_of_office = 0x661D000B
    (problem,) = mapi.call(rops.set_properties({out_of_office: True})).problems
    assert problem[1:] == (out_of_office, NOT_SUPPORTED)
    assert not mapi.logon.response_flags & 0x10


def test_ids_without_a_counter(mapi):
    found = mapi.call(rops.long_term_id_from_id(mapi.logon.repl_id))
    assert (found.guid, found.counter) == (mapi.logon.repl_guid, b"\0" * 6)
    nothing = mapi.call(rops.long_term_id_from_id(0))
    assert (nothing.guid.int, nothing.counter) == (0, b"\0" * 6)
    assert mapi.call(rops.id_from_long_term_id(mapi.logon.repl_guid, b"\0" * 6)).object_id == mapi.logon.repl_id


# -- permissions ([MS-OXCPERM])

ANONYMOUS = 2**64 - 1  # MemberID -1


def test_permissions_are_kept(mapi, folder):
    member, name, rights, entry = (tag_of(tag) for tag in ("PidTagMemberId", "PidTagMemberName", "PidTagMemberRights", "PidTagEntryId"))
    anybody = struct.pack("<I", 0) + bytes.fromhex("dca740c8c042101ab4b908002b2fe182") + struct.pack("<II", 1, 0) + b"/o=X/cn=anybody\0"

    def listed(flags=0):
        table = mapi.call(rops.get_permissions_table(flags), folder[1]).handle
        return [(row[member], row[name], row[rights], row[entry]) for row in mapi.rows(table, [member, name, rights, entry])]

    def modify(*changes, flags=0):
        return mapi.try_call(rops.modify_permissions(changes, flags), folder[1]).error

    reserved = [(0, "", 0, b""), (ANONYMOUS, "Anonymous", 0, b"")]
    assert listed() == reserved
    assert modify((1, {entry: anybody, rights: 0x0000180D}), flags=0x02) == 0  # 0x4 is no right
    (number, who, *_), = listed()[2:]
    assert (number, who) == (1, "/o=X/cn=anybody") and listed()[2][2:] == (0x9, anybody) and listed(0x02)[2][2] == 0x1809
    assert modify((2, {member: number, rights: 0x401}), (2, {member: 0, rights: 0x400})) == 0
    assert [row[2] for row in listed(0x02)] == [0x400, 0, 0x1C01]  # free/busy was not asked for
    assert modify((4, {member: number})) == 0 and len(listed()) == 2
    assert modify((4, {member: number})) == NOT_FOUND and modify((1, {rights: 1})) == INVALID_PARAM
    assert modify((1, {entry: anybody, rights: 1})) == 0 and modify(flags=0x01) == 0  # row P7
    assert [row[:3] for row in listed()] == [(0, "", 0x400), (ANONYMOUS, "Anonymous", 0)]
    # Who takes the place of all others takes that of Anonymous, too; the default user stays.
    assert modify((2, {member: ANONYMOUS, rights: 0x400})) == 0 and listed()[1][2] == 0x400
    assert modify((1, {entry: anybody, rights: 1}), flags=0x01) == 0
    assert [row[2] for row in listed()] == [0x400, 0, 1]
    assert modify(flags=0x01) == 0
    assert mapi.try_call(rops.open_stream(0x0E6A001F), folder[1]).error == NOT_SUPPORTED  # PidTagSecurityDescriptorAsXml


# -- rules ([MS-OXORULE])

def test_rules_are_kept(mapi, folder, gateway, open_session):
    folder_id, handle = folder
    columns = ["PidTagRuleId", "PidTagRuleName", "PidTagRuleSequence", "PidTagRuleProviderData"]
    delete = struct.pack("<HHBII", 1, 9, 0x0A, 0, 0)

    def rule(name, sequence, data=b""):
        return (1, {"PidTagRuleName": name, "PidTagRuleProvider": "RuleOrganizer", "PidTagRuleSequence": sequence,
                    "PidTagRuleState": 1, "PidTagRuleCondition": EXIST_CLASS, "PidTagRuleActions": delete, "PidTagRuleProviderData": data})

    def listed(session, of):
        return [[row[tag_of(column)] for column in columns] for row in session.rows(session.call(rops.get_rules_table(), of).handle, columns)]

    assert listed(mapi, handle) == [] and not mapi.call(rops.open_folder(folder_id)).has_rules
    mapi.call(rops.modify_rules([rule("later", 11, b"x" * 5000), rule("first", 10)]), handle)
    first, later = listed(mapi, handle)
    assert first[1:] == ["first", 10, b""] and later[1:] == ["later", 11, b"x" * 5000] and first[0] != later[0]
    assert mapi.call(rops.open_folder(folder_id)).has_rules
    assert mapi.properties(handle, ["PidTagHasRules"])[tag_of("PidTagHasRules")] is True
    mapi.call(rops.modify_rules([(2, {"PidTagRuleId": first[0], "PidTagRuleName": "changed"}), (4, {"PidTagRuleId": later[0]})]), handle)
    other = open_session(gateway, "frank@example.test")
    assert listed(other, other.open_folder(folder_id)) == [[first[0], "changed", 10, b""]]
    assert mapi.try_call(rops.modify_rules([(4, {"PidTagRuleId": later[0]})]), handle).error == NOT_FOUND
    assert mapi.try_call(rops.modify_rules([rule("x", 1)], 0x02), handle).error == INVALID_PARAM
    assert mapi.try_call(rops.get_rules_table(0x01), handle).error == NOT_SUPPORTED
    mapi.call(rops.modify_rules([], 0x01), handle)
    assert listed(other, other.open_folder(folder_id)) == [] and not mapi.call(rops.open_folder(folder_id)).has_rules


def change_numbers(replica, count):
    """An IDSET with REPLGUID ([MS-OXCFXICS] 2.2.2.4.2) of every tenth number: each is pushed as a whole."""
    numbers = (b"\x06" + (10 * i).to_bytes(6, "big") for i in range(1, count + 1))
    return replica.bytes_le + b"".join(numbers) + b"\0"


def test_what_was_read_in_public_folders_is_kept(mapi):
    folder, counter, replica = uuid.uuid4(), b"\1\2\3\4\5\6", uuid.uuid4()
    assert mapi.try_call(rops.get_per_user_guid(folder, counter)).error == NOT_FOUND
    nothing = mapi.call(rops.read_per_user_information(folder, counter))
    assert (nothing.has_finished, nothing.data) == (1, b"")
    # Where nothing is, there is nothing behind it either.
    assert mapi.try_call(rops.read_per_user_information(folder, counter, 1)).error == EC_ERROR
    read = change_numbers(replica, 1)
    mapi.call(rops.write_per_user_information(folder, counter, read[:3], 0, False, replica))
    assert mapi.try_call(rops.write_per_user_information(folder, counter, read[3:], 2)).error == EC_ERROR  # a gap
    # What came before it is given up, as it is by a part for another folder.
    assert mapi.try_call(rops.write_per_user_information(folder, counter, read[3:], 3)).error == EC_ERROR
    mapi.call(rops.write_per_user_information(folder, counter, read[:3], 0, False, replica))
    assert mapi.try_call(rops.write_per_user_information(replica, counter, read[3:], 3)).error == EC_ERROR
    assert mapi.try_call(rops.write_per_user_information(folder, counter, read[3:], 3)).error == EC_ERROR
    mapi.call(rops.write_per_user_information(folder, counter, read[:3], 0, False, replica))
    assert mapi.call(rops.read_per_user_information(folder, counter)).data == b""
    mapi.call(rops.write_per_user_information(folder, counter, read[3:], 3))
    first = mapi.call(rops.read_per_user_information(folder, counter, 0, 5))
    assert (first.has_finished, first.data) == (0, read[:5])
    rest = mapi.call(rops.read_per_user_information(folder, counter, 5))
    assert (rest.has_finished, rest.data) == (1, read[5:])
    assert mapi.try_call(rops.read_per_user_information(folder, counter, len(read) + 1)).error == EC_ERROR
    # What is no set of change numbers leaves what was there.
    for broken in (b"abcdefg", read[:-1], read + b"\x01"):
        assert mapi.try_call(rops.write_per_user_information(folder, counter, broken, 0, True, replica)).error == CORRUPT_DATA
    assert mapi.call(rops.read_per_user_information(folder, counter)).data == read
    # In pieces of 4096 bytes at most ([MS-OXCSTOR] 3.2.5.12.1).
    mapi.call(rops.write_per_user_information(folder, counter, change_numbers(replica, 1000), 0, True, replica))
    for size in (0, 4096, 8000):
        piece = mapi.call(rops.read_per_user_information(folder, counter, 0, size))
        assert (piece.has_finished, len(piece.data)) == (0, 4096)
    assert mapi.call(rops.get_per_user_guid(folder, counter)).database_guid == replica
    assert [one[:2] for one in mapi.call(rops.get_per_user_long_term_ids(replica)).ids] == [(folder, counter)]
    assert mapi.call(rops.get_per_user_long_term_ids(folder)).ids == []


def test_names_that_imap_servers_cannot_hold(mapi, folder, dovecot, make_gateway, open_session):
    typed = ["A/B", "A\u2215B", "v1.2", "100 %", "a * b", "tab\there", "//", "..", 'what? <"old"> {x}', "Caf\u00e9 1/2"]
    handle = folder[1]
    made = {name: mapi.call(rops.create_folder(name), handle) for name in typed}
    taken = mapi.try_call(rops.create_folder("a/b"), handle)
    assert taken.error == 0x80040604  # ecDuplicateName
    mapi.call(rops.set_properties({"PidTagDisplayName": "renamed 1/2.0"}), made["v1.2"].handle)
    mapi.call(rops.move_folder(made["//"].folder_id, "moved/there"), handle, made["A/B"].handle)
    mapi.call(rops.copy_folder(made["A\u2215B"].folder_id, "copied/there"), handle, made["A/B"].handle)
    beside = set(typed) - {"v1.2", "//"} | {"renamed 1/2.0"}

    def names(session, at):
        return {row[tag_of("PidTagDisplayName")] for row in session.rows(session.hierarchy_table(at, 0), ["PidTagDisplayName"])}
    assert names(mapi, handle) == beside
    assert names(mapi, made["A/B"].handle) == {"moved/there", "copied/there"}
    # Another gateway, which has never seen them, knows only what the server holds.
    user = "frank@example.test"
    top = mapi.properties(handle, ["PidTagDisplayName"])[tag_of("PidTagDisplayName")]
    fresh = open_session(make_gateway(dovecot.tls_port), user)
    ids = {name: key for key, (name, _) in fresh.folders().items()}
    assert names(fresh, fresh.open_folder(ids[top])) == beside
    assert names(fresh, fresh.open_folder(ids["A/B"])) == {"moved/there", "copied/there"}
    listed = b"".join(dovecot.connect(user).list()[1])
    assert b"/A&IhUgYA-B/" in listed  # U+2215 and U+2060, beside A&IhU-B


def test_a_mailbox_from_a_backup_gives_uids_out_anew(certificates, make_gateway, open_session):
    def mail(number):
        text = f"Subject: {number}\nMessage-ID: <{number}@backup.test>\n\nbody of {number}\n"
        return text.encode(), None, mailgen.FIRST_DATE + number

    with Dovecot(certificates, users=(ALICE,)) as server:
        home, kept = server.folder / "home", server.folder / "kept"
        server.seed(ALICE, "INBOX", [mail(number) for number in range(1, 6)])
        server.kill()
        subprocess.run(["cp", "-a", home, kept], check=True)
        server.start()
        session = open_session(make_gateway(server.tls_port))
        inbox = session.open_folder(session.inbox)

        def ids():
            rows = session.rows(session.contents_table(inbox), ["PidTagSubject", "PidTagMid"])
            return {int(row[tag_of("PidTagSubject")]): row[tag_of("PidTagMid")] for row in rows}
        server.seed(ALICE, "INBOX", [mail(number) for number in (6, 7, 8)])
        wait_until(lambda: set(ids()) == set(range(1, 9)), "all messages", 60, 0.3)
        before = ids()
        server.kill()
        subprocess.run(["rm", "-r", home], check=True)
        subprocess.run(["cp", "-a", kept, home], check=True)
        server.start()
        assert server.seed(ALICE, "INBOX", [mail(9), mail(6)]) == [6, 7]  # which 6 and 7 had
        wait_until(lambda: set(ids()) == {1, 2, 3, 4, 5, 6, 9}, "what is there now", 60, 0.3)
        after = ids()
        assert after[9] not in before.values()
        for number, mid in after.items():
            assert number == 9 or mid == before[number], number
            message = session.open_message(session.inbox, mid)
            assert f"body of {number}" in session.properties(message, ["PidTagBody"])[tag_of("PidTagBody")]
