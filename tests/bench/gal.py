"""The address book over a slapd with 100,000 people, beside the same lookups made with libldap at that slapd."""
import os
import random
import time

from harness import nspi, slapd
from harness.certificates import Certificates
from harness.dovecot import Dovecot
from harness.mapigate import Mapigate, mailbox_modules
from harness.nspi import Stat
from harness.processes import HarnessError, private_dir, wait_until
from harness.slapd import ADMIN, BASE

from .measure import row

COUNT = int(os.environ.get("GAL_ENTRIES", "100000"))
USER, PASSWORD = "alice@example.test", "secret"
FIRST = ["Anna", "Bernd", "Chloé", "Dörte", "Erik", "Georg", "Hülya", "Igor", "Jana", "Karl", "Léa", "Nora", "Paula", "Rosa", "Tomáš"]
LAST = ["Ackermann", "Bäcker", "Díaz", "Eriksson", "Fischer", "Groß", "Hansen", "Ivanova", "Jäger", "Klein", "Lange", "Meyer"]


def entry(number):
    """(LDIF, bytes of its attributes)"""
    first, last = FIRST[number % len(FIRST)], LAST[number // len(FIRST) % len(LAST)]
    attributes = [("objectClass", "inetOrgPerson"), ("uid", f"user{number}"), ("cn", f"{first} {last} {number}"), ("sn", last),
                  ("givenName", first), ("mail", f"user{number}@example.test"), ("title", "Engineer"), ("telephoneNumber", f"+49 30 {number}"),
                  ("departmentNumber", f"Department {number % 200}")]
    text = f"dn: uid=user{number},ou=people,{BASE}\n" + "".join(f"{name}: {value}\n" for name, value in attributes) + "\n"
    return text, sum(len(value.encode()) for _, value in attributes[1:])


def directory():
    """A slapd with the entries and, in `bytes`, the size of their attributes."""
    size, entries = 0, [f"dn: uid=alice,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: alice\ncn: Alice Adams\nsn: Adams\nmail: {USER}\n\n"]
    for number in range(COUNT):
        text, attributes = entry(number)
        size += attributes
        entries.append(text)
    made = slapd.Slapd(entries, private_dir("gal-slapd"))
    made.bytes = size
    return made


def timed(work, seconds=4.0):
    """Calls a second."""
    done, started = 0, time.monotonic()
    while time.monotonic() - started < seconds:
        work(done)
        done += 1
    return done / (time.monotonic() - started)


def found(book, name):
    return book.resolve_names([name])[0] == [nspi.RESOLVED]


def run():
    try:
        import ldap
    except ImportError as missing:
        raise HarnessError("python3-ldap is not installed: no libldap to compare with") from missing
    certificates = Certificates(private_dir("tls"))
    with directory() as server, Dovecot(certificates, users=(USER,)) as dovecot:
        return measure(ldap, certificates, server, dovecot)


def gateway(certificates, slapd, dovecot, folder, directory):
    modules = mailbox_modules(dovecot.tls_port, certificates)
    if directory:
        modules["mail"]["directory"] = "company"
        modules["company"] = {"type": "ldap", "url": slapd.url(), "base": BASE, "bind_dn": ADMIN, "password": "secret"}
    return Mapigate(certificates, modules, ["mail"], folder=folder, name="gal", tables={"oab": {"enabled": False}})


def ready(server, certificates):
    def there():
        try:
            with nspi.Session(server.https_port, certificates.ca, USER, PASSWORD) as book:
                return found(book, f"user{COUNT - 1}@example.test")
        except Exception:  # not yet
            return False
    return there


def measure(ldap, certificates, slapd, dovecot):
    results = []
    with gateway(certificates, slapd, dovecot, private_dir("gal-empty"), False) as empty:
        nspi.Session(empty.https_port, certificates.ca, USER, PASSWORD).bind()
        base_memory = empty.memory()
    folder = private_dir("gal")
    server = gateway(certificates, slapd, dovecot, folder, True)
    began = time.monotonic()
    server.start(600)
    wait_until(ready(server, certificates), "the directory was read", 900)
    from_ldap = time.monotonic() - began
    time.sleep(5)  # what reading took is given back, and the directory saved
    memory = server.memory() - base_memory

    numbers = random.Random(1)
    names = [f"user{numbers.randrange(COUNT)}@example.test" for _ in range(1000)]
    connection = ldap.initialize(slapd.url())
    connection.simple_bind_s(ADMIN, "secret")
    wanted = ["cn", "mail", "title", "telephoneNumber", "departmentNumber"]
    from_libldap = timed(lambda i: connection.search_s(BASE, ldap.SCOPE_SUBTREE, f"(|(mail={names[i % 1000]}*)(cn={names[i % 1000]}*))", wanted))
    batch = 100
    with nspi.Session(server.https_port, certificates.ca, USER, PASSWORD) as book:
        assert all(one == nspi.RESOLVED for one in book.resolve_names(names[:batch])[0])
        tags = ["PidTagDisplayName", "PidTagSmtpAddress", "PidTagTitle", "PidTagDepartmentName"]
        ours = batch * timed(lambda i: book.resolve_names(names[i * batch % 1000:][:batch], tags))
        results.append(row("names resolved a second, 100 a request", ours, from_libldap, "/s", "libldap", True))
        ours = timed(lambda i: book.resolve_names([names[i % 1000]], tags))
        results.append(row("names resolved a second, one a request", ours, from_libldap, "/s", "libldap", True))

        def page(place):
            return 1e6 / timed(lambda _: book.query_rows(Stat(current=nspi.CURRENT, position=place, total=COUNT), 50, tags), 2.0)
        page(0)
        results.append(row("a page of 50 rows at the end, and the start", page(COUNT - 60), page(0), "us", "the start", False))
        mid = book.get_matches(Stat(), 10, nspi.equals("PidTagAnr", f"user{COUNT - 1}@example.test"))[1][0]
        by_id = 1e6 / timed(lambda _: book.query_rows(Stat(current=mid), 50, tags), 2.0)
        results.append(row("the same from a row's id, and the start", by_id, page(0), "us", "the start", False))

        slapd.modify(f"dn: uid=user7,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: moved7@example.test\n")
        began = time.monotonic()
        wait_until(lambda: found(book, "moved7@example.test"), "the change shows", 60)
        results.append(row("a change in LDAP shows after", time.monotonic() - began, 2.0, "s ", "the goal", False))
    results.append(row("bytes an entry beyond its attributes", memory / COUNT - slapd.bytes / COUNT, 300.0, "B ", "the goal", False))
    server.stop()
    began = time.monotonic()
    server.start(600)
    wait_until(ready(server, certificates), "the saved directory is there", 600)
    from_file = time.monotonic() - began
    log = server.log()
    server.stop()
    results.append(row("start from the saved directory", from_file, from_ldap, "s ", "reading LDAP", False))
    if "ERROR" in log:
        raise HarnessError(log[-2000:])
    return results
