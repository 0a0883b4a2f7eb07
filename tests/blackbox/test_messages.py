"""What [MS-OXCMSG] says of single ROPs on messages, recipients and attachments."""
import struct
import uuid

import pytest

from harness import rops
from harness.mapihttp import Client, Session, discover
from harness.properties import Reader, tag_of

ACCESS_DENIED, NULL_OBJECT, NOT_SUPPORTED, EC_ERROR, UNKNOWN_CODE_PAGE = 0x80070005, 0x4B9, 0x80040102, 0x80004005, 0x3EF
UNEXPECTED_TYPE, COMPUTED = 0x80040304, 0x8004011A
NOT_FOUND, INVALID_PARAM = 0x8004010F, 0x80070057
FLAGS, SUBJECT = tag_of("PidTagMessageFlags"), tag_of("PidTagSubject")
CREATED, MODIFIED = tag_of("PidTagCreationTime"), tag_of("PidTagLastModificationTime")


def test_what_a_new_message_has(mapi, folder):
    message = mapi.call(rops.create_message(folder[0])).handle
    creator, creator_id, modifier, modifier_id = 0x3FF8001F, 0x3FF90102, 0x3FFA001F, 0x3FFB0102
    locale, message_locale, named = 0x66A10003, 0x3FF10003, 0x664A000B
    row = mapi.properties(message, [
        "PidTagImportance", "PidTagMessageClass", "PidTagDisplayTo", "PidTagHasAttachments", "PidTagAccess", CREATED, MODIFIED,
        "PidTagSearchKey", FLAGS, creator, creator_id, modifier, modifier_id, locale, message_locale, named])
    assert (row[tag_of("PidTagImportance")], row[tag_of("PidTagMessageClass")]) == (1, "IPM.Note")
    assert (row[tag_of("PidTagDisplayTo")], row[tag_of("PidTagHasAttachments")], row[tag_of("PidTagAccess")]) == ("", False, 7)
    assert row[CREATED] == row[MODIFIED] and row[FLAGS] == 0x409 and len(row[tag_of("PidTagSearchKey")]) == 16
    assert row[creator] and row[creator] == row[modifier] and row[creator_id] == row[modifier_id]
    assert row[locale] == row[message_locale] and row[named] is False


def test_what_a_saved_message_has(mapi, folder):
    """[MS-OXCMSG] 2.2.1 and 3.2.5.3: what was told before it was saved is told afterwards, by every handle."""
    creator, creator_id, modifier, modifier_id = 0x3FF8001F, 0x3FF90102, 0x3FFA001F, 0x3FFB0102
    locale, message_locale, named, committed, trusted = 0x66A10003, 0x3FF10003, 0x664A000B, 0x67090040, 0x0E790003
    kept = [creator, creator_id, modifier, modifier_id, locale, message_locale, named]
    for hidden in (False, True):
        message = mapi.call(rops.create_message(folder[0], hidden)).handle
        before = mapi.properties(message, kept)
        assert mapi.properties(message, [trusted])[trusted] == 1
        saved = mapi.save(message)
        reopened = mapi.call(rops.open_message(folder[0], saved, 1)).handle
        for handle in (message, reopened):
            assert mapi.properties(handle, kept) == before, hidden
            row = mapi.properties(handle, [committed, MODIFIED, CREATED])
            assert row[CREATED] <= row[MODIFIED] == row[committed]
        assert mapi.properties(message, [MODIFIED]) == mapi.properties(reopened, [MODIFIED])
        mapi.call(rops.set_properties({"PidTagSubject": "second"}), message)
        mapi.save(message)
        again = mapi.call(rops.open_message(folder[0], saved, 1)).handle
        assert mapi.properties(message, [MODIFIED, committed]) == mapi.properties(again, [MODIFIED, committed])


def test_the_language_of_a_new_message_is_its_writers(gateway, certificates):
    class German(Client):
        def connect_body(self, user_dn, **keywords):
            return super().connect_body(user_dn, lcid=0x0407, **keywords)

    port, user = gateway.https_port, "frank@example.test"
    dn, path = discover(port, certificates.ca, user, "secret")
    locale, message_locale = 0x66A10003, 0x3FF10003
    with Session(German(port, certificates.ca, user, "secret", path=path), dn) as mapi:
        mapi.client.connect(dn)
        mapi.log_on()
        message = mapi.new_message(mapi.inbox, {"PidTagSubject": "Sprache"})
        assert mapi.properties(message, [locale, message_locale]) == {locale: 0x0407, message_locale: 0x0407}
        saved = mapi.save(message)
        for handle in (message, mapi.open_message(mapi.inbox, saved)):
            assert mapi.properties(handle, [locale, message_locale]) == {locale: 0x0407, message_locale: 0x0407}
        mapi.call(rops.delete_messages([saved], hard=True), mapi.open_folder(mapi.inbox))


def test_how_it_was_opened_is_its_access_level(mapi, folder):
    level = 0x0FF70003  # [MS-OXCPRPT] 2.2.1.2
    message = mapi.new_message(folder[0], {"PidTagSubject": "x"})
    made = mapi.call(rops.create_attachment(), message).handle
    inner = mapi.call(rops.open_embedded_message(2), made).handle
    assert len(mapi.properties(inner, ["PidTagSearchKey"])[tag_of("PidTagSearchKey")]) == 16
    mapi.call(rops.save_changes_message(), inner)
    mapi.call(rops.save_changes_attachment(), made)
    saved = mapi.save(message)
    for mode, expected in ((0, 0), (1, 1), (3, 1)):
        opened = mapi.call(rops.open_message(folder[0], saved, mode)).handle
        assert mapi.properties(opened, [level])[level] == expected
        assert mapi.call(rops.get_properties_all(), opened).row[level] == expected
        inner = mapi.call(rops.open_embedded_message(), mapi.call(rops.open_attachment(0, mode), opened).handle).handle
        assert mapi.properties(inner, [level])[level] == expected


def test_a_message_opened_to_be_read_is_not_changed(mapi, folder):
    saved = mapi.save(mapi.new_message(folder[0], {"PidTagSubject": "first"}))
    message = mapi.open_message(folder[0], saved)
    assert mapi.try_call(rops.set_properties({"PidTagSubject": "second"}), message).error == ACCESS_DENIED
    assert mapi.try_call(rops.delete_properties(["PidTagSubject"]), message).error == ACCESS_DENIED
    assert mapi.try_call(rops.modify_recipients([(0, 1, "Bob", "bob@example.test")]), message).error == ACCESS_DENIED
    assert mapi.try_call(rops.create_attachment(), message).error == ACCESS_DENIED
    assert mapi.try_call(rops.save_changes_message(), message).error == EC_ERROR
    for mode in (1, 3):
        message = mapi.call(rops.open_message(folder[0], saved, mode)).handle
        mapi.call(rops.set_properties({"PidTagSubject": f"by {mode}"}), message)
        assert mapi.save(message) == saved


def test_read_only_properties_fail_when_saved(mapi, folder):
    message = mapi.new_message(folder[0], {"PidTagSubject": "first"})
    saved = mapi.save(message)
    for tag in (0x0E1B000B, 0x65E20102):  # PidTagHasAttachments, PidTagChangeKey
        assert mapi.call(rops.set_properties({tag: True if tag & 0xFFFF == 0xB else b"key"}), message).problems == []
    assert mapi.try_call(rops.save_changes_message(0x04), message).error == EC_ERROR
    message = mapi.call(rops.open_message(folder[0], saved, 1)).handle  # another handle does not know of it
    made = mapi.call(rops.create_attachment(), message)
    size, level = tag_of("PidTagAttachSize"), 0x0FF70003
    row = mapi.properties(made.handle, [size, level, CREATED, MODIFIED])
    assert (row[size], row[level]) == (0, 0) and row[CREATED] == row[MODIFIED]
    assert mapi.try_call(rops.save_changes_attachment(0x03), made.handle).error == NOT_SUPPORTED
    mapi.call(rops.save_changes_attachment(), made.handle)
    assert mapi.call(rops.set_properties({size: 1}), made.handle).problems == []
    assert mapi.try_call(rops.save_changes_attachment(), made.handle).error == EC_ERROR
    assert mapi.properties(made.handle, [size])[size] == 0
    mapi.save(message)


def test_values_of_another_type_are_refused(mapi, folder):
    """[MS-OXCDATA] 2.4.2: what was there stays, instead of something that nobody can read."""
    message = mapi.new_message(folder[0], {"PidTagSubject": "first", "PidTagImportance": 2})
    for tag, value in ((0x00170002, 0), (0x0017001F, "low"), (0x00370102, b"second"), (0x0039001F, "now")):
        assert mapi.call(rops.set_properties({0x3004001F: "fits", tag: value}), message).problems == [(1, tag, UNEXPECTED_TYPE)]
    # Strings are of both types, and what an id above 0x4000 is depends on the class of the message.
    assert mapi.call(rops.set_properties({0x0037001E: "third", 0x6800001F: "text", 0x68010003: 1}), message).problems == []
    saved = mapi.save(message)
    row = mapi.properties(mapi.open_message(folder[0], saved), [SUBJECT, "PidTagImportance", 0x3004001F, 0x6800001F, 0x68010003])
    assert list(row.values()) == ["third", 2, "fits", "text", 1]
    attachment = mapi.call(rops.create_attachment(), mapi.call(rops.open_message(folder[0], saved, 1)).handle).handle
    assert mapi.call(rops.set_properties({0x37050102: b"1"}), attachment).problems == [(0, 0x37050102, UNEXPECTED_TYPE)]


def test_the_status_is_not_set_as_a_property(mapi, folder):
    """[MS-OXCMSG] 2.2.1.8 and 3.2.5.3."""
    status, handle = 0x0E170003, folder[1]
    message = mapi.new_message(folder[0], {"PidTagSubject": "x"})
    assert mapi.call(rops.set_properties({status: 0x1000}), message).problems == [(0, status, COMPUTED)]
    saved = mapi.save(message)
    assert mapi.call(rops.set_message_status(saved, 0x2000, 0x2000), handle).message_status_flags == 0
    message = mapi.call(rops.open_message(folder[0], saved, 1)).handle
    assert mapi.call(rops.delete_properties([status]), message).problems == [(0, status, COMPUTED)]
    mapi.save(message)
    assert mapi.call(rops.set_properties({status: 0x1000}), message).problems == []
    assert mapi.try_call(rops.save_changes_message(), message).error == EC_ERROR
    assert mapi.call(rops.get_message_status(saved), handle).message_status_flags == 0x2000


def test_what_the_store_says_of_an_attachment_is_not_deleted(mapi, folder):
    number, method, key, level = tag_of("PidTagAttachNumber"), tag_of("PidTagAttachMethod"), 0x0FF90102, 0x0FF70003
    message = mapi.new_message(folder[0], {"PidTagSubject": "x"})
    made = mapi.call(rops.create_attachment(), message).handle
    assert mapi.properties(made, [method])[method] == 0  # [MS-OXCMSG] 2.2.2.9: it has just been made
    problems = mapi.call(rops.delete_properties([number, key, method, level]), made).problems
    assert problems == [(0, number, COMPUTED), (1, key, COMPUTED), (3, level, COMPUTED)]
    assert mapi.call(rops.set_properties({key: b"mine"}), made).problems == [(0, key, COMPUTED)]
    mapi.write_stream(made, "PidTagAttachDataBinary", b"data")
    assert mapi.properties(made, [method])[method] == 1
    mapi.call(rops.save_changes_attachment(), made)
    opened = mapi.open_message(folder[0], mapi.save(message))
    assert [(one["method"], one["number"]) for one in mapi.attachments(opened)] == [(1, 0)]


def test_read_flags(mapi, folder):
    folder_id, handle = folder
    message = mapi.new_message(folder_id, {"PidTagSubject": "unread", FLAGS: 0})
    saved = mapi.save(message)

    def is_read():
        return mapi.properties(mapi.open_message(folder_id, saved), [FLAGS])[FLAGS] & 1

    assert not is_read()
    assert mapi.call(rops.set_read_flags([saved], 0x40), handle).partial_completion == 0  # rfClearNotifyUnread
    assert not is_read()
    # The other id is none of this store.
    assert mapi.call(rops.set_read_flags([saved, saved + 1]), handle).partial_completion == 1
    assert is_read()


def test_odd_prefixes_and_rows_out_of_order(mapi, folder):
    prefix, rest = 0x003D001F, tag_of("PidTagNormalizedSubject")
    message = mapi.new_message(folder[0], {prefix: "a prefix of some length ", rest: "and its subject"})
    mapi.call(rops.modify_recipients([(2, 1, "C", "c@example.test"), (0, 1, "A", "a@example.test"), (1, 1, "B", "b@example.test")]),
              message)
    saved = mapi.save(message)
    opened = mapi.call(rops.open_message(folder[0], saved))
    assert (opened.subject_prefix, opened.normalized_subject) == ("a prefix of some length ", "and its subject")
    assert opened.recipient_count == 3
    assert mapi.properties(opened.handle, [SUBJECT])[SUBJECT] == "a prefix of some length and its subject"
    assert mapi.properties(opened.handle, ["PidTagDisplayTo"]) == {tag_of("PidTagDisplayTo"): "A; B; C"}
    # Editing the subject as a whole ends it.
    message = mapi.call(rops.open_message(folder[0], saved, 1)).handle
    mapi.call(rops.set_properties({"PidTagSubject": "RE: other"}), message)
    mapi.save(message)
    opened = mapi.call(rops.open_message(folder[0], saved))
    assert (opened.subject_prefix, opened.normalized_subject) == ("RE: ", "other")


def test_recipients_and_attachments_stay_as_they_are(mapi, folder):
    message = mapi.new_message(folder[0], {"PidTagSubject": "kept", "PidTagBody": "no line break"},
                               [(7, 1, "Not Resolved", ""), (3, 2, "Carol", "carol@example.test")],
                               [(f"{name}: a?.bin", name.encode()) for name in ("one", "two", "three")])
    mapi.call(rops.delete_attachment(0), message)
    saved = mapi.save(message)
    for _ in range(2):
        opened = mapi.call(rops.open_message(folder[0], saved, 1))
        assert [kind for kind, _, _ in opened.recipients] == [2, 1]
        assert mapi.properties(opened.handle, ["PidTagDisplayTo"]) == {tag_of("PidTagDisplayTo"): "Not Resolved"}
        assert [(one["number"], one["name"]) for one in mapi.attachments(opened.handle)] == [(1, "two: a?.bin"), (2, "three: a?.bin")]
        assert mapi.attachment_data(opened.handle, 2) == b"three"
        assert mapi.stream(opened.handle, "PidTagBody").decode("utf-16-le") == "no line break"
        mapi.call(rops.set_properties({"PidTagSubject": "edited"}), opened.handle)
        mapi.save(opened.handle)


def test_recipients_without_an_internet_address_are_told_as_they_came(mapi, folder):
    """[MS-OXCDATA] 2.8.3.2: whom nobody here knows is still the one that the client has written."""
    dn, entry_id, own_entry_id, key = "/o=Old Org/ou=First/cn=Recipients/cn=somebody", 0x0FFF0102, 0x5FF70102, 0x300B0102
    message = mapi.new_message(folder[0], {"PidTagSubject": "x"}, [(0, 1, "Some Body", dn)])
    for opened in (None, mapi.call(rops.open_message(folder[0], mapi.save(message)))):
        summary = opened or mapi.call(rops.reload_cached_information(), message)
        reader = Reader(summary.recipients[0][2])
        assert reader.u16() & 0x8007 == 0x0001  # X500DN
        reader.unpack("BB")
        assert (reader.string8(), reader.unicode()) == (dn, "Some Body")
        row = reader.row(summary.recipient_columns[:reader.u16()])
        address_book = uuid.UUID("c840a7dc-42c0-1a10-b4b9-08002b2fe182").bytes_le
        assert row[entry_id] == row[own_entry_id] == b"\0" * 4 + address_book + struct.pack("<II", 1, 0) + dn.encode() + b"\0"
        assert row[key] == b"EX:" + dn.upper().encode() + b"\0"


def test_embedded_messages_want_a_known_code_page(mapi, folder):
    message = mapi.new_message(folder[0], {"PidTagSubject": "outer"})
    made = mapi.call(rops.create_attachment(), message)
    mapi.call(rops.set_properties({"PidTagAttachMethod": 5}), made.handle)
    assert mapi.try_call(rops.open_embedded_message(2, code_page=0x000F), made.handle).error == UNKNOWN_CODE_PAGE
    assert mapi.try_call(rops.open_embedded_message(1), made.handle).error == 0x8004010F
    inner = mapi.call(rops.open_embedded_message(2, code_page=1252), made.handle).handle
    assert mapi.try_call(rops.open_embedded_message(1), made.handle).error == 0x8004010F  # not before it is saved
    mapi.call(rops.save_changes_message(), inner)
    mapi.call(rops.open_embedded_message(1), made.handle)


@pytest.mark.parametrize("through", ["gateway", "relay"])
def test_message_status(through, request, open_session):
    mapi = open_session(request.getfixturevalue(through), "frank@example.test")
    inbox = mapi.open_folder(mapi.inbox)
    saved = mapi.save(mapi.new_message(mapi.inbox, {"PidTagSubject": "status"}))
    assert mapi.call(rops.set_message_status(saved, 0x1000, 0x3800), inbox).message_status_flags == 0
    assert mapi.call(rops.get_message_status(saved), inbox).message_status_flags == 0x1000
    assert mapi.call(rops.set_message_status(saved, 0x800, 0x3800), inbox).message_status_flags == 0x1000
    assert mapi.call(rops.get_message_status(saved), inbox).message_status_flags == 0x800
    assert mapi.try_call(rops.get_message_status(saved), 0x7777).error == NULL_OBJECT
    mapi.call(rops.delete_messages([saved], hard=True), inbox)


def test_native_body_of_nothing(mapi, folder):
    native = 0x10160003
    for values, kind in (({}, 0), ({"PidTagBody": "text"}, 1)):
        saved = mapi.save(mapi.new_message(folder[0], {"PidTagSubject": "x", **values}))
        assert mapi.properties(mapi.open_message(folder[0], saved), [native])[native] == kind


def test_general_properties_of_all_messages(mapi, folder):
    access, level, change_key, modifier = (tag_of("PidTagAccess"), 0x0FF70003, tag_of("PidTagChangeKey"), 0x3FFA001F)
    message = mapi.new_message(folder[0], {"PidTagSubject": "x"})
    saved = mapi.save(message)
    for handle in (message, mapi.open_message(folder[0], saved)):
        row = mapi.call(rops.get_properties_all(), handle).row
        assert {access, level, change_key, CREATED, MODIFIED, modifier, tag_of("PidTagSearchKey")} <= set(row), handle


def test_the_spooler_files_what_it_has_sent(mapi, folder):
    """Row T1: PidTagTargetEntryId and PidTagDeleteAfterSubmit, once the client says that it is done."""
    folder_id, handle = folder
    finished, entry_id, target, delete = 2, 0x0FFF0102, 0x30100102, 0x0E01000B
    sent = mapi.call(rops.create_folder("sent"), handle)

    def listed(of):
        return [row[tag_of("PidTagSubject")] for row in mapi.rows(mapi.contents_table(of), ["PidTagSubject"])]

    def spool(message_id, state):
        return mapi.try_call(rops.spooler_lock_message(message_id, state)).error

    plain = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "plain"}))
    own = mapi.properties(mapi.open_message(folder_id, plain), [entry_id])[entry_id]
    there = mapi.properties(sent.handle, [entry_id])[entry_id]
    moved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "moved", target: own[:22] + there[22:46] + own[46:]}))
    gone = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "gone", delete: True}))
    for message_id in (plain, moved, gone):
        assert spool(message_id, 0) == 0
    assert sorted(listed(handle)) == ["gone", "moved", "plain"]
    for message_id in (plain, moved, gone):
        assert spool(message_id, finished) == 0
    assert listed(handle) == ["plain"] and listed(sent.handle) == ["moved"]
    assert spool(gone, finished) == 0 and spool(gone, 0) == NOT_FOUND and spool(plain, 3) == INVALID_PARAM
