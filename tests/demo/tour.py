"""The tour: what `mapigate client` shows through the gateway and the relay, against what an ordinary IMAP client
sees. One line a finding; status 0 only if all agree."""
import base64
import email
import email.policy
import hashlib
import imaplib
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import mailgen, people  # noqa: E402
from harness.dovecot import modified_utf7  # noqa: E402
from harness.processes import TOP  # noqa: E402
from harness.watch import Watch  # noqa: E402

# Where IMAP keeps what MAPI calls otherwise
NAMES = {"INBOX": "Inbox", "Sent": "Sent Items", "Trash": "Deleted Items", "Junk": "Junk E-mail"}


class Tour:
    def __init__(self, values):
        self.values = values
        self.good = self.bad = 0

    def finding(self, ok, text):
        print(f"  {'✓' if ok else '✗'} {text}", flush=True)
        self.good += bool(ok)
        self.bad += not ok

    def start_client(self, port, *arguments, user="USER1"):
        """A running `mapigate client --json`."""
        return subprocess.Popen([self.values["MAPIGATE"], "client", "--json", "--user", self.values[user], "--server",
                                 f"https://127.0.0.1:{self.values[port]}", "--ca-file", self.values["CA_FILE"], *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "MAPIGATE_PASSWORD": self.values["PASSWORD"]})

    def client(self, port, *arguments, user="USER1", silent=False):
        """Decoded --json output of `mapigate client` (True where it prints nothing), or None; its failure is a finding."""
        process = self.start_client(port, *arguments, user=user)
        try:
            output, errors = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.finding(False, f"client {' '.join(arguments)}: no answer in 180 s")
            return None
        if process.returncode:
            self.finding(False, f"client {' '.join(arguments)}: status {process.returncode}: {errors.strip()[-300:]}")
            return None
        if silent:
            return True
        try:
            return json.loads(output)
        except ValueError as error:
            self.finding(False, f"client {' '.join(arguments)}: its output is not JSON: {error}")
            return None


def from_modified_utf7(name):
    def decode(match):
        text = match.group(1).replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be") if text else "&"
    return re.sub(r"&([^-]*)-", decode, name)


class Imap:
    """The same mailbox by plain IMAP over TLS."""

    def __init__(self, values):
        context = ssl.create_default_context(cafile=values["CA_FILE"])
        self.link = imaplib.IMAP4_SSL("127.0.0.1", int(values["IMAPS_PORT"]), ssl_context=context)
        self.link.login(values["USER1"], values["PASSWORD"])

    def folders(self):
        """{IMAP path: message count} of what can be selected."""
        counts = {}
        for line in self.link.list()[1]:
            flags, quoted, atom = re.match(rb'\((.*?)\) "." (?:"(.*)"|(\S+))$', line).groups()
            name = quoted or atom
            if b"\\Noselect" in flags or b"\\NonExistent" in flags:
                continue
            status = self.link.status(b'"' + name + b'"', "(MESSAGES)")[1][0]
            counts[from_modified_utf7(name.decode())] = int(re.search(rb"MESSAGES (\d+)", status).group(1))
        return counts

    def select(self, path):
        self.link.select('"' + modified_utf7(path) + '"', readonly=True)

    def message(self, number):
        return self.link.fetch(str(number), "(BODY.PEEK[])")[1][0][1]


def mapi_path(path):
    first, slash, rest = path.partition("/")
    return NAMES.get(first, first) + slash + rest


def normal(text):
    return re.sub(r"\s+", " ", text or "").strip()


def look_at_folders(tour, imap, port):
    entries = tour.client(port, "folders")
    if entries is None:
        return
    counts = {entry["path"]: entry["total"] for entry in entries}
    expected = {mapi_path(path): count for path, count in imap.folders().items()}
    missing = sorted(set(expected) - set(counts))
    tour.finding(not missing, f"{len(expected)} IMAP folders are there" + (f", but not {missing}" if missing else ""))
    wrong = [f"{path}: {counts[path]} for {count}" for path, count in expected.items()
             if path in counts and counts[path] != count]
    tour.finding(not wrong, f"message counts agree ({sum(expected.values())} messages)"
                 + (f", but not {wrong}" if wrong else ""))


def look_at_subjects(tour, port, folder, expected):
    entries = tour.client(port, "ls", mapi_path(folder))
    if entries is None:
        return {}
    subjects = [normal(entry["subject"]) for entry in entries]
    wanted = [normal(message.subject) for message in expected]
    different = sorted(set(wanted) ^ set(subjects))
    tour.finding(sorted(subjects) == sorted(wanted), f"{folder}: {len(subjects)} subjects agree"
                 + (f", but not {different[:3]}" if different else ""))
    return {normal(entry["subject"]): entry["id"] for entry in entries}


def look_at_messages(tour, imap, port, folder, expected, ids, count=12):
    imap.select(folder)
    bodies = attached = 0
    wrong = []
    sample = [(number, message) for number, message in enumerate(expected, 1)
              if message.kind in ("plain", "alternative", "mixed")][:count]
    for number, message in sample:
        identifier = ids.get(normal(message.subject))
        shown = tour.client(port, "show", identifier) if identifier else None
        if shown is None:
            wrong.append(f"{message.subject}: not shown")
            continue
        seen = email.message_from_bytes(imap.message(number), policy=email.policy.default)
        plain = seen.get_body(("plain",))
        bodies += 1
        if normal(shown["body"]["text"]) != normal(plain.get_content() if plain else ""):
            wrong.append(f"{message.subject}: body text differs")
        if message.attachments:
            with tempfile.TemporaryDirectory() as target:
                tour.client(port, "attachments", identifier, "--save", target)
                saved = sorted(hashlib.sha256(path.read_bytes()).hexdigest()
                               for path in pathlib.Path(target).rglob("*") if path.is_file())
            wanted = sorted(digest for _, digest in message.attachments)
            attached += len(wanted)
            if saved != wanted:
                wrong.append(f"{message.subject}: {len(saved)} of {len(wanted)} attachments or other bytes")
    tour.finding(not wrong and bodies, f"{folder}: {bodies} body texts and {attached} attachments agree"
                 + (f", but not {wrong[:3]}" if wrong else ""))


def look_for(tour, port, folder, text, expected):
    entries = tour.client(port, "search", mapi_path(folder), text)
    if entries is None:
        return
    found = sorted(normal(entry["subject"]) for entry in entries)
    wanted = sorted(normal(message.subject) for message in expected if text.lower() in message.subject.lower())
    tour.finding(set(wanted) <= set(found), f"{folder}: searching {text!r} finds {len(found)}, {len(wanted)} by subject")


def look_up_names(tour, port, domain):
    users = [("alice", "Alice Adams"), ("bob", "Bob Brown")]
    everybody = people.people(domain, users)
    listed = {entry["address"] for entry in tour.client(port, "gal") or []}
    tour.finding({person.address for person in everybody} <= listed,
                 f"the address book lists the {len(everybody)} people of its file and {len(listed) - len(everybody)} others")
    found = tour.client(port, "resolve", everybody[1].name, "jager", "nobody at all") or []
    tour.finding([one["outcome"] for one in found] == ["resolved", "ambiguous", "unresolved"],
                 f'names resolve: "{everybody[1].name}" is one, "jager" {len(found[1]["entries"]) if found else 0}, '
                 '"nobody at all" none')


def look_at_large(tour, port, ids, expected):
    large = next(message for message in expected if message.number % 1500 == 750)
    identifier = ids.get(normal(large.subject))
    if not identifier:
        tour.finding(False, f"the large message {large.subject!r} is not listed")
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as target:
        tour.client(port, "attachments", identifier, "--save", target)
        saved = [path.read_bytes() for path in pathlib.Path(target).rglob("*") if path.is_file()]
    same = [hashlib.sha256(data).hexdigest() for data in saved] == [digest for _, digest in large.attachments]
    tour.finding(same, f"an attachment of {sum(map(len, saved)) >> 20} MB arrives whole "
                 f"in {time.monotonic() - started:.1f} s")


def send_and_receive(tour, port):
    """USER1 sends, USER2 receives, flags, files and deletes; all by MAPI."""
    if "SMTP_PORT" not in tour.values:
        print("  - sending: skipped, there is no Postfix here")
        return
    subject = f"Größe der Brücke {time.time():.3f}"
    with Watch(tour.start_client(port, "watch", "Inbox", user="USER2")) as watch:
        try:
            watch.until(lambda event: event["event"] == "watching", 60)
        except AssertionError as error:
            tour.finding(False, f"client watch: {error}")
            return
        send_watched(tour, port, subject, watch)


def send_watched(tour, port, subject, watch):
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(os.urandom(200_000))
        file.flush()
        if not tour.client(port, "send", "--to", tour.values["USER2"], "--subject", subject, "--text", "Bis morgen.",
                           "--attach", file.name, silent=True):
            return
    try:
        watch.until(lambda event: event["event"] == "new_mail" and event.get("subject") == subject, 60)
        tour.finding(True, f"a message from USER1 is told to USER2, who watches, after {time.monotonic() - started:.1f} s")
    except AssertionError as error:
        tour.finding(False, f"a message from USER1 is not told to USER2: {error}")
    status, errors = watch.interrupt()
    tour.finding(status == 0, f"watching ends at Ctrl-C with status {status} {errors.strip()[-200:]}".rstrip())
    found = [entry for entry in tour.client(port, "ls", "Inbox", "--limit", "20", user="USER2") or [] if entry["subject"] == subject]
    tour.finding(bool(found), "and is in USER2's inbox")
    if not found:
        return
    copies = [entry for entry in tour.client(port, "ls", "Sent Items", "--limit", "20") or [] if entry["subject"] == subject]
    tour.finding(len(copies) == 1, "one copy of it is among USER1's sent messages")
    folder = f"Tour {time.time():.3f}"
    done = (tour.client(port, "mkdir", folder, user="USER2") and
            tour.client(port, "flag", "flagged", found[0]["id"], user="USER2", silent=True) and
            tour.client(port, "mv", found[0]["id"], "--to", folder, user="USER2", silent=True))
    moved = tour.client(port, "ls", folder, user="USER2") or []
    tour.finding(bool(done) and [entry["subject"] for entry in moved] == [subject], "it is flagged and moved to a new folder")
    if moved:
        tour.client(port, "rm", moved[0]["id"], user="USER2", silent=True)
        tour.finding(tour.client(port, "ls", folder, user="USER2") == [], "and deleted")


def be_away(tour, port):
    """Automatic replies and free/busy, as Outlook asks for them: by the web services."""
    if "SIEVE_PORT" not in tour.values or "CALENDAR_PORT" not in tour.values:
        print("  - out of office and free/busy: skipped, there is no ManageSieve or no Radicale here")
        return
    wanted = {"state": "scheduled", "audience": "all", "start": "2030-07-01T00:00:00Z", "end": "2030-07-15T00:00:00Z",
              "internal": "Bin im Urlaub – bis bald.", "external": "I am on holiday."}
    tour.client(port, "oof", "set", "--state", "scheduled", "--audience", "all", "--from", "2030-07-01", "--until", "2030-07-15",
                "--internal", wanted["internal"], "--external", wanted["external"])
    tour.finding(tour.client(port, "oof") == wanted, "out-of-office replies are set (a Sieve script) and read back")
    tour.client(port, "oof", "set", "--state", "disabled")
    tour.finding((tour.client(port, "oof") or {}).get("state") == "disabled", "and switched off")
    seen = tour.client(port, "freebusy", tour.values["USER2"], "2024-04-02", "2024-04-03", "--interval", "60") or {}
    tour.finding(seen.get("merged") == "0000000" + "2" + "0" * 16, "USER2 is busy where the calendar (CalDAV) says so, and free elsewhere")


def come_other_ways(tour, values):
    """The same mailbox over each transport: by password, by NTLM and, where there is a KDC, by a ticket."""
    entries = tour.client("HTTPS_PORT", "folders")
    if entries is None:
        return
    expected = {entry["path"]: entry["total"] for entry in entries}
    over_tcp = ["--transport", "rpctcp", "--epm-port", values["EPM_PORT"]]
    over_http = ["--transport", "rpchttp", "--rpc-proxy", f"https://127.0.0.1:{values['HTTPS_PORT']}"]
    ways = [("MAPI/HTTP by NTLM", ["--auth", "ntlm"]),
            ("DCE/RPC over TCP by NTLM, encrypted", over_tcp),
            ("DCE/RPC over HTTP by password, NTLM within", over_http),
            ("DCE/RPC over HTTP by NTLM", [*over_http, "--http-auth", "ntlm"])]
    if "KRB5_CONFIG" in values:
        os.environ["KRB5_CONFIG"] = values["KRB5_CONFIG"]
        ways.append(("DCE/RPC over TCP by a ticket", [*over_tcp, "--auth", "kerberos"]))
    for name, way in ways:
        seen = tour.client("HTTPS_PORT", *way, "folders")
        if seen is not None:
            tour.finding({entry["path"]: entry["total"] for entry in seen} == expected, f"{name}: the same {len(expected)} folders")


def main():
    path = TOP / "build" / "demo" / "env"
    if not path.exists():
        sys.exit("tour: the demo is not up; run ./demo up")
    values = dict(line.split("=", 1) for line in path.read_text().splitlines() if line)
    tour = Tour(values)
    imap = Imap(values)
    inbox, nested = list(mailgen.messages(2400)), list(mailgen.messages(60, 5000))
    for port, name in (("HTTPS_PORT", "the gateway (MAPI/HTTP in, IMAP out)"),
                       ("RELAY_HTTPS_PORT", "the relay (MAPI/HTTP in, MAPI/HTTP out)")):
        print(f"Through {name}:")
        look_at_folders(tour, imap, port)
        ids = look_at_subjects(tour, port, "INBOX", inbox)
        look_at_messages(tour, imap, port, "INBOX", inbox, ids)
        ids_nested = look_at_subjects(tour, port, "Projekte/Übung & Co", nested)
        look_at_messages(tour, imap, port, "Projekte/Übung & Co", nested, ids_nested, 6)
        look_for(tour, port, "INBOX", "Quarterly", inbox)
        look_up_names(tour, port, values["DOMAIN"])
        if ids:
            look_at_large(tour, port, ids, inbox)
        send_and_receive(tour, port)
        if port == "HTTPS_PORT":
            be_away(tour, port)
    print("By other ways, to the gateway:")
    come_other_ways(tour, values)
    print(f"{tour.good} findings agree, {tour.bad} do not: "
          + ("the mailbox is the same by MAPI and by IMAP" if not tour.bad else "see the crosses above"))
    return 1 if tour.bad or not tour.good else 0


sys.exit(main())
