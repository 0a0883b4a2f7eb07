"""The address book out of a real slapd: awkward names, groups within groups, and changes while clients read.

LDAP_ENTRIES=100000 takes a few minutes."""
import base64
import os
import random
import threading
import time

import pytest

from conftest import ALICE, PASSWORD
from harness import nspi, slapd
from harness.mapigate import Mapigate, mailbox_modules
from harness.nspi import Stat
from harness.processes import wait_until
from harness.slapd import ADMIN, BASE

pytestmark = pytest.mark.skipif(not slapd.available(), reason="no slapd or ldapmodify here: packages slapd, ldap-utils")

COUNT = int(os.environ.get("LDAP_ENTRIES", "2000"))
ACCOUNT = 0x3A00001F
COLUMNS = ["PidTagDisplayName", "PidTagSmtpAddress", ACCOUNT, "PidTagAddressBookContainerId"]
NAME, ADDRESS, MID = (nspi.TAGS[name] for name in ("PidTagDisplayName", "PidTagSmtpAddress", "PidTagAddressBookContainerId"))
# By account; each has the address ACCOUNT@example.test unless there is None.
AWKWARD = {
    "comma": "Comma, Anna", "quote": 'Anna "the \\ slash" +=<>;#', "filter": "*)(uid=*", "percent": "%s%n%x &amp; <b>",
    "arabic": "عبد الله", "han": "王小明", "emoji": "Zoë 🦊", "composed": "Zoé\u0301", "long": "Long " + "x" * 900,
    "same1": "Same Name", "same2": "Same Name", "spaces": "A  lot   of space"}
PEOPLE = f"ou=people,{BASE}"


def line(name, value):
    plain = value and value.isascii() and value.isprintable() and value[0] not in " :<" and value[-1] != " "
    return f"{name}: {value}\n" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def entry(dn, *attributes):
    return line("dn", dn) + "".join(line(name, value) for name, value in attributes) + "\n"


def person(account, name, *more, mail=True):
    address = [("mail", f"{account}@example.test")] if mail else []
    return entry(f"uid={account},{PEOPLE}", ("objectClass", "inetOrgPerson"), ("uid", account), ("cn", name), ("sn", account), *address, *more)


def escaped(text):
    """As a value within a DN, RFC 4514."""
    out = "".join("\\" + c if c in ',+"\\<>;=' else c for c in text)
    return "\\" + out if out[0] in "# " else out


def group(name, *members):
    return entry(f"cn={escaped(name)},{PEOPLE}", ("objectClass", "groupOfNames"), ("cn", name), *[("member", member) for member in members])


def start():
    yield person("alice", "Alice Adams")
    for account, name in AWKWARD.items():
        yield person(account, name, ("title", " "), ("description", "\n"))
    yield person("nomail", "Without Mail", mail=False)
    # Named by what DNs have to escape.
    yield entry(f"cn={escaped('Doe, John + #1')},{PEOPLE}", ("objectClass", "inetOrgPerson"), ("cn", "Doe, John + #1"), ("sn", "Doe"),
                ("mail", "doe@example.test"))
    yield group("Inner, group", f"cn={escaped('Doe, John + #1')},{PEOPLE}", f"uid=han,{PEOPLE}", f"cn=Outer,{PEOPLE}", f"uid=gone,{PEOPLE}")
    yield group("Outer", f"cn={escaped('Inner, group')},{PEOPLE}", f"uid=alice,{PEOPLE}")
    for number in range(COUNT):
        yield person(f"user{number}", f"Person {number % 997:03} {number}")


@pytest.fixture(scope="module")
def directory():
    with slapd.Slapd(start()) as made:
        yield made


@pytest.fixture(scope="module")
def server(certificates, dovecot, directory):
    modules = mailbox_modules(dovecot.tls_port, certificates)
    modules["mail"]["directory"] = "company"
    modules["company"] = {"type": "ldap", "url": directory.url(), "base": BASE, "bind_dn": ADMIN, "password": slapd.PASSWORD}
    with Mapigate(certificates, modules, ["mail"], name="ldap", tables={"oab": {"enabled": False}}) as made:
        made.session = lambda: nspi.Session(made.https_port, certificates.ca, ALICE, PASSWORD)

        def there():
            try:
                with made.session() as book:
                    return book.resolve_names([f"user{COUNT - 1}@example.test"])[0] == [nspi.RESOLVED]
            except Exception:  # not read yet
                return False
        wait_until(there, "the directory was read", 600 + COUNT / 100)
        yield made
        made.check_log()


@pytest.fixture
def book(server):
    with server.session() as made:
        yield made


def whole(book, size=500):
    """All rows of the Global Address List in its order; groups here have no account."""
    stat, out = Stat(), []
    while stat.current != nspi.END:
        stat, rows = book.query_rows(stat, size, COLUMNS)
        assert len(rows) <= size
        out += rows
    return out


def test_awkward_names_arrive_as_they_are(book):
    listed = whole(book)
    assert book.query_rows(Stat(), 1)[0].total == len(listed) == COUNT + len(AWKWARD) + 5
    rows = {row[ACCOUNT]: row for row in listed if isinstance(row[ACCOUNT], str)}
    for account, name in AWKWARD.items():
        assert rows[account][NAME] == name and rows[account][ADDRESS] == f"{account}@example.test"
        (outcome,), found = book.resolve_names([f"{account}@example.test"], COLUMNS)
        assert outcome == nspi.RESOLVED and found[0][NAME] == name
    assert rows["nomail"][NAME] == "Without Mail" and isinstance(rows["nomail"][ADDRESS], nspi.PropertyError)
    assert book.resolve_names(["Same Name", "Without Mail", "Doe, John + #1", "王小明"])[0] == [
        nspi.AMBIGUOUS, nspi.RESOLVED, nspi.RESOLVED, nspi.RESOLVED]


@pytest.mark.parametrize("name", ["*", "*)(uid=*", "*)(objectClass=*))(|(cn=*", "\\2a", "uid=alice", "\x00alice", "(cn=Alice*)"])
def test_names_are_no_filters(book, name):
    (outcome,), rows = book.resolve_names([name], COLUMNS)
    assert outcome in (nspi.UNRESOLVED, nspi.RESOLVED) and {row[ACCOUNT] for row in rows} <= {"filter"}


def test_groups_within_groups(book):
    (mid,) = book.get_matches(Stat(), 10, nspi.equals("PidTagAnr", "Inner, group"))[1]
    _, _, rows = book.get_matches(Stat(sort_type=0, container=nspi.TAGS["PidTagAddressBookMember"], current=mid), 100, None, COLUMNS)
    # Who is not there is no member.
    assert sorted(row[NAME] for row in rows) == sorted(["Doe, John + #1", "王小明", "Outer"])
    (outer,) = [row[MID] for row in rows if row[NAME] == "Outer"]
    _, _, rows = book.get_matches(Stat(container=nspi.TAGS["PidTagAddressBookMember"], current=outer), 100, None, COLUMNS)
    assert sorted(row[NAME] for row in rows) == ["Alice Adams", "Inner, group"]


class Changes:
    """Renames, moves, removes and adds people until stop(); `left` is who is there then, by account."""

    def __init__(self, directory):
        self.directory, self.done, self.problem, self.rounds = directory, threading.Event(), None, 0
        self.left = {f"user{number}": f"Person {number % 997:03} {number}" for number in range(COUNT)}
        self.gone = set()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            numbers = random.Random(7)
            while not self.done.is_set():
                self.rounds += 1
                ldif = ""
                for account in numbers.sample(sorted(self.left), 8):
                    dn, what = f"uid={account},{PEOPLE}", numbers.randrange(4)
                    if what == 0:
                        del self.left[account]
                        self.gone.add(account)
                        ldif += f"dn: {dn}\nchangetype: delete\n\n"
                    else:
                        self.left[account] = f"{numbers.choice('AMZ')}enamed {numbers.randrange(10**6)}"
                        ldif += f"dn: {dn}\nchangetype: modify\nreplace: cn\ncn: {self.left[account]}\n\n"
                added = f"new{self.rounds}"
                self.left[added] = f"New {self.rounds}"
                self.directory.modify(ldif + person(added, self.left[added]).replace("\n", "\nchangetype: add\n", 1))
        except Exception as problem:  # shown by the test
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def stop(self):
        self.done.set()
        self.thread.join(60)
        if self.problem:
            raise self.problem

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(60)


def test_tables_stay_whole_while_the_directory_changes(server, directory, book):
    ids = {row[ACCOUNT]: row[MID] for row in whole(book) if isinstance(row[ACCOUNT], str)}
    owner = {mid: account for account, mid in ids.items()}
    assert len(owner) == len(ids)
    read = 0
    with Changes(directory) as changes:
        begun = time.monotonic()
        while time.monotonic() < begun + 5 or (changes.rounds <= 5 or read <= COUNT) and time.monotonic() < begun + 120:
            stat, seen = Stat(), []
            try:
                while stat.current != nspi.END:
                    stat, rows = book.query_rows(stat, 200, COLUMNS)
                    for row in rows:
                        if not isinstance(row[ACCOUNT], str):
                            continue
                        # Whoever has an id keeps it, and nobody else gets it.
                        assert owner.setdefault(row[MID], row[ACCOUNT]) == row[ACCOUNT]
                        assert ids.setdefault(row[ACCOUNT], row[MID]) == row[MID]
                    mids = [row[MID] for row in rows]
                    assert len(set(mids)) == len(mids) and len(rows) <= 200 and stat.position <= stat.total
                    seen += mids
                    read += len(rows)
            except nspi.NspiError as gone:
                assert gone.code == nspi.NOT_FOUND  # the row from which to go on has just been removed
        changes.stop()
    assert changes.rounds > 5 and read > COUNT

    def shown():
        rows = [row for row in whole(book) if isinstance(row[ACCOUNT], str)]
        return {row[ACCOUNT]: row[NAME] for row in rows if row[ACCOUNT] in changes.left or row[ACCOUNT] in changes.gone}
    # Reading it all once takes most of a minute with 100,000 people and a sanitizer.
    wait_until(lambda: shown() == changes.left, "the address book is as the directory", 60 + COUNT / 200, 0.3)
    assert all(ids.get(row[ACCOUNT], row[MID]) == row[MID] for row in whole(book) if isinstance(row[ACCOUNT], str))
    # Those that are gone are nobody.
    for account in list(changes.gone)[:20]:
        if account in ids:
            with pytest.raises(nspi.NspiError):
                book.query_rows(Stat(current=ids[account]), 1, COLUMNS)
