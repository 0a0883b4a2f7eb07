"""What a MAPI client writes is what IMAP holds, and the other way; a kill in between loses and doubles nothing."""
import contextlib
import email
import email.policy
import random
import re
import threading
import time

import pytest

from conftest import ALICE
from harness import imap_server, rops
from harness.dovecot import modified_utf7
from harness.processes import wait_until
from harness.properties import tag_of

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")
EC_NOT_FOUND, EC_ACCESS_DENIED, EC_DUPLICATE_NAME, EC_OBJECT_MODIFIED = 0x8004010F, 0x80070005, 0x80040604, 0x80040109


class Imap:
    """The same mailbox by imaplib."""

    def __init__(self, server, user=ALICE):
        self.link = server.connect(user)

    def select(self, folder):
        status, data = self.link.select(f'"{modified_utf7(folder)}"')
        assert status == "OK", data

    def uids(self, folder):
        self.select(folder)
        return self.link.uid("search", None, "ALL")[1][0].split()

    def fetch(self, folder, uid):
        """(message, flags)"""
        self.select(folder)
        data = self.link.uid("fetch", uid, "(FLAGS BODY.PEEK[])")[1]
        flags = set(re.search(rb"FLAGS \((.*?)\)", data[0][0] + (data[1] if isinstance(data[1], bytes) else b"")).group(1)
                    .decode().split())
        return email.message_from_bytes(data[0][1], policy=email.policy.default), flags - {r"\Recent"}

    def only(self, folder):
        uids = self.uids(folder)
        assert len(uids) == 1, uids
        return self.fetch(folder, uids[0])

    def folders(self):
        return [line.decode().rsplit(' "/" ', 1)[1].strip('"') for line in self.link.list()[1]]

    def subjects(self, folder, which="ALL"):
        self.select(folder)
        found, uids = [], self.link.uid("search", None, which)[1][0].split()
        for item in uids and self.link.uid("fetch", b",".join(uids), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(item, tuple):
                found.append(str(email.message_from_bytes(item[1], policy=email.policy.default)["Subject"]))
        return sorted(found)


@pytest.fixture(scope="module")
def server(certificates):
    with imap_server.make(certificates, (ALICE,)) as one:
        yield one


@pytest.fixture(scope="module")
def writer(certificates, server):
    from harness.mapigate import Mapigate
    with Mapigate.gateway(certificates, server.tls_port, name="writer") as one:
        yield one
        one.check_log()


@pytest.fixture
def imap(server):
    one = Imap(server)
    yield one
    with contextlib.suppress(Exception):
        one.link.logout()


@pytest.fixture
def mapi(writer, open_session):
    return open_session(writer)


@pytest.fixture
def folder(mapi, request):
    """A mail folder of the test's own, made by MAPI: (id, handle, name)."""
    name = "T " + re.sub(r"\W", " ", request.node.name)[:60]
    made = mapi.call(rops.create_folder(name), mapi.open_folder(mapi.ipm_subtree))
    return made.folder_id, made.handle, name


def rows(mapi, handle, columns=("PidTagSubject", "PidTagMid"), flags=0):
    return mapi.rows(mapi.contents_table(handle, flags), list(columns))


def test_new_message_is_what_imap_holds(mapi, imap, folder):
    folder_id, handle, name = folder
    message = mapi.new_message(
        folder_id, {"PidTagSubject": "Grüße aus München – 日本", "PidTagBody": "Zeile 1\r\nZeile ü\r\n", "PidTagImportance": 2},
        [(0, 1, "Bob, der Baumeister", "bob@example.test"), (1, 2, "Carol", "carol@example.test"), (2, 3, "Dave", "dave@example.test")],
        [("Übersicht.txt", b"inhalt" * 100), ("big.bin", bytes(range(256)) * 1000)])
    assert imap.uids(name) == []  # not before it is saved
    saved = mapi.save(message)
    seen, flags = imap.only(name)
    assert flags == {r"\Seen", r"\Draft"}
    assert seen["Subject"] == "Grüße aus München – 日本"
    assert [address.addr_spec for address in seen["To"].addresses] == ["bob@example.test"]
    assert seen["To"].addresses[0].display_name == "Bob, der Baumeister"
    assert [address.addr_spec for address in seen["Bcc"].addresses] == ["dave@example.test"]
    assert seen["From"].addresses[0].addr_spec == ALICE
    assert seen["Importance"] == "high"
    assert seen.get_body(("plain",)).get_content().replace("\r\n", "\n") == "Zeile 1\nZeile ü\n"
    files = {part.get_filename(): part.get_payload(decode=True) for part in seen.iter_attachments()}
    assert files["big.bin"] == bytes(range(256)) * 1000
    assert files["Übersicht.txt"] == b"inhalt" * 100
    table = rows(mapi, handle, ["PidTagSubject", "PidTagMid", "PidTagDisplayTo", "PidTagHasAttachments"])
    assert [row[MID] for row in table] == [saved]
    assert table[0][tag_of("PidTagHasAttachments")] is True
    assert table[0][tag_of("PidTagDisplayTo")] == "Bob, der Baumeister"
    again = mapi.open_message(folder_id, saved)
    assert mapi.stream(again, "PidTagBody").decode("utf-16-le") == "Zeile 1\r\nZeile ü\r\n"
    assert mapi.attachment_data(again, 1) == bytes(range(256)) * 1000


def test_html_with_inline_picture(mapi, imap, folder):
    folder_id, _, name = folder
    html = '<html><body>Größe <img src="cid:pic@1"></body></html>'.encode()
    message = mapi.new_message(folder_id, {"PidTagSubject": "html", "PidTagInternetCodepage": 65001})
    mapi.write_stream(message, "PidTagHtml", html)
    mapi.attach(message, "pic.png", b"PNG", "pic@1")
    mapi.save(message)
    seen, _ = imap.only(name)
    assert "Größe" in seen.get_body(("html",)).get_content()
    assert "Größe" in seen.get_body(("plain",)).get_content()
    pictures = [part for part in seen.walk() if part["Content-ID"] == "<pic@1>"]
    assert len(pictures) == 1 and pictures[0].get_content() == b"PNG"


def test_editing_keeps_the_id_and_one_copy(mapi, imap, folder):
    folder_id, handle, name = folder
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "first", "PidTagBody": "one"}, files=[("a.txt", b"a")]))
    message = mapi.call(rops.open_message(folder_id, saved, 1)).handle
    mapi.call(rops.set_properties({"PidTagSubject": "second"}), message)
    mapi.attach(message, "b.txt", b"b")
    assert mapi.save(message) == saved
    seen, _ = imap.only(name)
    assert seen["Subject"] == "second"
    assert sorted(part.get_filename() for part in seen.iter_attachments()) == ["a.txt", "b.txt"]
    assert seen.get_body(("plain",)).get_content().strip() == "one"
    assert [row[MID] for row in rows(mapi, handle)] == [saved]
    mapi.call(rops.delete_attachment(0), message)
    assert mapi.save(message) == saved
    seen, _ = imap.only(name)
    assert [part.get_filename() for part in seen.iter_attachments()] == ["b.txt"]


def test_what_imap_cannot_hold_stays_beside_it(mapi, imap, folder, writer, open_session):
    folder_id, handle, name = folder
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "x"}))
    before = imap.uids(name)
    message = mapi.call(rops.open_message(folder_id, saved, 1)).handle
    import uuid
    ps_public = uuid.UUID("00020329-0000-0000-C000-000000000046")
    named = mapi.call(rops.get_property_ids_from_names([(ps_public, "Keywords"), (ps_public, "test-note")], True)).property_ids
    keywords, note = named[0] << 16 | 0x101F, named[1] << 16 | 0x001F
    mapi.call(rops.set_properties({keywords: ["Rot", "Blau"], note: "geheim", "PidTagComment": "Notiz", "PidTagFlagStatus": 2}), message)
    mapi.save(message)
    assert imap.uids(name) == before  # no copy was made
    assert r"\Flagged" in imap.fetch(name, before[0])[1]
    other = open_session(writer)
    row = other.properties(other.open_message(folder_id, saved), [keywords, note, "PidTagComment", "PidTagFlagStatus"])
    assert row == {keywords: ["Rot", "Blau"], note: "geheim", tag_of("PidTagComment"): "Notiz", tag_of("PidTagFlagStatus"): 2}
    assert rows(mapi, handle, [keywords])[0][keywords] == ["Rot", "Blau"]
    # It goes along when the message is edited and when it moves.
    mapi.call(rops.set_properties({"PidTagSubject": "y"}), message)
    mapi.save(message)
    mapi.call(rops.move_copy_messages([saved]), handle, mapi.open_folder(mapi.deleted_items))
    assert imap.uids(name) == []
    table = rows(mapi, mapi.open_folder(mapi.deleted_items), ["PidTagSubject", note])
    assert [row[note] for row in table if row[SUBJECT] == "y"] == ["geheim"]


def test_conflicts_are_told(mapi, folder, writer, open_session):
    folder_id, _, _ = folder
    saved = mapi.save(mapi.new_message(folder_id, {"PidTagSubject": "x"}))
    other = open_session(writer)
    mine, theirs = (session.call(rops.open_message(folder_id, saved, 1)).handle for session in (mapi, other))
    other.call(rops.set_properties({"PidTagSubject": "theirs"}), theirs)
    other.save(theirs)
    mapi.call(rops.set_properties({"PidTagSubject": "mine"}), mine)
    assert mapi.try_call(rops.save_changes_message(), mine).error == EC_OBJECT_MODIFIED
    assert mapi.try_call(rops.save_changes_message(0x06), mine).error == 0


def test_move_copy_delete(mapi, imap, folder):
    folder_id, handle, name = folder
    ids = [mapi.save(mapi.new_message(folder_id, {"PidTagSubject": f"m{i}"})) for i in range(4)]
    second = mapi.call(rops.create_folder(name + " 2"), mapi.open_folder(mapi.ipm_subtree))
    mapi.call(rops.move_copy_messages(ids[:2]), handle, second.handle)
    mapi.call(rops.move_copy_messages(ids[2:3], copy=True), handle, second.handle)
    assert imap.subjects(name) == ["m2", "m3"]
    assert imap.subjects(name + " 2") == ["m0", "m1", "m2"]
    assert sorted(row[SUBJECT] for row in rows(mapi, handle)) == ["m2", "m3"]
    assert sorted(row[SUBJECT] for row in rows(mapi, second.handle)) == ["m0", "m1", "m2"]
    mapi.call(rops.delete_messages([ids[2]]), handle)
    mapi.call(rops.delete_messages([ids[3]], hard=True), handle)
    assert imap.uids(name) == []
    # Row P13: what is gone is no error, and neither is a move to where it is.
    response = mapi.call(rops.delete_messages(ids), handle)
    assert response.partial_completion == 0
    mapi.call(rops.move_copy_messages([row[MID] for row in rows(mapi, second.handle)]), second.handle, second.handle)
    assert imap.subjects(name + " 2") == ["m0", "m1", "m2"]
    # To a folder that IMAP knows nothing of, and back.
    outbox = mapi.open_folder(mapi.outbox)
    mapi.call(rops.move_copy_messages([row[MID] for row in rows(mapi, second.handle) if row[SUBJECT] == "m0"]), second.handle, outbox)
    assert imap.subjects(name + " 2") == ["m1", "m2"]
    assert [row[SUBJECT] for row in rows(mapi, outbox)] == ["m0"]
    mapi.call(rops.move_copy_messages([row[MID] for row in rows(mapi, outbox)]), outbox, second.handle)
    assert imap.subjects(name + " 2") == ["m0", "m1", "m2"]
    assert rows(mapi, outbox) == []


def test_associated_messages_stand_apart(mapi, imap, folder, writer, open_session):
    folder_id, handle, name = folder
    message = mapi.new_message(folder_id, {"PidTagMessageClass": "IPM.Configuration.Test", "PidTagSubject": "settings",
                                           "PidTagRoamingDatatypes": 4}, associated=True)
    saved = mapi.save(message)
    assert imap.uids(name) == []
    assert rows(mapi, handle) == []
    other = open_session(writer)
    table = rows(other, other.open_folder(folder_id), ["PidTagMessageClass", "PidTagMid", "PidTagRoamingDatatypes"], flags=2)
    assert [(row[tag_of("PidTagMessageClass")], row[MID], row[tag_of("PidTagRoamingDatatypes")]) for row in table] == [
        ("IPM.Configuration.Test", saved, 4)]
    assert other.properties(other.open_folder(folder_id), ["PidTagAssociatedContentCount"]) == {
        tag_of("PidTagAssociatedContentCount"): 1}
    opened = other.call(rops.open_message(folder_id, saved, 1)).handle
    other.call(rops.set_properties({"PidTagSubject": "changed"}), opened)
    assert other.save(opened) == saved
    assert mapi.properties(mapi.open_message(folder_id, saved), ["PidTagSubject"])[SUBJECT] == "changed"
    mapi.call(rops.delete_messages([saved]), handle)
    assert rows(mapi, handle, flags=2) == []


def test_embedded_message(mapi, imap, folder):
    folder_id, _, name = folder
    message = mapi.new_message(folder_id, {"PidTagSubject": "outer", "PidTagBody": "o"})
    attachment = mapi.call(rops.create_attachment(), message).handle
    mapi.call(rops.set_properties({"PidTagAttachMethod": 5, "PidTagDisplayName": "inner"}), attachment)
    inner = mapi.call(rops.open_embedded_message(2), attachment).handle
    mapi.call(rops.set_properties({"PidTagSubject": "inner ü", "PidTagBody": "i"}), inner)
    mapi.call(rops.modify_recipients([(0, 1, "Eve", "eve@example.test")]), inner)
    mapi.call(rops.save_changes_message(), inner)
    mapi.call(rops.save_changes_attachment(), attachment)
    mapi.save(message)
    seen, _ = imap.only(name)
    embedded = [part for part in seen.walk() if part.get_content_type() == "message/rfc822"]
    assert embedded[0].get_content()["Subject"] == "inner ü"
    assert embedded[0].get_content()["To"].addresses[0].addr_spec == "eve@example.test"
    # And once more, as Outlook edits exceptions of a series.
    saved = mapi.save(message)
    message = mapi.call(rops.open_message(folder_id, saved, 1)).handle
    attachment = mapi.call(rops.open_attachment(0, 1), message).handle
    inner = mapi.call(rops.open_embedded_message(1), attachment).handle
    mapi.call(rops.set_properties({"PidTagSubject": "edited", "PidTagComment": "beside"}), inner)
    mapi.call(rops.save_changes_message(), inner)
    mapi.call(rops.save_changes_attachment(), attachment)
    mapi.save(message)
    seen, _ = imap.only(name)
    assert [part.get_content()["Subject"] for part in seen.walk() if part.get_content_type() == "message/rfc822"] == ["edited"]
    attachment = mapi.call(rops.open_attachment(0), mapi.open_message(folder_id, saved)).handle
    inner = mapi.call(rops.open_embedded_message(), attachment).handle
    assert mapi.properties(inner, ["PidTagComment"]) == {tag_of("PidTagComment"): "beside"}


def test_folders(mapi, imap, folder):
    folder_id, handle, name = folder
    made = mapi.call(rops.create_folder("Ordner & Übung"), handle)
    assert modified_utf7(f"{name}/Ordner & Übung") in imap.folders()
    assert mapi.try_call(rops.create_folder("ORDNER & übung"), handle).error == EC_DUPLICATE_NAME
    existing = mapi.call(rops.create_folder("Ordner & Übung", open_existing=True), handle)
    assert (existing.folder_id, existing.is_existing) == (made.folder_id, 0)  # [MS-OXCFOLD] 2.2.1.2.2
    assert mapi.properties(made.handle, ["PidTagComment"]) == {tag_of("PidTagComment"): ""}
    inside = mapi.save(mapi.new_message(made.folder_id, {"PidTagSubject": "inside"}))
    mapi.call(rops.set_properties({"PidTagDisplayName": "Neu", "PidTagComment": "über"}), made.handle)
    assert f"{name}/Neu" in imap.folders() and imap.subjects(f"{name}/Neu") == ["inside"]
    assert mapi.properties(made.handle, ["PidTagDisplayName", "PidTagComment"]) == {
        tag_of("PidTagDisplayName"): "Neu", tag_of("PidTagComment"): "über"}
    assert [row[MID] for row in rows(mapi, made.handle)] == [inside]  # the ids outlive the new name
    other = mapi.call(rops.create_folder("Ziel"), handle)
    mapi.call(rops.move_folder(made.folder_id, "Neu"), handle, other.handle)
    assert f"{name}/Ziel/Neu" in imap.folders() and f"{name}/Neu" not in imap.folders()
    assert [row[MID] for row in rows(mapi, mapi.open_folder(made.folder_id))] == [inside]
    assert mapi.try_call(rops.move_folder(other.folder_id, "x"), handle, mapi.open_folder(made.folder_id)).error == 0x8004060B
    mapi.call(rops.copy_folder(other.folder_id, "Kopie"), handle, handle)
    assert imap.subjects(f"{name}/Kopie/Neu") == ["inside"]
    assert mapi.call(rops.delete_folder(other.folder_id, 0), handle).partial_completion == 1
    mapi.call(rops.delete_folder(other.folder_id), handle)
    assert [path for path in imap.folders() if path.startswith(f"{name}/Ziel")] == []
    mapi.call(rops.empty_folder(), handle)
    assert [path for path in imap.folders() if path.startswith(name + "/")] == []
    assert mapi.try_call(rops.delete_folder(mapi.sent_items), mapi.open_folder(mapi.ipm_subtree)).error == EC_ACCESS_DENIED


def test_row_p8_special_folder_lists_keep_their_rest(mapi):
    inbox = mapi.open_folder(mapi.inbox)
    before = mapi.properties(inbox, ["PidTagAdditionalRenEntryIds"])[tag_of("PidTagAdditionalRenEntryIds")]
    mapi.call(rops.set_properties({"PidTagAdditionalRenEntryIds": before[:4]}), inbox)
    assert mapi.properties(inbox, ["PidTagAdditionalRenEntryIds"])[tag_of("PidTagAdditionalRenEntryIds")] == before


def test_messages_by_other_clients(mapi, imap, folder, server):
    folder_id, handle, name = folder
    server.seed(ALICE, name, [b"From: a@example.test\r\nSubject: by imap\r\n\r\nbody\r\n"])
    wait_until(lambda: [row[SUBJECT] for row in rows(mapi, handle)] == ["by imap"], "MAPI sees what IMAP stored", 20)
    found = rows(mapi, handle)[0][MID]
    imap.select(name)
    imap.link.uid("store", imap.uids(name)[0], "+FLAGS", r"(\Deleted)")
    imap.link.expunge()
    message = mapi.try_call(rops.open_message(folder_id, found))
    assert message.error in (EC_NOT_FOUND, 0)
    wait_until(lambda: rows(mapi, handle) == [], "MAPI sees what IMAP removed", 20)
    assert mapi.try_call(rops.open_message(folder_id, found)).error == EC_NOT_FOUND


@pytest.mark.parametrize("round_number", range(3))
def test_kill_in_between_loses_and_doubles_nothing(certificates, server, round_number):
    """A client saves, edits and moves as fast as it can; the gateway is killed at a random moment, started again, and
    what was acknowledged is there, once."""
    from harness.mapigate import Mapigate
    from harness.mapihttp import Session
    imap = Imap(server)
    name = f"Kill {round_number}"
    gateway = Mapigate.gateway(certificates, server.tls_port, name=f"killed{round_number}")
    gateway.start()
    session = Session.logged_on(gateway.https_port, certificates.ca, ALICE, "secret")
    top = session.open_folder(session.ipm_subtree)
    first, second = (session.call(rops.create_folder(part), top) for part in (name, name + " moved"))
    acknowledged, begun = {}, set()  # number: (revision, moved)

    def work():
        with contextlib.suppress(Exception):
            for number in range(1000):
                begun.add(number)
                message = session.new_message(first.folder_id, {"PidTagSubject": f"{number}.0", "PidTagComment": f"c{number}"})
                saved = session.save(message)
                acknowledged[number] = (0, False)
                session.call(rops.set_properties({"PidTagSubject": f"{number}.1"}), message)
                acknowledged[number] = (0, None)
                assert session.save(message) == saved
                acknowledged[number] = (1, False)
                if number % 3 == 0:
                    acknowledged[number] = (1, None)
                    session.call(rops.move_copy_messages([saved]), first.handle, second.handle)
                    acknowledged[number] = (1, True)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: len(acknowledged) > 2, "some messages", 90)
    time.sleep(random.Random(round_number + time.time_ns()).random() * 2)
    gateway.kill()
    thread.join(timeout=90)
    gateway.start()
    session = Session.logged_on(gateway.https_port, certificates.ca, ALICE, "secret")
    comment = tag_of("PidTagComment")
    tables = {}
    for key, made in (("here", first), ("there", second)):
        handle = session.open_folder(made.folder_id)
        rows(session, handle)
        time.sleep(2.5)
        tables[key] = rows(session, handle, ["PidTagSubject", "PidTagComment"])
    here, there = ([row[SUBJECT] for row in tables[key]] for key in ("here", "there"))
    assert sorted(here) == imap.subjects(name)
    assert sorted(there) == imap.subjects(name + " moved")
    for number, (revision, moved) in acknowledged.items():
        copies = [subject for subject in here + there if subject.startswith(f"{number}.")]
        assert len(copies) == 1, (number, copies)
        if moved is not None:
            assert copies == [f"{number}.{revision}"]
            assert (copies[0] in there) == moved, number
    for number in begun - set(acknowledged):
        assert len([subject for subject in here + there if subject.startswith(f"{number}.")]) <= 1
    for row in tables["here"] + tables["there"]:
        assert row[comment] == "c" + row[SUBJECT].split(".")[0], row
    session.client.close()
    gateway.stop()
