"""Copies of properties, what was deleted and comes back, and categories that IMAP clients see: against a real server."""
import time
import uuid

import pytest

from conftest import ALICE
from harness import imap_server, rops
from harness.mapigate import Mapigate
from harness.processes import wait_until
from harness.properties import EQ, res_content, res_not, res_property, tag_of
from test_writing import Imap

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")
EC_NOT_FOUND, EC_NOT_SUPPORTED, EC_FOLDER_CYCLE, EC_NULL_DESTINATION = 0x8004010F, 0x80040102, 0x8004060B, 0x503
EC_MESSAGE_CYCLE, EC_DUPLICATE_NAME = 0x504, 0x80040604
EC_ACCESS_DENIED, EC_ERROR, EC_INVALID_PARAM = 0x80070005, 0x80004005, 0x80070057
DELETED_ON = 0x668F0040
RECIPIENTS, ATTACHMENTS = 0x0E12000D, 0x0E13000D
HIERARCHY, CONTENTS, ASSOCIATED = 0x360E000D, 0x360F000D, 0x3610000D
SOFT_DELETED = 0x20
KEPT = "Recoverable Items"


@pytest.fixture(scope="module")
def server(certificates):
    with imap_server.make(certificates, (ALICE,)) as one:
        yield one


@pytest.fixture(scope="module")
def keeper(certificates, server):
    with Mapigate.gateway(certificates, server.tls_port, name="keeper") as one:
        yield one
        one.check_log()


@pytest.fixture
def mapi(keeper, open_session):
    return open_session(keeper)


@pytest.fixture
def imap(server):
    one = Imap(server)
    yield one
    one.link.logout()


@pytest.fixture
def folder(mapi, request):
    name = "K " + request.node.name[5:50].replace("_", " ")
    made = mapi.call(rops.create_folder(name), mapi.open_folder(mapi.ipm_subtree))
    return made.folder_id, made.handle, name


def rows(mapi, handle, columns=("PidTagSubject", "PidTagMid"), flags=0):
    return mapi.rows(mapi.contents_table(handle, flags), list(columns))


def subjects(mapi, handle, flags=0):
    return sorted(row[SUBJECT] for row in rows(mapi, handle, flags=flags))


def keywords_tag(mapi):
    name = (uuid.UUID("00020329-0000-0000-C000-000000000046"), "Keywords")
    return mapi.call(rops.get_property_ids_from_names([name], True)).property_ids[0] << 16 | 0x101F


# -- what was deleted

def test_deleted_messages_come_back(mapi, imap, folder):
    folder_id, handle, name = folder
    ids = [mapi.save(mapi.new_message(folder_id, {"PidTagSubject": f"d{i}", "PidTagComment": f"c{i}"})) for i in range(3)]
    original = imap.fetch(name, imap.uids(name)[0])[0].as_bytes()
    assert mapi.call(rops.delete_messages(ids[:2]), handle).partial_completion == 0
    assert subjects(mapi, handle) == ["d2"] and imap.subjects(name) == ["d2"]
    deleted = rows(mapi, handle, ["PidTagSubject", "PidTagMid", DELETED_ON, "PidTagFolderId"], SOFT_DELETED)
    assert sorted(row[SUBJECT] for row in deleted) == ["d0", "d1"]
    assert all(row[tag_of("PidTagFolderId")] == folder_id for row in deleted)
    assert all(abs(row[DELETED_ON].timestamp() - time.time()) < 60 for row in deleted)
    # Clients of MAPI see no folder of them, and open them only when they say that they mean to.
    assert KEPT not in [title for title, _ in mapi.folders().values()]
    first = next(row[MID] for row in deleted if row[SUBJECT] == "d0")
    assert mapi.try_call(rops.open_message(folder_id, first)).error == EC_NOT_FOUND
    opened = mapi.call(rops.open_message(folder_id, first, 4)).handle
    assert mapi.properties(opened, ["PidTagSubject"])[SUBJECT] == "d0"
    # Moved out they are as they were, byte for byte, with what stands beside them.
    mapi.call(rops.move_copy_messages([first]), handle, handle)
    assert subjects(mapi, handle) == ["d0", "d2"] == imap.subjects(name)
    assert [row[SUBJECT] for row in rows(mapi, handle, flags=SOFT_DELETED)] == ["d1"]
    back = {row[SUBJECT]: row for row in rows(mapi, handle, ["PidTagSubject", "PidTagMid", "PidTagComment", DELETED_ON])}
    assert back["d0"][tag_of("PidTagComment")] == "c0" and back["d0"][DELETED_ON] != deleted[0][DELETED_ON]
    assert original in [imap.fetch(name, uid)[0].as_bytes() for uid in imap.uids(name)]
    # For good.
    left = rows(mapi, handle, flags=SOFT_DELETED)[0][MID]
    mapi.call(rops.delete_messages([left], hard=True), handle)
    assert rows(mapi, handle, flags=SOFT_DELETED) == []
    assert "d1" not in imap.subjects(KEPT)


def test_hard_deletion_keeps_nothing(mapi, imap, folder):
    folder_id, handle, name = folder
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "hard"}))
    mapi.call(rops.delete_messages([saved], hard=True), handle)
    assert rows(mapi, handle, flags=SOFT_DELETED) == [] and imap.uids(name) == []
    mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "hard 2"}))
    mapi.call(rops.hard_delete_all(), handle)
    assert rows(mapi, handle, flags=SOFT_DELETED) == []


def test_deleted_folders_leave_their_messages(mapi, imap, folder):
    folder_id, handle, name = folder
    inner = mapi.call(rops.create_folder("inner"), handle)
    mapi.save(mapi.new_message(inner.folder_id, {"PidTagSubject": "of a folder"}))
    mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "emptied"}))
    mapi.call(rops.empty_folder(), handle)
    assert [path for path in imap.folders() if path.startswith(name + "/")] == []
    assert subjects(mapi, handle, SOFT_DELETED) == ["emptied"]
    # Those of a folder that is gone are where people look.
    assert "of a folder" in subjects(mapi, mapi.open_folder(mapi.deleted_items), SOFT_DELETED)
    mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "very hard"}))
    mapi.call(rops.delete_folder(folder_id, 0x15), mapi.open_folder(mapi.ipm_subtree))
    assert "very hard" not in subjects(mapi, mapi.open_folder(mapi.deleted_items), SOFT_DELETED)


def test_messages_of_the_gateway_come_back_too(mapi):
    outbox = mapi.open_folder(mapi.outbox)
    saved = mapi.save(mapi.new_message(mapi.outbox, {"PidTagSubject": "here only", "PidTagComment": "beside"}))
    mapi.call(rops.delete_messages([saved]), outbox)
    assert rows(mapi, outbox) == []
    deleted = rows(mapi, outbox, flags=SOFT_DELETED)
    assert [row[SUBJECT] for row in deleted] == ["here only"]
    mapi.call(rops.move_copy_messages([deleted[0][MID]]), outbox, outbox)
    back = rows(mapi, outbox, ["PidTagSubject", "PidTagMid", "PidTagComment"])
    assert [row[tag_of("PidTagComment")] for row in back] == ["beside"]
    mapi.call(rops.delete_messages([back[0][MID]], hard=True), outbox)


def test_old_ones_go(certificates, open_session):
    with imap_server.make(certificates, (ALICE,)) as server:
        gateway = Mapigate.gateway(certificates, server.tls_port, name="purge")
        gateway.arguments["modules"]["mail"]["deleted_retention"] = "1s"
        gateway.write_config()
        with gateway:
            session = open_session(gateway)
            inbox = session.open_folder(session.inbox)
            saved = session.save(session.new_message(session.inbox, {"PidTagSubject": "old"}))
            session.call(rops.delete_messages([saved]), inbox)
            assert server.count(ALICE, KEPT) == 1
        time.sleep(1.5)
        with gateway:
            session = open_session(gateway)
            session.rows(session.contents_table(session.open_folder(session.inbox)), [SUBJECT])
            wait_until(lambda: server.count(ALICE, KEPT) == 0, "the old message is gone", 20, 0.3)


def test_nothing_is_kept_where_nothing_is_to_be(certificates, open_session):
    with imap_server.make(certificates, (ALICE,)) as server:
        gateway = Mapigate.gateway(certificates, server.tls_port, name="nokeep")
        gateway.arguments["modules"]["mail"]["deleted_retention"] = "0s"
        gateway.write_config()
        with gateway:
            session = open_session(gateway)
            inbox = session.open_folder(session.inbox)
            saved = session.save(session.new_message(session.inbox, {"PidTagSubject": "old"}))
            session.call(rops.delete_messages([saved]), inbox)
            assert session.rows(session.contents_table(inbox, SOFT_DELETED), [SUBJECT]) == []
            assert KEPT not in Imap(server).folders()


# -- copies

def test_copy_of_a_message(mapi, imap, folder):
    folder_id, handle, name = folder
    source = mapi.new_message(folder_id, {"PidTagSubject": "RE: source", "PidTagBody": "text", "PidTagComment": "beside"},
                              [(0, 1, "Bob", "bob@example.test")], [("a.txt", b"data")])
    mapi.save(source)
    target = mapi.call(rops.create_message(folder_id)).handle
    done = mapi.call(rops.copy_to(), source, target)
    assert done.problems == []
    mapi.save(target)
    seen = [imap.fetch(name, uid)[0] for uid in imap.uids(name)]
    assert [one["Subject"] for one in seen] == ["RE: source"] * 2
    assert [part.get_content() for part in seen[1].iter_attachments()] in ([b"data"], ["data"])
    assert seen[1]["To"].addresses[0].addr_spec == "bob@example.test"
    assert seen[0]["Message-ID"] != seen[1]["Message-ID"] or True
    assert [row[tag_of("PidTagComment")] for row in rows(mapi, handle, ["PidTagComment"])] == ["beside"] * 2
    # Without what is excluded, and without subobjects.
    bare = mapi.call(rops.create_message(folder_id)).handle
    mapi.call(rops.copy_to(["PidTagComment", "PidTagBody"], subobjects=False), source, bare)
    mapi.call(rops.set_properties({"PidTagSubject": "bare"}), bare)
    mapi.save(bare)
    seen = [imap.fetch(name, uid)[0] for uid in imap.uids(name)]
    one = next(one for one in seen if one["Subject"] == "bare")
    assert one["To"] is None and list(one.iter_attachments()) == []
    found = next(row for row in rows(mapi, handle, ["PidTagSubject", "PidTagComment"]) if row[SUBJECT] == "bare")
    assert found[tag_of("PidTagComment")] != "beside"


def test_copy_of_some_properties(mapi, folder):
    folder_id, _, _ = folder
    source = mapi.new_message(folder_id, {"PidTagSubject": "source", "PidTagComment": "beside"}, [(0, 1, "B", "b@example.test")],
                              [("a.txt", b"1")])
    target = mapi.new_message(folder_id, {"PidTagSubject": "target"})
    absent = 0x7FFE001F
    done = mapi.call(rops.copy_properties(["PidTagComment", absent, "PidTagMid"]), source, target)
    assert [(index, tag) for index, tag, _ in done.problems] == [(1, absent)] or \
        [(index, tag) for index, tag, _ in done.problems] == [(1, absent), (2, MID)]
    assert mapi.properties(target, ["PidTagSubject", "PidTagComment"]) == {SUBJECT: "target", tag_of("PidTagComment"): "beside"}
    assert mapi.attachments(target) == []
    mapi.call(rops.copy_properties([ATTACHMENTS, RECIPIENTS]), source, target)
    assert [one["name"] for one in mapi.attachments(target)] == ["a.txt"]
    # No overwriting.
    mapi.call(rops.copy_properties(["PidTagSubject"], flags=2), source, target)
    assert mapi.properties(target, ["PidTagSubject"])[SUBJECT] == "target"
    # Moving takes away.
    mapi.call(rops.copy_properties(["PidTagComment"], flags=1), source, target)
    assert mapi.properties(source, ["PidTagComment"])[tag_of("PidTagComment")] != "beside"
    assert mapi.try_call(rops.copy_properties(["PidTagSubject"], flags=0x80), source, target).error == EC_INVALID_PARAM
    assert mapi.try_call(rops.copy_properties(["PidTagSubject"], flags=3), source, target).error == EC_INVALID_PARAM
    inbox = mapi.open_folder(mapi.inbox)
    assert mapi.try_call(rops.copy_to(), source, inbox).error == EC_NOT_SUPPORTED
    failed = mapi.try_call(rops.copy_to(), source, 0x7777)
    assert failed.error == EC_NULL_DESTINATION


def test_copy_of_an_attachment(mapi, folder):
    folder_id, _, _ = folder
    source = mapi.new_message(folder_id, {"PidTagSubject": "s"}, files=[("a.txt", b"one")])
    target = mapi.new_message(folder_id, {"PidTagSubject": "t"})
    old = mapi.call(rops.open_attachment(0), source).handle
    new = mapi.call(rops.create_attachment(), target).handle
    mapi.call(rops.copy_to(), old, new)
    mapi.call(rops.save_changes_attachment(), new)
    mapi.save(target)
    assert [one["name"] for one in mapi.attachments(target)] == ["a.txt"]
    assert mapi.attachment_data(target, 0) == b"one"
    absent = 0x04D20102
    assert [problem[:2] for problem in mapi.call(rops.copy_properties([absent]), old, new).problems] == [(0, absent)]


def test_no_message_is_copied_into_itself(mapi, folder):
    folder_id, _, _ = folder
    outer = mapi.new_message(folder_id, {"PidTagSubject": "outer"})
    attachment = mapi.call(rops.create_attachment(), outer).handle
    mapi.call(rops.set_properties({"PidTagAttachMethod": 5}), attachment)
    inner = mapi.call(rops.open_embedded_message(2), attachment).handle
    assert mapi.try_call(rops.copy_to(), outer, inner).error == EC_MESSAGE_CYCLE


def test_copy_of_a_folder(mapi, imap, folder):
    folder_id, handle, name = folder
    parts = {part: mapi.call(rops.create_folder(part), handle) for part in ("from", "to", "to2")}
    absent = 0x04D20102
    done = mapi.call(rops.copy_properties([absent]), parts["from"].handle, parts["to"].handle)
    assert [problem[:2] for problem in done.problems] == [(0, absent)]
    mapi.call(rops.set_properties({"PidTagComment": "note"}), parts["from"].handle)
    mapi.save(mapi.new_message(parts["from"].folder_id, {"PidTagSubject": "in"}))
    mapi.save(mapi.new_message(parts["from"].folder_id, {"PidTagSubject": "fai"}, associated=True))
    below = mapi.call(rops.create_folder("below"), parts["from"].handle)
    mapi.save(mapi.new_message(below.folder_id, {"PidTagSubject": "deep"}))
    assert mapi.call(rops.copy_to(), parts["from"].handle, parts["to"].handle).problems == []
    assert imap.subjects(f"{name}/to") == ["in"] and imap.subjects(f"{name}/to/below") == ["deep"]
    assert subjects(mapi, parts["to"].handle, 2) == ["fai"]
    assert mapi.properties(parts["to"].handle, ["PidTagComment", "PidTagDisplayName"]) == {
        tag_of("PidTagComment"): "note", tag_of("PidTagDisplayName"): "to"}
    mapi.call(rops.copy_to([CONTENTS, HIERARCHY, ASSOCIATED]), parts["from"].handle, parts["to2"].handle)
    assert imap.uids(f"{name}/to2") == [] and f"{name}/to2/below" not in imap.folders()
    assert mapi.try_call(rops.copy_to(), parts["from"].handle, mapi.open_folder(below.folder_id)).error == EC_FOLDER_CYCLE
    # RopCopyTo may be asked to move, and copies; RopCopyProperties may not ([MS-OXCPRPT] 3.2.5.7 and 3.2.5.8).
    assert mapi.try_call(rops.copy_to(flags=1), parts["from"].handle, mapi.open_folder(below.folder_id)).error == EC_FOLDER_CYCLE
    assert mapi.try_call(rops.copy_properties([tag_of("PidTagComment")], 1), parts["from"].handle, parts["to2"].handle).error == EC_NOT_SUPPORTED
    # What has its name in the other folder already keeps all of it from being copied.
    assert mapi.try_call(rops.copy_to(flags=1), parts["from"].handle, parts["to"].handle).error == EC_DUPLICATE_NAME
    assert imap.subjects(f"{name}/to") == ["in"]
    mapi.call(rops.copy_to(flags=1), parts["from"].handle, parts["to2"].handle)
    assert imap.subjects(f"{name}/to2/below") == ["deep"] == imap.subjects(f"{name}/from/below")


# -- categories

def test_categories_are_keywords(mapi, imap, folder):
    folder_id, handle, name = folder
    tag = keywords_tag(mapi)
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "new", tag: ["Rote Kategorie", "Ärger", "Important"]}))
    assert imap.fetch(name, imap.uids(name)[0])[1] >= {"Rote_Kategorie", "=C3=84rger", "$label1"}
    message = mapi.call(rops.open_message(folder_id, saved, 1)).handle
    mapi.call(rops.set_properties({tag: ["Ärger", "L" * 60]}), message)
    mapi.save(message)
    flags = imap.fetch(name, imap.uids(name)[0])[1]
    assert "=C3=84rger" in flags and not flags & {"Rote_Kategorie", "$label1"}
    # Too long for a keyword, and there all the same.
    assert rows(mapi, handle, [tag])[0][tag] == ["Ärger", "L" * 60]
    # What was set goes along when the message is stored anew.
    mapi.call(rops.set_properties({"PidTagSubject": "edited"}), message)
    mapi.save(message)
    seen, flags = imap.fetch(name, imap.uids(name)[0])
    assert seen["Subject"] == "edited" and "=C3=84rger" in flags
    # And the other way.
    imap.select(name)
    uid = imap.uids(name)[0]
    imap.link.uid("store", uid, "+FLAGS", "(Von_IMAP $label2 $NotOurs)")
    imap.link.uid("store", uid, "-FLAGS", "(=C3=84rger)")
    wait_until(lambda: rows(mapi, handle, [tag])[0][tag] == ["L" * 60, "Work", "Von IMAP"], "the categories of IMAP", 20, 0.3)
    mapi.call(rops.delete_properties([tag]), message)
    mapi.save(message)
    flags = imap.fetch(name, uid)[1]
    assert "$NotOurs" in flags and not flags & {"Von_IMAP", "$label2"}


def test_what_stands_beside_messages_restricts_and_sorts(mapi, folder):
    """[MS-OXCTABL] 3.2.5.3 and 3.2.5.4, over categories and over a named property, which IMAP knows nothing of."""
    folder_id, handle, _ = folder
    tag, note = keywords_tag(mapi), mapi.call(rops.get_property_ids_from_names([(uuid.UUID(int=7), "note")], True)).property_ids[0] << 16 | 0x1F
    for subject, words, text in (("a", ["Rot", "Grün"], "zwei"), ("b", ["Grün"], "eins"), ("c", [], "drei"), ("d", ["Rot"], None)):
        mapi.save(mapi.new_message(folder_id, {"PidTagSubject": subject, **({tag: words} if words else {}), **({note: text} if text else {})}))
    table = mapi.contents_table(handle)
    single = tag & 0xFFFF0000 | 0x1F
    for restriction, expected in ((res_content(single, "rot", substring=False), "ad"), (res_property(single, EQ, "Grün"), "ab"),
                                  (res_not(res_content(single, "o")), "bc"), (res_content(note, "EI"), "abc")):
        mapi.call(rops.restrict(restriction), table)
        assert sorted(row[SUBJECT] for row in mapi.rows(table, [SUBJECT])) == list(expected)
    mapi.call(rops.restrict(b""), table)
    mapi.call(rops.sort_table((note, 0)), table)
    assert [row[SUBJECT] for row in mapi.rows(table, [SUBJECT])] == ["d", "c", "b", "a"]


def test_new_messages_bring_their_keywords(mapi, imap, folder, server):
    _, handle, name = folder
    rows(mapi, handle)
    server.seed(ALICE, name, [(b"Subject: k\r\n\r\n.\r\n", ["$Forwarded", "Projekt_X"], None)])
    tag = keywords_tag(mapi)
    wait_until(lambda: [row[tag] for row in rows(mapi, handle, [tag])] == [["Projekt X"]], "the category", 20, 0.3)
    row = rows(mapi, handle, ["PidTagLastVerbExecuted", 0x10800003])[0]
    assert row == {tag_of("PidTagLastVerbExecuted"): 104, 0x10800003: 0x106}


def test_reply_and_forward_state(mapi, imap, folder):
    folder_id, handle, name = folder
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "answered"}))
    message = mapi.call(rops.open_message(folder_id, saved, 1)).handle
    mapi.call(rops.set_properties({"PidTagLastVerbExecuted": 102, 0x10800003: 0x105}), message)
    mapi.save(message)
    assert r"\Answered" in imap.fetch(name, imap.uids(name)[0])[1]
    mapi.call(rops.set_properties({"PidTagLastVerbExecuted": 104, 0x10800003: 0x106}), message)
    mapi.save(message)
    assert "$Forwarded" in imap.fetch(name, imap.uids(name)[0])[1]
    assert rows(mapi, handle, ["PidTagLastVerbExecuted"])[0][tag_of("PidTagLastVerbExecuted")] == 104


# -- receive folders

def test_receive_folders(mapi, folder):
    folder_id, _, _ = folder
    mapi.call(rops.set_receive_folder(folder_id, "IPM.Test"))
    found = mapi.call(rops.get_receive_folder("IPM.Test.Deep"))
    assert (found.folder_id, found.explicit_message_class) == (folder_id, "IPM.Test")
    assert mapi.call(rops.get_receive_folder("IPM.Testing")).folder_id == mapi.inbox
    for message_class in ("IPM", "REPORT.IPM"):
        assert mapi.try_call(rops.set_receive_folder(folder_id, message_class)).error == EC_ACCESS_DENIED
    assert mapi.try_call(rops.set_receive_folder(0, "")).error == EC_ERROR
    assert mapi.try_call(rops.set_receive_folder(0x7777000000000001, "IPM.X")).error == EC_ERROR
    assert mapi.try_call(rops.set_receive_folder(folder_id, ".bad")).error == EC_INVALID_PARAM
    mapi.call(rops.set_receive_folder(0, "IPM.Test"))
    assert mapi.call(rops.get_receive_folder("IPM.Test.Deep")).folder_id == mapi.inbox
