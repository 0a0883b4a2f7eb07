"""A mailbox in IMAP, read as Outlook in online mode reads it."""
import email
import email.policy
import hashlib
import re
import time

import pytest

from conftest import ALICE, NESTED
from harness import mailgen, rops
from harness.processes import wait_until
from harness.properties import (EC_NOT_FOUND, EQ, PropertyError, res_and, res_bitmask, res_content, res_exist, res_not,
                                res_or, res_property, tag_of)

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")


def folder_id(session, path):
    """The id of an IMAP path below the IPM subtree."""
    folders = session.folders()
    parent = session.ipm_subtree
    for name in path.split("/"):
        parent = next(key for key, (shown, above) in folders.items() if shown == name and above == parent)
    return parent


def inbox_table(session):
    return session.contents_table(session.open_folder(session.inbox))


def normal(text):
    """Text without the line ends and trailing spaces that conversions may change."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).strip()


def test_folder_tree(endpoint, open_session):
    session = open_session(endpoint)
    folders = session.folders()
    names = [name for name, _ in folders.values()]
    for name in ("Drafts", "Archive", "Broken", "Projekte", "Übung & Co"):
        assert names.count(name) == 1, names
    nested = folder_id(session, NESTED)
    assert folders[folders[nested][1]][0] == "Projekte"


def test_special_use_folders_are_the_logon_folders(session, mailbox):
    rows = session.rows(session.contents_table(session.open_folder(session.sent_items)), [SUBJECT])
    assert len(rows) == len(mailbox.folders["Sent"])


def test_folder_counts(session, mailbox):
    columns = ["PidTagContentCount", "PidTagContentUnreadCount"]
    messages = mailbox.folders["INBOX"]
    row = session.properties(session.open_folder(session.inbox), columns)
    assert row[tag_of("PidTagContentCount")] == len(messages)
    assert row[tag_of("PidTagContentUnreadCount")] == sum(r"\Seen" not in message.flags for message in messages)


def test_row_s7_row_count_is_exact(session, mailbox):
    response = session.call(rops.get_contents_table(), session.open_folder(session.inbox))
    assert response.row_count == len(mailbox.folders["INBOX"])


def test_subjects(endpoint, open_session, mailbox):
    session = open_session(endpoint)
    rows = session.rows(inbox_table(session), ["PidTagSubject"])
    assert sorted(row[SUBJECT] for row in rows) == sorted(message.subject for message in mailbox.folders["INBOX"])


def test_columns_of_each_message(session, mailbox):
    columns = ["PidTagSubject", "PidTagMessageFlags", "PidTagHasAttachments", "PidTagMessageDeliveryTime",
               "PidTagMessageSize", "PidTagMessageClass", "PidTagSenderName", "PidTagDisplayTo"]
    rows = {row[SUBJECT]: row for row in session.rows(inbox_table(session), columns)}
    for message in mailbox.folders["INBOX"]:
        row = rows[message.subject]
        assert bool(row[tag_of("PidTagMessageFlags")] & 1) == (r"\Seen" in message.flags), message.subject
        if message.kind in ("plain", "alternative"):
            assert row[tag_of("PidTagHasAttachments")] is False, message.subject
        if message.attachments:
            assert row[tag_of("PidTagHasAttachments")] is True, message.subject
        assert int(row[tag_of("PidTagMessageDeliveryTime")].timestamp()) == message.date
        assert row[tag_of("PidTagMessageSize")] > 0
        assert row[tag_of("PidTagMessageClass")].startswith(("IPM.", "REPORT."))


def test_sort(session):
    table = inbox_table(session)
    for descending in (False, True):
        session.call(rops.sort_table(("PidTagMessageDeliveryTime", descending)), table)
        times = [row[tag_of("PidTagMessageDeliveryTime")]
                 for row in session.rows(table, ["PidTagMessageDeliveryTime"])]
        assert len(times) == 80
        assert times == sorted(times, reverse=descending)


def test_restrictions(session, mailbox):
    messages = mailbox.folders["INBOX"]
    read = tag_of("PidTagMessageFlags")
    cases = [
        (res_content("PidTagSubject", "#7"), lambda message: "#7" in message.subject),
        (res_bitmask("PidTagMessageFlags", 1), lambda message: r"\Seen" in message.flags),
        (res_not(res_bitmask("PidTagMessageFlags", 1)), lambda message: r"\Seen" not in message.flags),
        (res_and(res_content("PidTagSubject", "#1"), res_bitmask("PidTagMessageFlags", 1)),
         lambda message: "#1" in message.subject and r"\Seen" in message.flags),
        (res_or(res_content("PidTagSubject", "#11"), res_content("PidTagSubject", "#12")),
         lambda message: "#11" in message.subject or "#12" in message.subject),
        (res_property("PidTagSubject", EQ, messages[3].subject),
         lambda message: message.subject.lower() == messages[3].subject.lower()),
        (res_exist("PidTagSubject"), lambda message: True),
        (res_and(), lambda message: True),
    ]
    for restriction, keeps in cases:
        table = inbox_table(session)
        session.call(rops.set_columns([SUBJECT, read]), table)
        session.call(rops.restrict(restriction), table)
        found = sorted(row[SUBJECT] for row in session.rows(table, [SUBJECT]))
        assert found == sorted(message.subject for message in messages if keeps(message)), restriction.hex()


def test_cursor(session):
    table = inbox_table(session)
    columns = [SUBJECT]
    everything = [row[SUBJECT] for row in session.rows(table, columns)]
    at_end = session.call(rops.query_rows(columns, 10), table)
    assert (at_end.row_count, at_end.origin) == (0, rops.BOOKMARK_END)  # row P5
    assert session.call(rops.query_position(), table).denominator == len(everything)
    moved = session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 10), table)
    assert moved.rows_sought == 10
    assert [row[SUBJECT] for row in session.call(rops.query_rows(columns, 5), table).rows] == everything[10:15]
    moved = session.call(rops.seek_row(rops.BOOKMARK_CURRENT, -1000), table)
    assert (moved.has_sought_less, moved.rows_sought) == (1, -15)
    session.call(rops.seek_row(rops.BOOKMARK_END, -3), table)
    assert [row[SUBJECT] for row in session.call(rops.query_rows(columns, 5), table).rows] == everything[-3:]


def test_find_row(session):
    table = inbox_table(session)
    everything = [row[SUBJECT] for row in session.rows(table, [SUBJECT])]
    wanted = everything[40]
    session.call(rops.set_columns([SUBJECT]), table)
    found = session.call(rops.find_row([SUBJECT], res_property("PidTagSubject", EQ, wanted)), table)
    assert found.row[SUBJECT] == wanted
    assert session.call(rops.query_position(), table).numerator == 40
    missing = session.try_call(rops.find_row([SUBJECT], res_property("PidTagSubject", EQ, "no such")), table)
    assert missing.error == EC_NOT_FOUND


def test_bodies_and_attachments(session, mailbox):
    subjects = {message.subject: message for message in mailbox.folders["INBOX"]}
    compared = 0
    for row in session.rows(inbox_table(session), ["PidTagSubject", "PidTagMid"]):
        expected = subjects[row[SUBJECT]]
        message = session.open_message(session.inbox, row[MID])
        if expected.kind in ("plain", "alternative", "mixed", "latin1", "raw8bit"):
            body = session.stream(message, "PidTagBody").decode("utf-16-le")
            text = expected.text
            if expected.kind == "latin1":
                text = text.encode("iso-8859-15", "replace").decode("iso-8859-15")
            assert normal(body) == normal(text), expected.subject
            compared += 1
        if expected.kind == "mixed":
            found = [(attachment["name"],
                      hashlib.sha256(session.attachment_data(message, attachment["number"])).hexdigest())
                     for attachment in session.attachments(message)]
            # A name that Windows cannot store is made one that it can.
            wanted = [(re.sub(r'[<>:"/\\|?*]', "_", name), digest) for name, digest in expected.attachments]
            assert sorted(found) == sorted(wanted), expected.subject
        session.call(rops.release(), message)
    assert compared > 40


def test_html_bodies(session, mailbox):
    subjects = {message.subject: message for message in mailbox.folders["INBOX"] if message.kind == "html"}
    assert subjects
    for row in session.rows(inbox_table(session), ["PidTagSubject", "PidTagMid"]):
        if row[SUBJECT] in subjects:
            html = session.stream(session.open_message(session.inbox, row[MID]), "PidTagHtml")
            source = email.message_from_bytes(subjects[row[SUBJECT]].data, policy=email.policy.default)
            first = source.get_content().split("<p>")[1].split("</p>")[0].encode()
            assert first in html


def test_embedded_messages(session, mailbox):
    forwarded = {message.subject for message in mailbox.folders["INBOX"] if message.kind == "forwarded"}
    assert forwarded
    for row in session.rows(inbox_table(session), ["PidTagSubject", "PidTagMid"]):
        if row[SUBJECT] not in forwarded:
            continue
        message = session.open_message(session.inbox, row[MID])
        attachments = session.attachments(message)
        assert [attachment["method"] for attachment in attachments] == [5]  # afEmbeddedMessage
        attachment = session.call(rops.open_attachment(attachments[0]["number"]), message).handle
        inner = session.call(rops.open_embedded_message(), attachment)
        assert inner.normalized_subject is not None
        assert session.properties(inner.handle, ["PidTagMessageClass"])[tag_of("PidTagMessageClass")]


def test_row_s8_absent_property_is_not_found(session):
    table = inbox_table(session)
    mid = session.rows(table, ["PidTagMid"], 1)[0][MID]
    message = session.open_message(session.inbox, mid)
    absent = 0x7FFE001F
    row = session.properties(message, [absent, "PidTagSubject"])
    assert row[absent] == PropertyError(EC_NOT_FOUND)
    assert isinstance(row[SUBJECT], str)


def test_all_properties_agree_with_specific_ones(session):
    mid = session.rows(inbox_table(session), ["PidTagMid"], 1)[0][MID]
    message = session.open_message(session.inbox, mid)
    everything = session.call(rops.get_properties_all(4096), message).row
    listed = session.call(rops.get_properties_list(), message).tags
    assert SUBJECT in everything and SUBJECT in listed
    row = session.properties(message, [SUBJECT, "PidTagMessageClass"])
    assert all(everything[tag] == value for tag, value in row.items())


def test_broken_mail_is_listed_and_opens(session, mailbox):
    folder = folder_id(session, "Broken")
    rows = session.rows(session.contents_table(session.open_folder(folder)), ["PidTagMid", "PidTagSubject"])
    assert len(rows) == len(mailbox.broken)
    for row in rows:
        opened = session.try_call(rops.open_message(folder, row[MID]))
        assert opened.error == 0, row[SUBJECT]
        session.call(rops.get_properties_all(8192), opened.handle)
        for attachment in session.attachments(opened.handle):
            assert "/" not in (attachment["name"] if isinstance(attachment["name"], str) else "")
        session.call(rops.release(), opened.handle)


def test_corpus_mail_opens(make_dovecot, make_gateway, open_session):
    messages = mailgen.corpus_messages()
    if not messages:
        pytest.skip("no corpora (set MAPIGATE_CORPORA)")
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [data for _, data in messages])
    session = open_session(make_gateway(server.tls_port))
    rows = session.rows(inbox_table(session), ["PidTagMid"])
    assert len(rows) == len(messages)
    for row in rows:
        message = session.open_message(session.inbox, row[MID])
        session.call(rops.get_properties_all(8192), message)
        for attachment in session.attachments(message):
            session.call(rops.open_attachment(attachment["number"]), message)
        session.call(rops.release(), message)


def test_large_attachment_streams(make_dovecot, make_gateway, open_session):
    server = make_dovecot()
    large = mailgen.message(750)
    server.seed(ALICE, "INBOX", [large.seed()])
    gateway = make_gateway(server.tls_port)
    session = open_session(gateway)
    message = session.open_message(session.inbox, session.rows(inbox_table(session), ["PidTagMid"])[0][MID])
    before = gateway.memory()
    (attachment,) = session.attachments(message)
    data = session.attachment_data(message, attachment["number"])
    assert (attachment["name"], hashlib.sha256(data).hexdigest()) == large.attachments[0]
    assert gateway.memory() - before < 200 << 20


def test_new_mail_and_flag_changes_appear(dovecot, gateway, open_session):
    session = open_session(gateway, user="dave@example.test")
    assert session.call(rops.get_contents_table(), session.open_folder(session.inbox)).row_count == 0
    dovecot.seed("dave@example.test", "INBOX", [mailgen.small(1)[0]])

    def rows():
        return session.rows(inbox_table(session), ["PidTagSubject", "PidTagMessageFlags"])

    found = wait_until(rows, "the new message in the table", 30, 0.5)
    assert found[0][SUBJECT].startswith("Message 1:")
    assert not found[0][tag_of("PidTagMessageFlags")] & 1
    client = dovecot.connect("dave@example.test")
    client.select("INBOX")
    client.store("1", "+FLAGS", r"(\Seen)")
    wait_until(lambda: rows()[0][tag_of("PidTagMessageFlags")] & 1, "the read flag", 30, 0.5)
    client.store("1", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.logout()
    wait_until(lambda: not rows(), "the expunge", 30, 0.5)


def test_a_second_look_is_quick(session):
    inbox_table(session)
    started = time.monotonic()
    for _ in range(20):
        assert session.rows(inbox_table(session), ["PidTagSubject"], 50)
    assert time.monotonic() - started < 10
