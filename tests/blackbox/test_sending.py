"""Messages that leave by a real Postfix and arrive in a real IMAP server."""
import contextlib
import datetime
import json
import shutil
import struct
import subprocess
import time

import pytest

from conftest import ALICE, BOB, PASSWORD
from harness import dovecot, imap_server, nspi, people, postfix, rops
from harness.faultproxy import FaultProxy
from harness.mapigate import Mapigate
from harness.mapihttp import Session
from harness.processes import free_port, private_dir, wait_until
from harness.properties import tag_of
from test_writing import Imap

pytestmark = pytest.mark.skipif(not postfix.available(), reason="Postfix needs root and the package postfix")

SUBJECT = tag_of("PidTagSubject")
EC_ACCESS_DENIED = 0x80070005
ORIGINAL_CLASS = 0x004B001F
# What another Exchange called bob, and what Outlook still has in its list of nicknames.
OLD_BOB = "/o=Old Org/ou=First Administrative Group/cn=Recipients/cn=bbrown"


@pytest.fixture(scope="module")
def mail_server(certificates):
    with imap_server.make(certificates, (ALICE, BOB), lmtp_port=free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def smtp(certificates, mail_server):
    with postfix.Postfix(certificates, mail_server, mail_server.lmtp_port, (ALICE, BOB)) as server:
        yield server


@pytest.fixture(scope="module")
def sender(certificates, mail_server, smtp):
    book = people.write(private_dir("people") / "people.toml", "example.test", [("alice", "Alice Adams"), ("bob", "Bob Brown")])
    book.write_text(book.read_text().replace(f'address = "{BOB}"', f'address = "{BOB}"\nformer_dns = ["{OLD_BOB}"]')
                    + f'[[entry]]\nname = "Berta Boss"\naddress = "boss@example.test"\ndelegates = ["{ALICE}"]\n')
    with Mapigate.gateway(certificates, mail_server.tls_port, smtp_port=smtp.port, people=book, name="sender") as server:
        yield server
        server.check_log()


def server_id(folder_id):
    return struct.pack("<BQQI", 1, folder_id, 0, 0)


def submit(session, subject, to=(BOB,), **more):
    message = session.new_message(session.outbox, {
        "PidTagSubject": subject, "PidTagBody": "Text ü\r\n.\r\nend\r\n", "PidTagSentMailSvrEID": server_id(session.sent_items),
        **more}, [(number, 1, address, address) for number, address in enumerate(to)])
    saved = session.save(message)
    session.call(rops.submit_message(), message)
    return saved


def arrived(imap, folder, subject):
    with contextlib.suppress(AssertionError):
        return imap.subjects(folder).count(subject)
    return 0


def test_from_one_to_the_other(sender, mail_server, open_session):
    session = open_session(sender)
    submit(session, "Grüße an Bob")
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    wait_until(lambda: arrived(bob, "INBOX", "Grüße an Bob") == 1, "the message arrives", 30)
    uid = bob.uids("INBOX")[-1]
    seen, _ = bob.fetch("INBOX", uid)
    assert seen["From"].addresses[0].addr_spec == ALICE
    assert seen.get_content().replace("\r\n", "\n") == "Text ü\n.\nend\n"
    wait_until(lambda: arrived(alice, "Sent", "Grüße an Bob") == 1, "the copy is in Sent", 30)
    copy, flags = alice.fetch("Sent", alice.uids("Sent")[-1])
    assert r"\Seen" in flags and r"\Draft" not in flags
    assert copy["Message-ID"] == seen["Message-ID"]
    table = session.contents_table(session.open_folder(session.outbox))
    wait_until(lambda: session.rows(session.contents_table(session.open_folder(session.outbox)), [SUBJECT]) == [],
               "the outbox is empty", 10)
    assert table
    # Bob sees it by MAPI, too.
    other = open_session(sender, BOB)
    wait_until(lambda: "Grüße an Bob" in [row[SUBJECT] for row in other.rows(
        other.contents_table(other.open_folder(other.inbox)), [SUBJECT])], "MAPI shows it to bob", 20)


def test_who_sends_is_found_in_the_address_book(sender, mail_server, open_session, certificates):
    submit(open_session(sender), "from somebody with a name")
    bob = Imap(mail_server, BOB)
    wait_until(lambda: arrived(bob, "INBOX", "from somebody with a name") == 1, "the message arrives", 30)
    seen, _ = bob.fetch("INBOX", bob.uids("INBOX")[-1])
    assert (seen["From"].addresses[0].display_name, seen["From"].addresses[0].addr_spec) == ("Alice Adams", ALICE)
    other = open_session(sender, BOB)
    columns = [SUBJECT, tag_of("PidTagSenderName"), tag_of("PidTagSenderEmailAddress")]

    def shown():
        return [row for row in other.rows(other.contents_table(other.open_folder(other.inbox)), columns) if row[SUBJECT] == "from somebody with a name"]

    wait_until(shown, "MAPI shows it to bob", 20)
    name, address = (shown()[0][tag] for tag in columns[1:])
    assert (name, address) == ("Alice Adams", ALICE)
    with nspi.Session(sender.https_port, certificates.ca, BOB, PASSWORD) as book:
        outcomes, rows = book.resolve_names([name, address, "SMTP:" + address.upper()], ["PidTagSmtpAddress"])
    assert outcomes == [nspi.RESOLVED] * 3 and {row[nspi.TAGS["PidTagSmtpAddress"]] for row in rows} == {ALICE}


@pytest.mark.parametrize("name", [OLD_BOB, OLD_BOB.upper(), f"/o=mapigate/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={BOB}"])
def test_recipients_of_the_address_book_get_it_by_their_address(sender, mail_server, open_session, name):
    subject = f"by name {hash(name)}"
    submit(open_session(sender), subject, to=(name,))
    bob = Imap(mail_server, BOB)
    wait_until(lambda: arrived(bob, "INBOX", subject) == 1, "the message arrives", 30)
    seen, _ = bob.fetch("INBOX", bob.uids("INBOX")[-1])
    assert seen["To"].addresses[0].addr_spec == BOB


def test_a_name_that_nobody_has_is_refused(sender, open_session):
    session = open_session(sender)
    message = session.new_message(session.outbox, {"PidTagSubject": "x"}, [(0, 1, "Nobody", "/o=Old Org/cn=nobody")])
    assert session.try_call(rops.submit_message(), message).error == 0x467  # ecInvalidRecips


def test_senders_lead_to_the_address_book(sender, mail_server, open_session):
    """The sender of what arrived is who the address book has under this address."""
    submit(open_session(sender), "who wrote this")
    wait_until(lambda: arrived(Imap(mail_server, BOB), "INBOX", "who wrote this") == 1, "the message arrives", 30)

    def identifier_of():
        listed = json.loads(sender.client("--json", "ls", "Inbox", user=BOB).stdout)
        return next((one["id"] for one in listed if one["subject"] == "who wrote this"), None)
    identifier = wait_until(identifier_of, "the gateway lists it", 30, 0.5)
    shown = json.loads(sender.client("--json", "show", identifier, user=BOB).stdout)
    found = json.loads(sender.client("--json", "resolve", shown["from"]["address"], user=BOB).stdout)
    assert (found[0]["outcome"], found[0]["entries"][0]["name"]) == ("resolved", "Alice Adams")


def test_a_refused_recipient_comes_back_as_a_report(sender, mail_server, open_session):
    session = open_session(sender)
    submit(session, "to nobody", to=("nobody@example.test", BOB))
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    wait_until(lambda: arrived(bob, "INBOX", "to nobody") == 1, "the other recipient gets it", 30)
    wait_until(lambda: arrived(alice, "INBOX", "Undeliverable: to nobody") == 1, "the report comes", 30)
    report, _ = alice.fetch("INBOX", alice.uids("INBOX")[-1])
    assert report.get_content_type() == "multipart/report"
    assert "nobody@example.test" in report.get_body(("plain",)).get_content()
    wait_until(lambda: any(row[tag_of("PidTagMessageClass")] == "REPORT.IPM.Note.NDR" for row in session.rows(
        session.contents_table(session.open_folder(session.inbox)), ["PidTagMessageClass"])), "MAPI shows the report", 20)


def test_sent_again_it_goes_to_those_who_have_not_got_it(sender, mail_server, open_session):
    """[MS-OXOMSG] 3.2.4.5 and 3.3.5.1.3: 0x80 is set for those who have it, 0x10 for those who are to get it."""
    session = open_session(sender)
    message = session.new_message(session.outbox, {
        "PidTagSubject": "again", "PidTagMessageFlags": 0x88, ORIGINAL_CLASS: "IPM.Note",
        "PidTagSentMailSvrEID": server_id(session.sent_items)}, [(0, 0x81, "Bob", BOB), (1, 0x12, "Alice", ALICE)])
    saved = session.save(message)
    reopened = session.call(rops.open_message(session.outbox, saved, 1)).handle
    session.call(rops.submit_message(), reopened)
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    wait_until(lambda: arrived(alice, "INBOX", "again") == 1, "the message arrives", 30)
    wait_until(lambda: arrived(alice, "Sent", "again") == 1, "the copy is in Sent", 30)
    seen, _ = alice.fetch("INBOX", alice.uids("INBOX")[-1])
    assert BOB in seen["To"] and ALICE in seen["Cc"]
    assert arrived(bob, "INBOX", "again") == 0
    everybody = session.new_message(session.outbox, {"PidTagSubject": "all have it", "PidTagMessageFlags": 0x88}, [(0, 0x81, "Bob", BOB)])
    assert session.try_call(rops.submit_message(), everybody).error == 0x467  # ecInvalidRecips


def test_without_recipients_nothing_is_sent(sender, open_session):
    session = open_session(sender)
    message = session.new_message(session.outbox, {"PidTagSubject": "x"})
    assert session.try_call(rops.submit_message(), message).error == 0x467  # ecInvalidRecips


def test_deferred_and_taken_back(sender, mail_server, open_session):
    session = open_session(sender)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    saved = submit(session, "later", PidTagDeferredSendTime=later)
    time.sleep(2)
    assert arrived(Imap(mail_server, BOB), "INBOX", "later") == 0
    flags = session.properties(session.open_message(session.outbox, saved), ["PidTagMessageFlags"])[tag_of("PidTagMessageFlags")]
    row = session.rows(session.contents_table(session.open_folder(session.outbox)), ["PidTagMid", "PidTagMessageFlags"])
    listed = {one[tag_of("PidTagMid")]: one[tag_of("PidTagMessageFlags")] for one in row}
    assert flags & 0xC == listed[saved] & 0xC == 0x4  # mfSubmitted, and mfUnsent no more ([MS-OXCMSG] 2.2.1.6)
    session.call(rops.abort_submit(session.outbox, saved))
    assert session.try_call(rops.abort_submit(session.outbox, saved)).error == 0x80040601  # ecNotInQueue
    flags = session.properties(session.open_message(session.outbox, saved), ["PidTagMessageFlags"])[tag_of("PidTagMessageFlags")]
    assert flags & 0xC == 0x8


def in_seconds(seconds):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


def test_what_is_deleted_before_its_time_is_not_sent(sender, mail_server, open_session):
    session = open_session(sender)
    outbox, deleted_items = session.open_folder(session.outbox), session.open_folder(session.deleted_items)
    when = in_seconds(8)
    soft, hard, moved = (submit(session, f"{how} in time", PidTagDeferredSendTime=when) for how in ("deleted", "destroyed", "moved"))
    session.call(rops.delete_messages([soft]), outbox)
    session.call(rops.delete_messages([hard], hard=True), outbox)
    session.call(rops.move_copy_messages([moved]), outbox, to=deleted_items)
    # A client that sends by itself deletes when it likes, and means nothing by it.
    message = session.new_message(session.outbox, {"PidTagSubject": "spooled", "PidTagDeferredSendTime": when}, [(0, 1, BOB, BOB)])
    spooled = session.save(message)
    assert SUBJECT not in session.call(rops.transport_send(), message).row
    session.call(rops.delete_messages([spooled], hard=True), outbox)
    submit(session, "left alone", PidTagDeferredSendTime=when)
    for subject in ("left alone", "spooled"):
        wait_until(lambda: arrived(Imap(mail_server, BOB), "INBOX", subject) == 1, f"{subject} arrives", 40)
    time.sleep(2)
    for subject in ("deleted in time", "destroyed in time", "moved in time"):
        assert arrived(Imap(mail_server, BOB), "INBOX", subject) == arrived(Imap(mail_server), "Sent", subject) == 0, subject
    rows = session.rows(session.contents_table(deleted_items), ["PidTagSubject", "PidTagMessageFlags"])
    assert [row[tag_of("PidTagMessageFlags")] & 0xC for row in rows if row[SUBJECT] == "moved in time"] == [0x8]


def test_submitted_again_before_its_time_it_is_sent_as_it_is_then(sender, mail_server, open_session):
    session = open_session(sender)
    saved = submit(session, "first form", PidTagDeferredSendTime=in_seconds(5))
    message = session.call(rops.open_message(session.outbox, saved, 1)).handle
    session.call(rops.set_properties({"PidTagSubject": "second form"}), message)
    session.save(message)
    session.call(rops.submit_message(), message)
    wait_until(lambda: arrived(Imap(mail_server, BOB), "INBOX", "second form") == 1, "it arrives", 30)
    time.sleep(2)
    assert arrived(Imap(mail_server, BOB), "INBOX", "second form") == 1
    assert arrived(Imap(mail_server, BOB), "INBOX", "first form") == arrived(Imap(mail_server), "Sent", "first form") == 0


def test_number_and_units_outweigh_the_time(sender, mail_server, open_session):
    """[MS-OXOMSG] 2.2.3.4: they count from the submission, and the time is computed anew."""
    session = open_session(sender)
    now = datetime.datetime.now(datetime.timezone.utc)
    before = now - datetime.timedelta(hours=1)
    saved = submit(session, "in two hours", PidTagDeferredSendTime=before, PidTagDeferredSendNumber=2, PidTagDeferredSendUnits=1)
    due = session.properties(session.open_message(session.outbox, saved), ["PidTagDeferredSendTime"])[tag_of("PidTagDeferredSendTime")]
    assert abs(due - (now + datetime.timedelta(hours=2))) < datetime.timedelta(minutes=2)
    assert arrived(Imap(mail_server, BOB), "INBOX", "in two hours") == 0
    session.call(rops.abort_submit(session.outbox, saved))
    # A number of 0, and a time that has passed: at once.
    submit(session, "in no time", PidTagDeferredSendNumber=0, PidTagDeferredSendUnits=3)
    submit(session, "an hour ago", PidTagDeferredSendTime=before)
    for subject in ("in no time", "an hour ago"):
        wait_until(lambda: arrived(Imap(mail_server, BOB), "INBOX", subject) == 1, f"{subject} arrives", 30)


def test_deferred_mail_leaves_while_nobody_is_logged_on(sender, mail_server, open_session):
    session = open_session(sender)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
    submit(session, "leaves alone", PidTagDeferredSendTime=later)
    session.client.disconnect()
    bob = Imap(mail_server, BOB)
    assert arrived(bob, "INBOX", "leaves alone") == 0
    wait_until(lambda: arrived(bob, "INBOX", "leaves alone") == 1, "it leaves when its time has come", 40)
    assert datetime.datetime.now(datetime.timezone.utc) >= later
    wait_until(lambda: arrived(Imap(mail_server), "Sent", "leaves alone") == 1, "its copy is filed", 30)
    copy, _ = Imap(mail_server).fetch("Sent", Imap(mail_server).uids("Sent")[-1])
    assert copy["Subject"] == "leaves alone"


def test_what_was_tried_cannot_be_taken_back(certificates, mail_server, smtp):
    """[MS-OXCROPS] RopAbortSubmit: it may have reached somebody (ecUnableToAbort)."""
    with FaultProxy(smtp.port) as proxy, Mapigate.gateway(certificates, mail_server.tls_port, smtp_port=proxy.port, name="tried") as gateway:
        proxy.refuse()
        with Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD) as session:
            saved = submit(session, "tried once")
            wait_until(lambda: proxy.connections > 0, "it is tried", 20)
            code = wait_until(lambda: session.try_call(rops.abort_submit(session.outbox, saved)).error, "an answer", 20)
            assert code == 0x80040114
            proxy.heal()
            wait_until(lambda: arrived(Imap(mail_server, BOB), "INBOX", "tried once") == 1, "it arrives all the same", 60)


def test_outage_and_kill_lose_and_double_nothing(certificates, mail_server, smtp):
    """Submitted while SMTP is down, killed, started again: each message arrives once."""
    gateway = Mapigate.gateway(certificates, mail_server.tls_port, smtp_port=smtp.port, name="outage")
    gateway.start()
    smtp.stop()
    session = Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD)
    subjects = [f"outage {number}" for number in range(5)]
    for subject in subjects:
        submit(session, subject)
    gateway.kill()
    smtp.start()
    gateway.start()
    session = Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD)
    session.rows(session.contents_table(session.open_folder(session.inbox)), [SUBJECT])
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    wait_until(lambda: all(arrived(bob, "INBOX", subject) >= 1 for subject in subjects), "all arrive", 90)
    wait_until(lambda: all(arrived(alice, "Sent", subject) >= 1 for subject in subjects), "all are in Sent", 30)
    time.sleep(3)
    assert [arrived(bob, "INBOX", subject) for subject in subjects] == [1] * 5
    assert [arrived(alice, "Sent", subject) for subject in subjects] == [1] * 5
    session.client.close()
    gateway.stop()


def test_client_commands(sender, mail_server, tmp_path):
    file = tmp_path / "plan.txt"
    file.write_bytes(b"plan")
    sender.client("send", "--to", BOB, "--subject", "by client", "--text", "hello", "--attach", file)
    bob = Imap(mail_server, BOB)
    wait_until(lambda: arrived(bob, "INBOX", "by client") == 1, "the client's message arrives", 30)
    import json
    sender.client("mkdir", "Akten ü", user=BOB)

    def listed():
        every = json.loads(sender.client("--json", "ls", "Inbox", user=BOB).stdout)
        return [entry for entry in every if entry["subject"] == "by client"]
    # The gateway asks the IMAP server for news every refresh_interval.
    wait_until(lambda: len(listed()) == 1, "the message is in the gateway's list", 30)
    entries = listed()
    sender.client("flag", "flagged", entries[0]["id"], user=BOB)
    sender.client("flag", "read", entries[0]["id"], user=BOB)
    sender.client("mv", entries[0]["id"], "--to", "Akten ü", user=BOB)
    seen, flags = bob.only("Akten ü")
    assert flags == {r"\Seen", r"\Flagged"}
    assert [part.get_filename() for part in seen.iter_attachments()] == ["plan.txt"]
    moved = json.loads(sender.client("--json", "ls", "Akten ü", user=BOB).stdout)
    sender.client("rm", moved[0]["id"], user=BOB)
    assert bob.uids("Akten ü") == []


def test_new_mail_is_told(sender, mail_server, open_session):
    """To a client that waits; test_notifications has the rest."""
    session = open_session(sender, BOB)
    session.rows(session.contents_table(session.open_folder(session.inbox)), [SUBJECT])
    session.call(rops.register_notification(0x02, session.inbox))  # NewMail
    client = session.client
    with contextlib.closing(client.open_connection()) as connection:
        import threading
        result = []
        thread = threading.Thread(target=lambda: result.append(client.notification_wait(connection)))
        thread.start()
        time.sleep(1)
        started = time.monotonic()
        mail_server.seed(BOB, "INBOX", [b"From: x@example.test\r\nSubject: news\r\n\r\n.\r\n"])
        thread.join(timeout=60)
        assert result and result[0][0] == 1
        assert time.monotonic() - started < 30


def test_senders_are_called_as_the_directory_calls_them(sender, mail_server, open_session, certificates):
    """[MS-OXCMAIL] 2.2.3.1.1: name and entry id of the address book, which opens there; the address as it came."""
    for number, author in enumerate([ALICE, f"Somebody Else <{ALICE}>", "alice.adams@example.test", "Far Away <far@elsewhere.test>"]):
        mail_server.seed(BOB, "INBOX", [f"From: {author}\r\nTo: {BOB}\r\nSubject: author {number}\r\n\r\nbody\r\n".encode()])
    session = open_session(sender, BOB)
    name, address, entry_id = 0x0042001F, 0x0065001F, 0x00410102

    def shown():
        rows = session.rows(session.contents_table(session.open_folder(session.inbox)), [SUBJECT, name, address, entry_id])
        return sorted((row for row in rows if row[SUBJECT].startswith("author ")), key=lambda row: row[SUBJECT])
    wait_until(lambda: len(shown()) == 4, "all are in the table", 40, 0.5)
    rows = shown()
    assert [(row[name], row[address]) for row in rows] == [
        ("Alice Adams", ALICE), ("Alice Adams", ALICE), ("Alice Adams", "alice.adams@example.test"), ("Far Away", "far@elsewhere.test")]
    with nspi.Session(sender.https_port, certificates.ca, BOB, PASSWORD) as book:
        known = book.resolve_names([ALICE], ["PidTagEntryId", "PidTagEmailAddress"])[1][0]
        assert [row[entry_id] == known[nspi.TAGS["PidTagEntryId"]] for row in rows] == [True, True, True, False]
        (mid,) = book.dn_to_mid([rows[1][entry_id][28:-1].decode()])
        assert book.query_rows(nspi.Stat(), 1, ["PidTagSmtpAddress"], [mid])[1][0][nspi.TAGS["PidTagSmtpAddress"]] == ALICE


def in_the_name_of(address, name="Made Up"):
    return {"PidTagSentRepresentingName": name, "PidTagSentRepresentingEmailAddress": address, "PidTagSentRepresentingAddressType": "SMTP",
            "PidTagSenderName": "Mallory", "PidTagSenderEmailAddress": "mallory@example.test", "PidTagSenderAddressType": "SMTP"}


def test_on_behalf_of_somebody(sender, mail_server, open_session):
    """Who is represented is the writer's to say, as far as the directory lets him; who sent it is whoever is logged on."""
    session = open_session(sender)
    submit(session, "for the boss", **in_the_name_of("boss@example.test"))
    bob = Imap(mail_server, BOB)
    wait_until(lambda: arrived(bob, "INBOX", "for the boss") == 1, "the message arrives", 30)
    seen = next(message for message in (bob.fetch("INBOX", uid)[0] for uid in bob.uids("INBOX")) if message["Subject"] == "for the boss")
    assert (seen["From"].addresses[0].display_name, seen["From"].addresses[0].addr_spec) == ("Berta Boss", "boss@example.test")
    assert seen["Sender"].address.addr_spec == ALICE
    assert "mallory" not in seen.as_string().lower()


@pytest.mark.parametrize("address", [BOB, "nobody@example.test", "somebody@elsewhere.test"])
def test_not_on_behalf_of_everybody(sender, mail_server, open_session, address):
    """[MS-OXODLGT] "Submitting On Behalf Of Delegator": alice is no delegate of these."""
    session = open_session(sender)
    message = session.new_message(session.outbox, {"PidTagSubject": f"for {address}", "PidTagBody": "text", **in_the_name_of(address)},
                                  [(0, 1, BOB, BOB)])
    assert session.try_call(rops.submit_message(), message).error == EC_ACCESS_DENIED
    submit(session, f"after {address}", **in_the_name_of("alice.adams@example.test"))  # an alias of her own
    bob = Imap(mail_server, BOB)
    wait_until(lambda: arrived(bob, "INBOX", f"after {address}") == 1, "the next message arrives", 30)
    assert arrived(bob, "INBOX", f"for {address}") == 0
    seen = next(message for message in (bob.fetch("INBOX", uid)[0] for uid in bob.uids("INBOX")) if message["Subject"] == f"after {address}")
    assert (seen["From"].addresses[0].display_name, seen["From"].addresses[0].addr_spec) == ("Alice Adams", "alice.adams@example.test")


def test_read_receipts(sender, mail_server, open_session):
    session, reader = open_session(sender), open_session(sender, BOB)
    submit(session, "read me", PidTagReadReceiptRequested=True)
    submit(session, "read me quietly", PidTagReadReceiptRequested=True)

    def inbox():
        table = reader.contents_table(reader.open_folder(reader.inbox))
        return {row[SUBJECT]: row for row in reader.rows(table, ["PidTagSubject", "PidTagMid", "PidTagMessageFlags"])}
    wait_until(lambda: {"read me", "read me quietly"} <= set(inbox()), "both messages", 40, 0.5)
    found, flags = inbox(), tag_of("PidTagMessageFlags")
    assert all(found[subject][flags] & 0x100 for subject in ("read me", "read me quietly"))  # mfNotifyRead
    handle = reader.open_folder(reader.inbox)
    reader.call(rops.set_read_flags([found["read me quietly"][tag_of("PidTagMid")]], 1), handle)  # rfSuppressReceipt
    for _ in range(2):
        reader.call(rops.set_read_flags([found["read me"][tag_of("PidTagMid")]], 0), handle)
        reader.call(rops.set_read_flags([found["read me"][tag_of("PidTagMid")]], 4), handle)
    assert not any(inbox()[subject][flags] & 0x100 for subject in ("read me", "read me quietly"))
    alice = Imap(mail_server)
    wait_until(lambda: arrived(alice, "INBOX", "Read: read me") == 1, "the receipt", 30)
    time.sleep(2)
    assert arrived(alice, "INBOX", "Read: read me") == 1 and arrived(alice, "INBOX", "Read: read me quietly") == 0
    report = alice.fetch("INBOX", alice.uids("INBOX")[-1])[0]
    assert report.get_param("report-type") == "disposition-notification"
    assert report["Auto-Submitted"] == "auto-replied"
    bob = Imap(mail_server, BOB)
    bob.select("INBOX")
    assert len(bob.link.search(None, "KEYWORD", "$MDNSent")[1][0].split()) == 2
    wait_until(lambda: any(row[tag_of("PidTagMessageClass")] == "REPORT.IPM.Note.IPNRN" for row in session.rows(
        session.contents_table(session.open_folder(session.inbox)), ["PidTagMessageClass"])), "MAPI shows the receipt", 20)


def test_receipts_are_sent_for_what_mapi_reads_and_deletes(sender, mail_server, open_session):
    """[MS-OXCMSG] 2.2.3.10.1 and [MS-OXCFOLD] 2.2.1.11: not for what an IMAP client marked, unless it is asked for; and for
    what is deleted unread where the client says so."""
    session, reader = open_session(sender), open_session(sender, BOB)
    subjects = ["marked by IMAP", "refused", "deleted unread", "deleted quietly", "deleted after reading"]
    for subject in subjects:
        submit(session, subject, PidTagReadReceiptRequested=True)
    handle = reader.open_folder(reader.inbox)

    def inbox():
        table = reader.contents_table(handle)
        return {row[SUBJECT]: row for row in reader.rows(table, ["PidTagSubject", "PidTagMid", "PidTagMessageFlags"])}
    wait_until(lambda: set(subjects) <= set(inbox()), "the messages", 40, 0.5)
    ids = {subject: row[tag_of("PidTagMid")] for subject, row in inbox().items()}

    def flags(subject):
        return inbox()[subject][tag_of("PidTagMessageFlags")]
    assert all(flags(subject) & 0x301 == 0x300 for subject in subjects)  # mfNotifyRead, mfNotifyUnread, not mfRead
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    uids = bob.uids("INBOX")
    seen = next(uid for uid in uids if bob.fetch("INBOX", uid)[0]["Subject"] == "marked by IMAP")
    bob.select("INBOX")
    bob.link.uid("STORE", seen.decode() if isinstance(seen, bytes) else str(seen), "+FLAGS", "(\\Seen)")
    wait_until(lambda: flags("marked by IMAP") & 1, "MAPI shows it read", 40, 0.5)
    assert flags("marked by IMAP") & 0x300 == 0x100
    reader.call(rops.set_read_flags([ids["marked by IMAP"]], 0), handle)
    reader.call(rops.set_read_flags([ids["refused"]], 0x40), handle)  # rfClearNotifyUnread
    assert flags("refused") & 0x301 == 0x100
    reader.call(rops.set_read_flags([ids["refused"]], 0x20), handle)  # rfClearNotifyRead
    reader.call(rops.set_read_flags([ids["refused"]], 0x10), handle)
    assert flags("refused") & 0x301 == 0
    reader.call(rops.delete_messages([ids["deleted unread"]], notify_unread=True), handle)
    reader.call(rops.delete_messages([ids["deleted quietly"]]), handle)
    reader.call(rops.set_read_flags([ids["deleted after reading"]], 1), handle)
    reader.call(rops.delete_messages([ids["deleted after reading"]], hard=True, notify_unread=True), handle)
    wait_until(lambda: arrived(alice, "INBOX", "Not read: deleted unread") == 1, "the non-read receipt", 30)
    assert arrived(alice, "INBOX", "Read: marked by IMAP") == 0
    reader.call(rops.set_read_flags([ids["marked by IMAP"]], 0x10), handle)  # rfGenerateReceiptOnly
    wait_until(lambda: arrived(alice, "INBOX", "Read: marked by IMAP") == 1, "the receipt", 30)
    assert flags("marked by IMAP") & 0x301 == 1
    time.sleep(2)
    assert arrived(alice, "INBOX", "Not read: deleted unread") == 1 and arrived(alice, "INBOX", "Read: marked by IMAP") == 1
    for subject in ("refused", "deleted quietly", "deleted after reading"):
        assert arrived(alice, "INBOX", f"Read: {subject}") == arrived(alice, "INBOX", f"Not read: {subject}") == 0
    report = next(message for message in (alice.fetch("INBOX", uid)[0] for uid in alice.uids("INBOX"))
                  if message["Subject"] == "Not read: deleted unread")
    assert "Disposition: manual-action/MDN-sent-automatically; deleted" in report.as_string()


def test_reports_that_clients_submit(sender, mail_server, open_session):
    """[MS-OXCMAIL] 2.1.3.6: they leave as multipart/report, with an empty envelope sender."""
    session = open_session(sender)
    submit(session, "Read: by a client", PidTagMessageClass="REPORT.IPM.Note.IPNRN", PidTagOriginalMessageId="<one@example.test>")
    submit(session, "Undeliverable: by a client", PidTagMessageClass="REPORT.IPM.Note.NDR")
    bob = Imap(mail_server, BOB)
    for subject, kind in (("Read: by a client", "disposition-notification"), ("Undeliverable: by a client", "delivery-status")):
        wait_until(lambda subject=subject: arrived(bob, "INBOX", subject) == 1, subject, 30)
        report = next(message for message in (bob.fetch("INBOX", uid)[0] for uid in bob.uids("INBOX")) if message["Subject"] == subject)
        assert report.get_content_type() == "multipart/report" and report.get_param("report-type") == kind
        assert [part.get_content_type() for part in report.iter_parts()] == ["text/plain", f"message/{kind}"]
        assert report["Return-Path"] == "<>"
    assert "Original-Message-ID: <one@example.test>" in next(
        message for message in (bob.fetch("INBOX", uid)[0] for uid in bob.uids("INBOX")) if message["Subject"] == "Read: by a client").as_string()


def test_messages_leave_in_a_winmail_dat_where_that_is_configured(certificates, mail_server, smtp, open_session, tmp_path):
    """[MS-OXTNEF]: read by an independent program, by MAPI, and not in the sender's own copy."""
    gateway = Mapigate.gateway(certificates, mail_server.tls_port, smtp_port=smtp.port, name="rich")
    gateway.arguments["modules"]["mail"]["tnef"] = "always"
    gateway.write_config()
    data = bytes(range(256)) * 1000
    with gateway:
        session, reader = open_session(gateway), open_session(gateway, BOB)
        message = session.new_message(session.outbox, {
            "PidTagSubject": "rich ü", "PidTagBody": "Text ü\r\n", "PidTagSentMailSvrEID": server_id(session.sent_items),
            "PidTagReportText": "only Outlook knows"}, [(0, 1, "Bob", BOB), (1, 3, "Alice", ALICE)], [("data.bin", data)])
        session.save(message)
        session.call(rops.submit_message(), message)
        bob, alice = Imap(mail_server, BOB), Imap(mail_server)
        wait_until(lambda: arrived(bob, "INBOX", "rich ü") == 1, "the message", 30)
        seen = next(one for one in (bob.fetch("INBOX", uid)[0] for uid in bob.uids("INBOX")) if one["Subject"] == "rich ü")
        assert [part.get_content_type() for part in seen.iter_parts()] == ["text/plain", "application/ms-tnef"]
        assert seen["X-MS-TNEF-Correlator"] == seen["Message-ID"] and seen["Bcc"] is None
        text, stream = seen.iter_parts()
        assert text.get_content().replace("\r\n", "\n") == "Text ü\n" and stream.get_filename() == "winmail.dat"
        (tmp_path / "winmail.dat").write_bytes(stream.get_payload(decode=True))
        out = tmp_path / "out"
        out.mkdir()
        program = shutil.which("tnef")
        assert program, "install the package tnef"
        subprocess.run([program, "-f", tmp_path / "winmail.dat", "-C", out], check=True, timeout=60)  # it checks the sums
        assert {path.name: path.read_bytes() for path in out.iterdir()} == {"data.bin": data}
        wait_until(lambda: arrived(alice, "Sent", "rich ü") == 1, "the copy", 30)
        copy = next(one for one in (alice.fetch("Sent", uid)[0] for uid in alice.uids("Sent")) if one["Subject"] == "rich ü")
        assert [part.get_filename() for part in copy.iter_attachments()] == ["data.bin"]

        def found():
            table = reader.contents_table(reader.open_folder(reader.inbox))
            return [row[tag_of("PidTagMid")] for row in reader.rows(table, ["PidTagSubject", "PidTagMid"]) if row[SUBJECT] == "rich ü"]
        wait_until(lambda: len(found()) == 1, "MAPI shows it", 30)
        opened = reader.open_message(reader.inbox, found()[0])
        assert [one["name"] for one in reader.attachments(opened)] == ["data.bin"]
        assert reader.attachment_data(opened, 0) == data
        assert "only Outlook knows" in str(reader.properties(opened, ["PidTagReportText"]))


def test_a_restart_sends_without_the_user(certificates, mail_server, smtp):
    """Submitted while SMTP is down, killed, started again: with a master user nobody has to log on."""
    gateway = Mapigate.gateway(certificates, mail_server.tls_port, smtp_port=smtp.port, name="alone")
    for module, (user, password) in (("imap", imap_server.master()), ("smtp", (dovecot.MASTER, dovecot.MASTER_PASSWORD))):
        gateway.arguments["modules"][module].update(master_user=user, master_password=password)
    gateway.write_config()
    gateway.start()
    smtp.stop()
    session = Session.logged_on(gateway.https_port, certificates.ca, ALICE, PASSWORD)
    submit(session, "while nobody looks")
    session.client.close()
    gateway.kill()
    smtp.start()
    gateway.start()
    bob, alice = Imap(mail_server, BOB), Imap(mail_server)
    wait_until(lambda: arrived(bob, "INBOX", "while nobody looks") == 1, "it is sent", 60)
    wait_until(lambda: arrived(alice, "Sent", "while nobody looks") == 1, "its copy is kept", 30)
    wait_until(lambda: not list((gateway.state_dir / "outbox").iterdir()), "nothing is noted any more", 30)
    gateway.stop()
