"""Meetings that come by mail ([MS-OXCICAL] 2.1.3): what MAPI makes of them, and that IMAP keeps them as they came."""
import datetime
import uuid

import pytest

from conftest import ALICE
from harness import imap_server, rops
from harness.mapigate import Mapigate
from harness.processes import wait_until
from harness.properties import tag_of
from test_writing import Imap

APPOINTMENT, MEETING = uuid.UUID("00062002-0000-0000-c000-000000000046"), uuid.UUID("6ed8da90-450b-101b-98da-00aa003f1305")
CLASS, SUBJECT, MID = tag_of("PidTagMessageClass"), tag_of("PidTagSubject"), tag_of("PidTagMid")


def mail(subject, method, event):
    calendar = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", f"METHOD:{method}", "BEGIN:VEVENT", "UID:meeting-1@example.test",
                            "DTSTAMP:20240601T120000Z", "DTSTART:20240701T080000Z", "DTEND:20240701T093000Z", *event, "END:VEVENT",
                            "END:VCALENDAR", ""])
    return (f"From: bob@example.test\r\nTo: {ALICE}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\n"
            f"Content-Type: text/calendar; charset=utf-8; method={method}\r\n\r\n{calendar}\r\n--b--\r\n").encode()


@pytest.fixture(scope="module")
def server(certificates):
    with imap_server.make(certificates, (ALICE,)) as one:
        yield one


@pytest.fixture(scope="module")
def gateway(certificates, server):
    with Mapigate.gateway(certificates, server.tls_port, name="meetings") as one:
        yield one
        one.check_log()


def test_meetings_that_come_by_mail(server, gateway, open_session):
    imap = Imap(server)
    mails = {"request": mail("request", "REQUEST", ["LOCATION:Büro", "SEQUENCE:2"]),
             "accepted": mail("accepted", "REPLY", ["ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.test"]),
             "declined": mail("declined", "REPLY", ["ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.test"]),
             "delegated": mail("delegated", "REPLY", ["ATTENDEE;PARTSTAT=DELEGATED:mailto:bob@example.test"]),
             "proposal": mail("proposal", "COUNTER", ["ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.test"]),
             "canceled": mail("canceled", "CANCEL", ["STATUS:CANCELLED"])}
    for data in mails.values():
        imap.link.append("INBOX", None, None, data)
    session = open_session(gateway)
    inbox = session.open_folder(session.inbox)

    def found():
        return {row[SUBJECT]: row for row in session.rows(session.contents_table(inbox), ["PidTagSubject", "PidTagMid", "PidTagMessageClass",
                                                                                          "PidTagIconIndex"])}
    wait_until(lambda: set(mails) <= set(found()), "the mails", 40, 0.5)
    listed = found()
    icon = tag_of("PidTagIconIndex")
    for subject, message_class, index in (("request", "IPM.Schedule.Meeting.Request", 0x404), ("proposal", "IPM.Schedule.Meeting.Resp.Tent", 0x407),
                                          ("canceled", "IPM.Schedule.Meeting.Canceled", 0x408), ("accepted", "IPM.Schedule.Meeting.Resp.Pos", 0x405),
                                          ("declined", "IPM.Schedule.Meeting.Resp.Neg", 0x406)):
        assert (listed[subject][CLASS], listed[subject][icon]) == (message_class, index)
    assert listed["delegated"][CLASS] == "IPM.Note"
    names = [(APPOINTMENT, 0x820D), (APPOINTMENT, 0x820E), (APPOINTMENT, 0x8208), (APPOINTMENT, 0x8201), (APPOINTMENT, 0x8218), (MEETING, 0x0003)]
    start, end, location, sequence, response, global_id = (
        number << 16 | kind for number, kind in zip(session.call(rops.get_property_ids_from_names(names, True)).property_ids,
                                                     (0x0040, 0x0040, 0x001F, 0x0003, 0x0003, 0x0102)))
    opened = {subject: session.open_message(session.inbox, row[MID]) for subject, row in listed.items() if subject in mails}
    request = session.properties(opened["request"], ["PidTagMessageClass", start, end, location, sequence, response, global_id])
    assert request[CLASS] == "IPM.Schedule.Meeting.Request"
    assert request[start] == datetime.datetime(2024, 7, 1, 8, tzinfo=datetime.timezone.utc)
    assert request[end] == datetime.datetime(2024, 7, 1, 9, 30, tzinfo=datetime.timezone.utc)
    assert (request[location], request[sequence], request[response]) == ("Büro", 2, 5)
    assert request[global_id].endswith(b"vCal-Uid\1\0\0\0meeting-1@example.test\0")
    accepted = session.properties(opened["accepted"], ["PidTagMessageClass", response])
    assert (accepted[CLASS], accepted[response]) == ("IPM.Schedule.Meeting.Resp.Pos", 3)
    assert session.properties(opened["proposal"], ["PidTagMessageClass"])[CLASS] == "IPM.Schedule.Meeting.Resp.Tent"
    # Reading changes nothing of what is stored.
    imap.select("INBOX")
    stored = [imap.link.uid("fetch", uid, "(BODY.PEEK[])")[1][0][1] for uid in imap.uids("INBOX")]
    assert all(data in stored for data in mails.values())
