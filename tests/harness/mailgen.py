"""Realistic mail, the same at every run: message(n) is a pure function of n.

Each Message knows what is in it (subject, plain text, attachments), so that a test can compare without
trusting any MIME parser. broken() is mail that real servers hold although no document allows it.
"""
import base64
import dataclasses
import email.header
import email.utils
import hashlib
import os
import pathlib
import quopri
import random
import zlib

from .processes import TOP

# 2021-01-04, a Monday; messages spread over about three years from there
FIRST_DATE = 1609750800

PEOPLE = [
    ("Alice Adams", "alice@example.test"), ("Bob Brown", "bob@example.test"),
    ("Jürgen Müßig", "j.muessig@example.org"), ("Élodie Crèvecœur", "elodie@exemple.example"),
    ("Łukasz Żółkiewski", "lukasz@przyklad.example"), ("Ольга Петрова", "olga@primer.example"),
    ("Γιώργος Παπαδόπουλος", "giorgos@paradeigma.example"), ("山田太郎", "yamada@rei.example"),
    ("王小明", "wang@lizi.example"), ("김민수", "kim@yeje.example"), ("محمد عبد الله", "mohammed@mithal.example"),
    ("דוד לוי", "david@dugma.example"), ("प्रिया शर्मा", "priya@udaharan.example"), ("สมชาย ใจดี", "somchai@tuayang.example"),
    ("O'Brien, Pat \"Paddy\"", "pat@example.ie.example"), ("🦊 Fox & Co", "fox@example.net.example"),
    ("", "noreply@example.com.example"),
]
SUBJECTS = [
    "Quarterly figures", "Lunch on Thursday?", "Angebot für die Sanierung der Außenfassade", "Réunion décalée à 15 h",
    "Zażółć gęślą jaźń", "Договор на поставку оборудования", "Συνάντηση την Παρασκευή", "会議の議事録について", "关于合同的修改意见",
    "회의 일정 변경", "اجتماع يوم الأحد", "פגישה ביום ראשון", "बैठक का कार्यवृत्त", "นัดประชุม", "🎉 Launch day 🚀 all hands",
    "Re: [ticket 4711] printer is on fire", "a" * 180 + " end of a long subject", "Mixed עברית and English (draft)",
    "  spaces  inside   and around ", "<b>not html</b> & \"quotes\"", "=?utf-8?Q?looks_encoded?= but is text", "",
]
WORDS = ("the invoice project meeting figures review tomorrow please attached draft contract budget thanks best regards "
         "schedule customer delivery server update question answer office summer report version deadline team quality "
         "größer Straße été où naïve señor złoty příliš мир встреча λόγος 日本語 中文 한국어 مرحبا שלום").split()
ATTACHMENT_NAMES = ["report.pdf", "Übersicht 2024.xlsx", "фото.jpg", "資料.docx", "very " + "long " * 30 + "name.txt",
                    "no-extension", "a;b=c\"d.bin", "invoice.PDF"]
KEYWORDS = ["$Forwarded", "$MDNSent", "$Label1", "NonJunk", "Projekt"]


@dataclasses.dataclass(frozen=True)
class Message:
    number: int
    kind: str
    data: bytes                 # RFC 5322, CRLF
    subject: str
    text: str                   # the plain body, "" if there is none
    attachments: tuple          # (file name, SHA-256 of the decoded bytes) of real attachments
    flags: tuple                # IMAP flags and keywords
    date: int                   # epoch seconds: the internal date

    def seed(self):
        """As Dovecot.seed() takes it."""
        return self.data, self.flags, self.date


def _random(number, what=""):
    return random.Random(zlib.crc32(f"{number} {what}".encode()))


def _text(chance, sentences=None):
    lines = []
    for _ in range(sentences or chance.randint(2, 14)):
        words = [chance.choice(WORDS) for _ in range(chance.randint(3, 14))]
        lines.append(" ".join(words).capitalize() + ".")
        if chance.random() < 0.2:
            lines.append("")
    return "\r\n".join(lines) + "\r\n"


def blob(number, size):
    """`size` bytes that do not compress and are the same for the same number."""
    return random.Random(number).randbytes(size)


def _encode_header(text, form):
    """One header text in one of the forms mail programs use."""
    if text.isascii() and "=?" not in text:
        return text.strip() if text.strip() != text and form != 2 else text
    if form == 0 or "=?" in text:
        return email.header.Header(text, "utf-8", maxlinelen=75).encode(linesep="\r\n")
    if form == 1:  # Q, whatever the script
        charset = email.header.Charset("utf-8")
        charset.header_encoding = email.header.Charset("iso-8859-1").header_encoding
        return email.header.Header(text, charset, maxlinelen=75).encode(linesep="\r\n")
    if form == 2:  # a legacy charset where it fits
        for name in ("iso-8859-1", "koi8-r", "iso-2022-jp", "gb2312", "windows-1255"):
            try:
                return email.header.Header(text.encode(name), name, maxlinelen=75).encode(linesep="\r\n")
            except (UnicodeError, LookupError):
                continue
        return email.header.Header(text, "utf-8").encode(linesep="\r\n")
    return text  # raw UTF-8


def _address(person, form):
    name, address = person
    if not name:
        return address
    if name.isascii():
        return email.utils.formataddr((name, address))
    return f"{_encode_header(name, form)} <{address}>"


def _part(content_type, data, encoding="base64", headers=()):
    """One MIME entity: its headers, an empty line, its body; no newline at the end."""
    if encoding == "base64":
        body = base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip(b"\r\n")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n").rstrip(b"\r\n")
    else:
        body = data.rstrip(b"\r\n")
    lines = [f"Content-Type: {content_type}", f"Content-Transfer-Encoding: {encoding}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _multipart(kind, parts, boundary, parameters=""):
    lines = [f"Content-Type: multipart/{kind}; boundary=\"{boundary}\"{parameters}\r\n\r\n".encode()]
    for part in parts:
        lines.append(f"--{boundary}\r\n".encode() + part + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def _text_part(chance, text):
    choice = chance.randint(0, 3)
    if choice == 1 and text.isascii():
        return _part("text/plain; charset=us-ascii", text.encode(), "7bit")
    if choice == 2:
        return _part("text/plain; charset=utf-8; format=flowed", text.encode(), "8bit")
    if choice == 3:
        return _part("text/plain; charset=utf-8", text.encode(), "base64")
    return _part("text/plain; charset=\"UTF-8\"", text.encode(), "quoted-printable")


def _html_part(text, image=None):
    paragraphs = "".join(f"<p>{line}</p>\r\n" for line in text.split("\r\n") if line)
    picture = f'<img src="cid:{image}" alt="inline">' if image else ""
    document = ("<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">"
                f"<style>p {{ margin: 0 }}</style></head><body>\r\n{paragraphs}{picture}</body></html>\r\n")
    return _part("text/html; charset=utf-8", document.encode(), "quoted-printable")


def _file_name(name, form):
    """Content-Disposition parameters of a file name: plain, RFC 2231, or RFC 2047 in quotes."""
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'filename="{quoted}"'
    if form % 2:
        return "filename*=utf-8''" + "".join(f"%{byte:02X}" for byte in name.encode())
    return f'filename="=?utf-8?B?{base64.b64encode(name.encode()).decode()}?="'


def _attachment(chance, name, data, content_type="application/octet-stream"):
    return _part(content_type, data, "base64",
                 [f"Content-Disposition: attachment; {_file_name(name, chance.randint(0, 1))}; size={len(data)}"])


def _calendar(number, chance):
    start = FIRST_DATE + number * 3600
    stamp = email.utils.formatdate(start)
    day = f"2024{number % 12 + 1:02}{number % 28 + 1:02}"
    text = "\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//test//EN", "METHOD:REQUEST", "BEGIN:VEVENT",
        f"UID:event-{number}@example.test", f"DTSTAMP:{day}T080000Z", f"DTSTART:{day}T090000Z", f"DTEND:{day}T100000Z",
        f"SUMMARY:{chance.choice(['Planning', 'Übergabe', '会議'])}", "ORGANIZER;CN=Bob:mailto:bob@example.test",
        "ATTENDEE;RSVP=TRUE;CN=Alice:mailto:alice@example.test", f"DESCRIPTION:sent {stamp}", "END:VEVENT",
        "END:VCALENDAR", ""])
    return _part("text/calendar; charset=utf-8; method=REQUEST", text.encode(), "8bit")


# kind, weight among 100
_KINDS = [("plain", 24), ("html", 8), ("alternative", 26), ("related", 8), ("mixed", 16), ("forwarded", 4), ("signed", 2),
          ("calendar", 3), ("latin1", 3), ("raw8bit", 2), ("long", 2), ("tnef-like", 1), ("report", 1)]
_KIND_LIST = [kind for kind, weight in _KINDS for _ in range(weight)]
# Every 1,500th message carries a large attachment; sizes in bytes
LARGE = (5 << 20, 11 << 20, 20 << 20)


def message(number, large=True):
    """Message `number`, 0 and up. With `large` every 1,500th carries 5 to 20 MB."""
    chance = _random(number)
    kind = chance.choice(_KIND_LIST)
    is_large = large and number % 1500 == 750
    if is_large:
        kind = "mixed"
    boundary = f"=_b{number}_{chance.randint(0, 99999)}"
    text, attachments = _text(chance), []
    form = chance.randint(0, 2) if kind != "raw8bit" else 3

    def content(kind, depth=0):
        if kind == "plain":
            return _text_part(chance, text)
        if kind == "html":
            return _html_part(text)
        if kind in ("latin1", "raw8bit"):
            encoded = text.encode("iso-8859-15", "replace") if kind == "latin1" else text.encode()
            return _part(f"text/plain; charset={'iso-8859-15' if kind == 'latin1' else 'utf-8'}", encoded, "8bit")
        if kind == "long":
            return _part("text/plain; charset=utf-8", (text * 400).encode(), "quoted-printable")
        if kind == "alternative":
            return _multipart("alternative", [_text_part(chance, text), _html_part(text)], f"{boundary}a{depth}")
        if kind == "related":
            identifier = f"img{number}@example.test"
            picture = _part("image/png; name=\"dot.png\"", b"\x89PNG\r\n\x1a\n" + blob(number, 700), "base64",
                            [f"Content-ID: <{identifier}>", 'Content-Disposition: inline; filename="dot.png"'])
            return _multipart("related", [_html_part(text, identifier), picture], f"{boundary}r{depth}",
                              '; type="text/html"')
        if kind == "calendar":
            return _multipart("alternative", [_text_part(chance, text), _calendar(number, chance)], f"{boundary}c")
        if kind == "signed":
            return _multipart("signed", [content("plain"), _part(
                'application/pkcs7-signature; name="smime.p7s"', blob(number, 1800), "base64",
                ['Content-Disposition: attachment; filename="smime.p7s"'])], f"{boundary}s",
                '; protocol="application/pkcs7-signature"; micalg=sha-256')
        if kind == "report":
            status = b"Reporting-MTA: dns; mx.example.test\r\n\r\nFinal-Recipient: rfc822; x@example.test\r\n" \
                     b"Action: failed\r\nStatus: 5.1.1\r\n"
            return _multipart("report", [_text_part(chance, text), _part("message/delivery-status", status, "7bit")],
                              f"{boundary}d", "; report-type=delivery-status")
        if kind == "forwarded":
            inner = message(number * 7 + 1, large=False).data if depth == 0 else b"Subject: innermost\r\n\r\ndeep\r\n"
            for level in range(chance.randint(0, 3)):
                wrapped = _multipart("mixed", [_part("message/rfc822", inner, "8bit")], f"{boundary}n{level}")
                inner = f"Subject: level {level}\r\nFrom: a@example.test\r\nMIME-Version: 1.0\r\n".encode() + wrapped
            return _multipart("mixed", [_text_part(chance, text), _part("message/rfc822", inner, "8bit")],
                              f"{boundary}f")
        parts = [content(chance.choice(["plain", "alternative"]), 1)]
        count = 1 if is_large else chance.randint(1, 4)
        for index in range(count):
            name = chance.choice(ATTACHMENT_NAMES)
            size = LARGE[number // 1500 % len(LARGE)] if is_large else chance.choice([0, 10, 900, 8000, 60000])
            data = blob(number * 10 + index, size)
            attachments.append((name, hashlib.sha256(data).hexdigest()))
            content_type = "application/ms-tnef" if kind == "tnef-like" else "application/octet-stream"
            parts.append(_attachment(chance, name, data, content_type))
        return _multipart("mixed", parts, f"{boundary}m")

    body = content(kind)
    thread = number // 4
    subject = chance.choice(SUBJECTS) if number % 4 == 0 else "Re: " + _random(thread * 4, "subject").choice(SUBJECTS)
    subject = (subject.strip() + f" #{number}").strip()
    date = FIRST_DATE + number * 9973 % (3 * 365 * 86400)
    sender, receivers = chance.choice(PEOPLE), chance.sample(PEOPLE, chance.randint(1, 5))
    zone = chance.choice(["+0000", "-0800", "+0530", "+0200"])
    offset = (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)
    head = [
        f"Return-Path: <{sender[1]}>",
        f"Received: from mx.example.net by mail.example.test; {email.utils.formatdate(date)}",
        f"Message-ID: <{number}.gen@example.test>",
        f"Date: {email.utils.formatdate(date + offset).replace('-0000', zone)}",
        f"From: {_address(sender, form)}",
        "To: " + ",\r\n ".join(_address(person, form) for person in receivers[:3]),
    ]
    if receivers[3:]:
        head.append("Cc: " + ",\r\n ".join(_address(person, form) for person in receivers[3:]))
    head.append(f"Subject: {_encode_header(subject, form)}")
    if number % 4:
        head += [f"In-Reply-To: <{number - 1}.gen@example.test>",
                 "References: " + "\r\n ".join(f"<{earlier}.gen@example.test>" for earlier in range(thread * 4, number))]
    if chance.random() < 0.05:
        head += ["Importance: high", "X-Priority: 1"]
    head.append("MIME-Version: 1.0")
    flags = [r"\Seen"] if chance.random() < 0.6 else []
    flags += [flag for flag, odds in ((r"\Answered", 0.15), (r"\Flagged", 0.08)) if chance.random() < odds]
    flags += [chance.choice(KEYWORDS)] if chance.random() < 0.1 else []
    data = "\r\n".join(head).encode() + b"\r\n" + body
    return Message(number, kind, data, subject, "" if kind in ("html", "related") else text, tuple(attachments),
                   tuple(flags), date)


def messages(count, start=0, large=True):
    """message(start), message(start + 1), ..."""
    return (message(number, large) for number in range(start, start + count))


def small(number):
    """A message of about 600 bytes, quick to make: for mailboxes of tens of thousands."""
    sender = PEOPLE[number % len(PEOPLE)]
    subject = f"Message {number}: {WORDS[number % len(WORDS)]}"
    date = FIRST_DATE + number * 60
    head = (f"Message-ID: <{number}.small@example.test>\r\nDate: {email.utils.formatdate(date)}\r\n"
            f"From: {_address(sender, 0)}\r\nTo: Alice Adams <alice@example.test>\r\n"
            f"Subject: {_encode_header(subject, 0)}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n")
    body = f"This is message {number}.\r\n" + "Nothing to see here.\r\n" * 8
    return (head + body).encode(), ((r"\Seen",) if number % 3 else ()), date


def broken():
    """[(what is wrong, bytes)]: mail that must neither crash a converter nor hide its neighbours."""
    head = b"From: x@example.test\r\nTo: alice@example.test\r\nDate: Mon, 4 Jan 2021 09:00:00 +0000\r\n"
    mime = head + b"MIME-Version: 1.0\r\n"

    def named(name, *pieces):
        return name, b"Subject: broken: " + name.encode() + b"\r\n" + b"".join(pieces)

    nested = b"Subject: core\r\n\r\ncore\r\n"
    for level in range(60):
        mark = b"n%d" % level
        nested = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" + mark + b"\r\n\r\n--" + mark
                  + b"\r\nContent-Type: message/rfc822\r\n\r\n" + nested + b"\r\n--" + mark + b"--\r\n")
    deep = b""
    for level in range(300):
        deep += b"Content-Type: multipart/mixed; boundary=d%d\r\n\r\n--d%d\r\n" % (level, level)
    return [
        named("multipart without boundary", mime, b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\ntext\r\n--x--\r\n"),
        named("boundary that never comes", mime, b'Content-Type: multipart/mixed; boundary="z"\r\n\r\nno parts here\r\n'),
        named("last boundary missing", mime, b"Content-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\nhalf a part"),
        named("bad base64", mime, b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
              b"AAAA*BBB=CC\r\nA\r\n"),
        named("bad quoted-printable", mime, b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=4=\r\n==20 =E\r\n"),
        named("wrong charset", mime, b"Content-Type: text/plain; charset=us-ascii\r\n\r\n\xff\xfe\xe4\xf6\xfc\r\n"),
        named("unknown charset", mime, b"Content-Type: text/plain; charset=x-klingon-8\r\n\r\nQapla' \xe9\r\n"),
        named("invalid utf-8", mime, b"Content-Type: text/plain; charset=utf-8\r\n\r\nab\xc3\x28\xed\xa0\x80\xf8cd\r\n"),
        named("unknown transfer encoding", mime, b"Content-Transfer-Encoding: x-uu\r\n\r\nbegin 644 a\r\n#86)C\r\n`\r\nend\r\n"),
        named("header of 200 KB", head, b"X-Long: " + b"y" * 200000 + b"\r\n\r\nbody\r\n"),
        named("5000 headers", head, b"".join(b"X-H%d: v\r\n" % i for i in range(5000)), b"\r\nbody\r\n"),
        named("NUL bytes", head, b"X-Nul: a\0b\r\n\r\nbody with \0 in it\r\n"),
        named("lone LF", head.replace(b"\r\n", b"\n"), b"\nline one\nline two\n"),
        named("lone CR", head, b"\r\nline one\rline two\r"),
        named("no body", head),
        named("no empty line", head, b"this is not a header\r\nneither is this\r\n"),
        named("raw 8-bit headers", b"From: J\xfcrgen <j@example.test>\r\nX-Raw: \xc3\xa4\xff\r\n\r\nbody\r\n"),
        named("torn encoded word", b"From: =?utf-8?B?SsO8cm?= =?utf-8?Q?=ZZ?= <j@example.test>\r\nTo: =?\r\n\r\nbody\r\n"),
        named("addresses that are none", b"From: <>\r\nTo: undisclosed-recipients:;, @, \"a\r\nCc: ,,,\r\n\r\nbody\r\n"),
        named("date that is none", b"Date: yesterday 25:61\r\nFrom: a@example.test\r\n\r\nbody\r\n"),
        named("date far away", b"Date: Fri, 31 Dec 9999 23:59:59 +0000\r\nFrom: a@example.test\r\n\r\nbody\r\n"),
        named("two subjects", head, b"Subject: the second\r\n\r\nbody\r\n"),
        named("content type twice", mime, b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n<b>x</b>\r\n"),
        named("messages nested 60 deep", head, nested),
        named("multiparts nested 300 deep", mime, deep),
        named("file name with a path", mime, b"Content-Type: application/octet-stream\r\n"
              b"Content-Disposition: attachment; filename=\"../../etc/passwd\"\r\n\r\nx\r\n"),
        named("line of 1 MB", head, b"\r\n" + b"z" * (1 << 20) + b"\r\n"),
        ("empty message", b"\r\n"),
        ("headers only of spaces", b" \r\n \r\n\r\n"),
        ("binary noise", blob(7, 4000).replace(b"\0", b"\1")),
    ]


def corpora_folder():
    """The folder of collected test data, or None."""
    path = pathlib.Path(os.environ.get("MAPIGATE_CORPORA") or TOP.parent / "shared" / "corpora")
    return path if (path / "INDEX.tsv").is_file() else None


def corpus_messages():
    """[(source/path, bytes)] of the MIME files of the corpora; empty without them."""
    folder = corpora_folder()
    if not folder:
        return []
    found = []
    for line in (folder / "INDEX.tsv").read_text(errors="replace").splitlines()[1:]:
        fields = line.split("\t")
        if len(fields) >= 3 and fields[2] == "eml" and (folder / fields[1]).is_file():
            data = (folder / fields[1]).read_bytes()
            if data:
                found.append((fields[1], data))
    return found
