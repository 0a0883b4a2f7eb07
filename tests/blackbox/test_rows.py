"""What a contents table shows of a message is what the opened message says ([MS-OXCTABL] 2.2.1, [MS-OXCMSG] 2.2.1)."""
import datetime
import textwrap
import uuid

import pytest

from conftest import ALICE
from harness import imap_server, mailgen, rops
from harness.processes import wait_until
from harness.properties import EC_NOT_FOUND, TAGS, PropertyError, res_content, tag_of

HEAD = """\
Message-ID: <{name}@rows.test>
Date: Mon, 4 Jan 2021 09:00:00 +0000
From: Postmaster <postmaster@example.test>
To: Alice Adams <alice@example.test>
Subject: {subject}
MIME-Version: 1.0
"""
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def mail(name, rest, subject=None):
    """`rest`: further fields, an empty line, the body."""
    return (HEAD.format(name=name, subject=subject or name) + textwrap.dedent(rest)).replace("\n", "\r\n").encode()


def parts(kind, *bodies, parameters="", fields=""):
    text = f"{fields}Content-Type: multipart/{kind}; boundary=edge{parameters}\n\n"
    return text + "".join(f"--edge\n{body}\n" for body in bodies) + "--edge--\n"


TEXT = "Content-Type: text/plain\n\nSome text.\n"
HTML = 'Content-Type: text/html\n\n<p>Some <b>text</b> <img src="cid:one@x"></p>\n'
INLINE = f"Content-Type: image/png\nContent-ID: <one@x>\nContent-Transfer-Encoding: base64\n\n{PNG}\n"
FILE = ("Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment; filename=a.pdf\n"
        "Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n")
ORIGINAL = "Content-Type: message/rfc822\n\nSubject: what was sent\nMessage-ID: <sent@example.test>\nDate: Mon, 4 Jan 2021 08:00:00 +0000\n\nOriginal.\n"


def delivery(name, action, status="5.1.1"):
    report = ("Content-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.test\n\n"
              f"Final-Recipient: rfc822; bob@example.test\nAction: {action}\nStatus: {status}\n")
    return mail(name, parts("report", TEXT, report, ORIGINAL, parameters="; report-type=delivery-status"))


def disposition(name, kind):
    report = ("Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@example.test\n"
              f"Original-Message-ID: <sent@example.test>\nDisposition: manual-action/MDN-sent-manually; {kind}\n")
    return mail(name, parts("report", TEXT, report, parameters="; report-type=disposition-notification"))


def meeting(name, method, status="NEEDS-ACTION", container="alternative"):
    calendar = (f"Content-Type: text/calendar; method={method}; charset=utf-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nMETHOD:{method}\n"
                "BEGIN:VEVENT\nUID:one@rows.test\nDTSTAMP:20210104T080000Z\nDTSTART:20210105T080000Z\nDTEND:20210105T090000Z\n"
                f"SUMMARY:Meeting\nORGANIZER:mailto:boss@example.test\nATTENDEE;PARTSTAT={status}:mailto:alice@example.test\n"
                "END:VEVENT\nEND:VCALENDAR\n")
    return mail(name, parts(container, TEXT, calendar))


MESSAGES = {
    "plain": mail("plain", "\nSome text.\n"),
    "html": mail("html", HTML),
    "high and private": mail("high and private", "Importance: high\nSensitivity: private\n\nx\n"),
    "low by number": mail("low by number", "X-Priority: 5 (Lowest)\nSensitivity: company-confidential\n\nx\n"),
    "urgent": mail("urgent", "Priority: urgent\n\nx\n"),
    "asks for receipts": mail("asks for receipts", "Disposition-Notification-To: boss@example.test\nReturn-Receipt-To: boss@example.test\n\nx\n"),
    "reply": mail("reply", "In-Reply-To: <plain@rows.test>\nReferences: <plain@rows.test>\nReply-To: Other <other@example.test>\n\nx\n",
                  "Re: plain"),
    "thread": mail("thread", "Thread-Topic: The thread\nThread-Index: AQHWx0123456789abcdef0123456789abcde\n\nx\n", "FW: thread"),
    "on behalf": mail("on behalf", "Sender: Secretary <secretary@example.test>\nCc: Bob <bob@example.test>\n\nx\n"),
    "picture in the text": mail("picture in the text", parts("related", HTML, INLINE)),
    "picture and file": mail("picture and file", parts("mixed", HTML, INLINE, FILE)),
    "file": mail("file", parts("mixed", TEXT, FILE)),
    "nothing but a file": mail("nothing but a file", FILE),
    "second text": mail("second text", parts("mixed", TEXT, "Content-Type: text/plain; name=b.txt\n\nMore.\n")),
    "second text without a name": mail("second text without a name", parts("mixed", TEXT, TEXT)),
    "attached message": mail("attached message", parts("mixed", TEXT, ORIGINAL)),
    "attached report": mail("attached report", parts("mixed", TEXT, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\n")),
    "alternatives": mail("alternatives", parts("alternative", TEXT, HTML)),
    "picture among alternatives": mail("picture among alternatives", parts("alternative", TEXT, HTML, INLINE)),
    "failed": delivery("failed", "failed"),
    "delayed": delivery("delayed", "delayed", "4.4.1"),
    "delivered": delivery("delivered", "delivered", "2.1.5"),
    "relayed": delivery("relayed", "relayed", "2.1.9"),
    "expanded": delivery("expanded", "expanded", "2.1.9"),
    "displayed": disposition("displayed", "displayed"),
    "deleted": disposition("deleted", "deleted"),
    "report of another kind": mail("report of another kind", parts(
        "report", TEXT, "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n", ORIGINAL, parameters="; report-type=feedback-report")),
    "report without a report": mail("report without a report", parts("report", TEXT, parameters="; report-type=delivery-status")),
    "report without a type": mail("report without a type", parts(
        "report", TEXT, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; b@x\nAction: failed\nStatus: 5.0.0\n")),
    "signed": mail("signed", parts("signed", TEXT, "Content-Type: application/pkcs7-signature; name=smime.p7s\n"
                                   "Content-Transfer-Encoding: base64\n\nMIIB\n", parameters="; protocol=\"application/pkcs7-signature\"; micalg=sha-256")),
    "signed by PGP": mail("signed by PGP", parts("signed", TEXT, "Content-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n",
                                                 parameters="; protocol=\"application/pgp-signature\"")),
    "encrypted by PGP": mail("encrypted by PGP", parts("encrypted", "Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                                                       "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n",
                                                       parameters="; protocol=\"application/pgp-encrypted\"")),
    "enveloped": mail("enveloped", "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n"
                      "Content-Disposition: attachment; filename=smime.p7m\nContent-Transfer-Encoding: base64\n\nMIIB\n"),
    "enveloped by name": mail("enveloped by name", "Content-Type: application/octet-stream; name=smime.p7m\nContent-Transfer-Encoding: base64\n\nMIIB\n"),
    "request": meeting("request", "REQUEST"),
    "accepted": meeting("accepted", "REPLY", "ACCEPTED"),
    "declined": meeting("declined", "REPLY", "DECLINED"),
    "tentative": meeting("tentative", "REPLY", "TENTATIVE"),
    "counter": meeting("counter", "COUNTER", "TENTATIVE"),
    "canceled": meeting("canceled", "CANCEL"),
    "published": meeting("published", "PUBLISH"),
    "request in mixed": meeting("request in mixed", "REQUEST", container="mixed"),
    "broken request": mail("broken request", parts("alternative", TEXT, "Content-Type: text/calendar; method=REQUEST\n\nnothing of the kind\n")),
    "fax": mail("fax", parts("mixed", TEXT, f"Content-Type: image/tiff; name=a.tif\nContent-Transfer-Encoding: base64\n\n{PNG}\n",
                             fields="Content-Class: fax\n")),
    "fax without one": mail("fax without one", "Content-Class: fax\n\nx\n"),
    "voice without one": mail("voice without one", "Content-Class: voice\n\nx\n"),
    "form": mail("form", "Content-Class: urn:content-class:custom.order\n\nx\n"),
    "expires": mail("expires", "Expires: Mon, 4 Jan 2027 09:00:00 +0000\nReply-By: Tue, 5 Jan 2027 09:00:00 +0000\n\nx\n"),
    "list": mail("list", "List-Help: <mailto:help@example.test>\nList-Unsubscribe: <mailto:off@example.test>\nOrganization: Example\n"
                 "X-Auto-Response-Suppress: OOF, DR\nX-Message-Flag: Call back\n\nx\n"),
    "answered": (mail("answered", "\nx\n"), (r"\Seen", r"\Answered"), None),
    "forwarded": (mail("forwarded", "\nx\n"), (r"\Seen", "$Forwarded"), None),
    "flagged": (mail("flagged", "\nx\n"), (r"\Flagged",), None),
    "draft": (mail("draft", "\nx\n"), (r"\Draft", r"\Seen"), None),
    "answered request": (meeting("answered request", "REQUEST"), (r"\Answered",), None),
    "long text": mail("long text", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + "größer " * 9000 + "\n"),
    "long HTML": mail("long HTML", parts("mixed", "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
                                         "<html><head><style>p { color: red }</style></head><body>" + "<b>gr=F6=DFer</b> =\n" * 3000, FILE)),
    "text behind a file": mail("text behind a file", parts("mixed", FILE.replace("JVBERi0xLjQK", "JVBERi0xLjQK\n" * 4000), TEXT)),
    "without a subject": b"From: a@example.test\r\n\r\nx\r\n",
}
# Large bodies are no columns, and these stand for a row rather than for a message. Of PidTagBody a row shows what fits into a cell
# ([MS-OXCTABL] 2.2.2.5).
NOT_OF_ROWS = {"PidTagRowType", "PidTagDepth", "PidTagInstID", "PidTagInstanceNum", "PidTagHtml", "PidTagRtfCompressed",
               "PidTagRtfInSync", "PidTagTransportMessageHeaders", "PidTagInternetCodepage"}
MORE = [0x0032_0040, 0x0049_001F, 0x004E_0040, 0x002A_0040, 0x0025_0102, 0x0C06_000B, 0x0023_000B, 0x0004_0102,  # of reports
        0x0060_0040, 0x0061_0040, 0x0062_0003, 0x0063_000B, 0x0C17_000B,  # of meetings
        0x0074_001F, 0x1046_001F, 0x0080_001F, 0x0081_001F, 0x6820_001F,
        0x0026_0003, 0x0036_0003, 0x003D_001F, 0x0E02_001F, 0x0015_0040, 0x0030_0040, 0x1042_001F, 0x1039_001F, 0x3013_0102, 0x3016_000B,
        0x004F_0102, 0x0050_001F, 0x3FDF_0003, 0x0E2B_0003, 0x1095_0003, 0x0029_000B, 0x5D01_001F, 0x5D02_001F,
        0x0C19_0102, 0x0041_0102, 0x0C1D_0102, 0x003B_0102, 0x3FF1_0003, 0x3FFA_001F, 0x0E08_0014, 0x1000_001E]
BODY, BODY_8 = 0x1000_001F, 0x1000_001E
EC_MEMORY = 0x8007000E


CLASSES = {"plain": "IPM.Note", "failed": "REPORT.IPM.Note.NDR", "delayed": "REPORT.IPM.Note.Delayed.DR", "delivered": "REPORT.IPM.Note.DR",
           "relayed": "REPORT.IPM.Note.Relayed.DR", "expanded": "REPORT.IPM.Note.Expanded.DR", "displayed": "REPORT.IPM.Note.IPNRN",
           "deleted": "REPORT.IPM.Note.IPNNRN", "report without a type": "REPORT.IPM.Note.NDR", "report of another kind": "IPM.Note",
           "signed": "IPM.Note.SMIME.MultipartSigned", "enveloped": "IPM.Note.SMIME", "enveloped by name": "IPM.Note.SMIME",
           "request": "IPM.Schedule.Meeting.Request", "request in mixed": "IPM.Schedule.Meeting.Request",
           "accepted": "IPM.Schedule.Meeting.Resp.Pos", "declined": "IPM.Schedule.Meeting.Resp.Neg",
           "tentative": "IPM.Schedule.Meeting.Resp.Tent", "canceled": "IPM.Schedule.Meeting.Canceled", "fax": "IPM.Note.Microsoft.Fax"}
TEXTS = {"plain": "Some text.\r\n", "html": "Some text\r\n", "alternatives": "Some text.\r\n", "enveloped": "", "nothing but a file": "",
         "signed": "Some text.\r\n", "request": "Some text.\r\n", "long text": ("größer " * 40)[:255], "long HTML": ("größer " * 40)[:255],
         "text behind a file": "Some text.\r\n"}
SMART_NO_ATTACH = (uuid.UUID("00062008-0000-0000-c000-000000000046"), 0x8514)
UNTIL = datetime.datetime(2027, 1, 4, 9, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def varied(dovecot):
    names = {**MESSAGES, **{f"broken: {name}": data for name, data in mailgen.broken()}}
    entries = [entry if isinstance(entry, tuple) else (entry, None, mailgen.FIRST_DATE) for entry in names.values()]
    taken = imap_server.seed_what_it_takes(dovecot, ALICE, "Varied", entries)
    assert len(taken) > len(MESSAGES)
    return [list(names)[place] for place in taken]


def folder_named(session, name):
    return wait_until(lambda: [number for number, (shown, _) in session.folders().items() if shown == name], f"the folder {name}", 20)[0]


def first_cell(session, message, text):
    """What a row can show of the text of an opened message."""
    if text == PropertyError(EC_MEMORY):
        text = session.stream(message, "PidTagBody").decode("utf-16-le")
    return text[:255] if isinstance(text, str) else text


def compare(session, folder, flags=0):
    """What differs, a line each; and the rows."""
    table = session.contents_table(session.open_folder(folder), flags)
    offered = [tag & 0xFFFFFFFF for tag in session.call(rops.query_columns_all(), table).columns]
    hidden = session.call(rops.get_property_ids_from_names([SMART_NO_ATTACH], True)).property_ids[0] << 16 | 0xB
    unlike = {TAGS[name] for name in NOT_OF_ROWS} | {0x0FF7_0003}  # PidTagAccessLevel is as it was opened
    columns = [tag for tag in dict.fromkeys([hidden] + offered + list(TAGS.values()) + MORE)
               if tag not in unlike and tag & 0xFFFF not in (0xFD, 0xFE, 0xD)]
    by_row = []
    for start in range(0, len(columns), 60):
        session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 0), table)
        found = session.rows(table, columns[start:start + 60])
        by_row = by_row or [{} for _ in found]
        assert len(found) == len(by_row)
        for whole, some in zip(by_row, found):
            whole.update(some)
    differ = []
    for row in by_row:
        message = session.open_message(folder, row[tag_of("PidTagMid")])
        opened = {}
        for start in range(0, len(columns), 60):
            opened.update(session.properties(message, columns[start:start + 60]))
        for tag in (BODY, BODY_8):
            opened[tag] = first_cell(session, message, opened[tag])
        session.call(rops.release(), message)
        row["hidden"] = row[hidden]
        differ += [f"{row[tag_of('PidTagSubject')]!r}: {tag:#010x} {row[tag]!r} in the row, {opened[tag]!r} opened"
                   for tag in columns if row[tag] != opened[tag]]
    return differ, by_row


def test_rows_say_what_messages_say(session, varied):
    folder = folder_named(session, "Varied")
    differ, found = compare(session, folder)
    assert len(found) == len(varied)
    assert not differ, "\n".join(differ)
    by_name = {row[tag_of("PidTagSubject")]: row for row in found}
    for name, its_class in CLASSES.items():
        assert by_name[name][tag_of("PidTagMessageClass")] == its_class, name
    # [MS-OXCMSG] 2.2.1.2 and 2.2.1.14
    for name, text in TEXTS.items():
        assert by_name[name][BODY] == text, name
    for name, attachments, hidden in (("plain", False, None), ("file", True, None), ("picture in the text", True, True), ("signed", True, True),
                                      ("picture and file", True, None), ("request", False, None), ("failed", True, None), ("deleted", False, None)):
        row = by_name[name]
        assert row[tag_of("PidTagHasAttachments")] is attachments and bool(row[tag_of("PidTagMessageFlags")] & 0x10) is attachments, name
        assert row["hidden"] == (hidden or PropertyError(EC_NOT_FOUND)), name


def test_reports_are_found_and_sorted_by_their_class(session, varied):
    folder = folder_named(session, "Varied")
    table = session.contents_table(session.open_folder(folder))
    its_class, subject = tag_of("PidTagMessageClass"), tag_of("PidTagSubject")
    session.call(rops.sort_table(("PidTagMessageClass", 0)), table)
    session.call(rops.restrict(res_content("PidTagMessageClass", "REPORT.IPM.Note.", substring=True)), table)
    session.call(rops.seek_row(rops.BOOKMARK_BEGINNING, 0), table)
    found = [(row[its_class], row[subject]) for row in session.rows(table, [its_class, subject])]
    wanted = [(text, name) for name, text in CLASSES.items() if text.startswith("REPORT.")]
    assert sorted(found) == sorted(wanted)
    assert [text for text, _ in found] == sorted((text for text, _ in wanted), key=str.lower)


def test_rows_of_what_is_written_here(mapi, folder):
    number, _ = folder
    recipients = [(0, 1, "Bob Brown", "bob@example.test"), (1, 2, "Carol Clark", "carol@example.test")]
    for name, values in {"written": {}, "important": {"PidTagImportance": 2, 0x0036_0003: 2}, "to be told": {"PidTagReadReceiptRequested": True},
                         "without a line end": {"PidTagBody": "no line end"},
                         "task": {"PidTagMessageClass": "IPM.Task"}, "replied": {"PidTagLastVerbExecuted": 102, "PidTagIconIndex": 0x105},
                         "sent": {"PidTagMessageFlags": 1}, "until": {0x0015_0040: UNTIL, 0x0030_0040: UNTIL}}.items():
        message = mapi.new_message(number, {"PidTagSubject": f"RE: {name}", "PidTagBody": "Text\r\n", **values}, recipients)
        if name == "written":
            mapi.attach(message, "a.txt", b"a file")
        mapi.save(message)
        mapi.call(rops.release(), message)
    differ, found = compare(mapi, number)
    assert len(found) == 8
    assert not differ, "\n".join(differ)
    hidden = mapi.call(rops.create_message(number, True)).handle
    mapi.call(rops.set_properties({"PidTagSubject": "hidden", "PidTagBody": "Hidden.\r\n", "PidTagMessageClass": "IPM.Configuration.Test",
                                   "PidTagRoamingDatatypes": 4}), hidden)
    mapi.save(hidden)
    differ, found = compare(mapi, number, 0x02)
    assert len(found) == 1
    assert not differ, "\n".join(differ)
