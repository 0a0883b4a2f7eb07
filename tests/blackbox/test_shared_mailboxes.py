"""Mailboxes of others, opened beside the own one by whom the directory names as their delegate.

bob is a delegate of office, carol of nobody. The gateway has a master user at the IMAP server.
"""
import contextlib
import threading
import time

import pytest

from conftest import BOB, PASSWORD
from harness import imap_server, mailgen, notifications, rops, ways
from harness.mapigate import Mapigate, mailbox_modules
from harness.mapihttp import Client, Session, autodiscover, discover, strip_namespaces
from harness.processes import private_dir
from harness.properties import tag_of

OFFICE, CAROL = "office@example.test", "carol@example.test"
LOGIN_PERM, NULL_OBJECT, ACCESS_DENIED = 0x3F2, 0x4B9, 0x80070005
SUBJECT, MESSAGE_ID = tag_of("PidTagSubject"), tag_of("PidTagMid")


def person(name, address, *delegates):
    named = ", ".join(f'"{one}"' for one in delegates)
    return f'[[entry]]\nname = "{name}"\naddress = "{address}"\nfull_access = [{named}]\n\n'


def directory(*delegates_of_office):
    return person("Bob Brown", BOB) + person("Carol Clark", CAROL) + person("Office", OFFICE, *delegates_of_office)


def mail(subject):
    return f"From: somebody@far.test\nTo: {OFFICE}\nSubject: {subject}\nMessage-ID: <{time.monotonic_ns()}@far.test>\n\nHello.\n".encode()


@pytest.fixture(scope="module")
def server(certificates):
    with imap_server.make(certificates, (BOB, CAROL, OFFICE)) as one:
        one.seed(OFFICE, "INBOX", [mailgen.message(number, large=False).seed() for number in range(5)])
        one.seed(BOB, "INBOX", [mailgen.message(number, large=False).seed() for number in range(20, 23)])
        yield one


def start(certificates, server, master=True, **settings):
    people = private_dir("people") / "people.toml"
    people.write_text(directory(BOB), encoding="utf-8")
    modules = mailbox_modules(server.tls_port, certificates, people=people)
    if master:
        user, password = imap_server.master()
        modules["imap"] |= {"master_user": user, "master_password": password}
    modules["mail"] |= settings
    gateway = Mapigate(certificates, modules, ["mail"], name="shared", threads=3)
    gateway.people = people
    return gateway


@pytest.fixture(scope="module")
def shared(certificates, server):
    with start(certificates, server) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def shared_relay(certificates, shared):
    with Mapigate.relay(certificates, shared.https_port) as relay:
        yield relay


@pytest.fixture(params=["shared", "shared_relay"])
def place(request):
    """The gateway, then a relay before it: a delegate must not see the difference."""
    return request.getfixturevalue(request.param)


def dn_of(session, user):
    return session.dn[:session.dn.lower().rindex("/cn=recipients/cn=")] + "/cn=Recipients/cn=" + user


def log_on(session, user, logon_id=9):
    """The response of a RopLogon to the mailbox of `user`, whatever it says."""
    responses, _ = session.client.execute([(rops.logon(dn_of(session, user), logon_id=logon_id), [0])], [rops.NO_HANDLE])
    return responses[0]


def subjects(logon):
    table = logon.contents_table(logon.open_folder(logon.inbox))
    return sorted(row[SUBJECT] for row in logon.rows(table, ["PidTagSubject"]))


def imap_subjects(server, user):
    import email
    import email.policy
    with contextlib.closing(server.connect(user)) as link:
        link.select("INBOX")
        items = link.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    return sorted(str(email.message_from_bytes(item[1], policy=email.policy.default)["Subject"]) for item in items if isinstance(item, tuple))


def eventually(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


def test_two_mailboxes_in_one_session(place, server, open_session):
    own = open_session(place, BOB)
    office = own.beside(dn_of(own, OFFICE), 1)
    assert office.logon.mailbox_guid != own.logon.mailbox_guid and office.logon.repl_guid != own.logon.repl_guid
    assert own.logon.response_flags & 0x06 == 0x06
    assert office.logon.response_flags & 0x06 == 0x02  # rights of an owner, but not to send
    assert subjects(own) == imap_subjects(server, BOB)
    assert subjects(office) == imap_subjects(server, OFFICE)
    # Both in one request, and each by handles of its own.
    requests = [rops.get_contents_table(), rops.get_contents_table()]
    requests[1].logon_id = 1
    handles = [own.open_folder(own.inbox), office.open_folder(office.inbox), rops.NO_HANDLE, rops.NO_HANDLE]
    responses, table = own.client.execute([(requests[0], [0, 2]), (requests[1], [1, 3])], handles)
    assert [one.error for one in responses] == [0, 0] and table[2] != table[3]
    assert own.try_call(rops.get_contents_table(), handles[1]).error == ACCESS_DENIED


def test_what_a_delegate_writes_its_owner_has(shared, server, open_session):
    office = open_session(shared, BOB)
    office = office.beside(dn_of(office, OFFICE), 1)
    owner = open_session(shared, OFFICE)
    before = subjects(owner)
    inbox = office.open_folder(office.inbox)
    identifier = office.save(office.new_message(office.inbox, {"PidTagSubject": "from the delegate", "PidTagBody": "Hello."}))
    assert "from the delegate" in imap_subjects(server, OFFICE)
    assert eventually(lambda: subjects(owner) == sorted(before + ["from the delegate"]))
    assert office.call(rops.set_read_flags([identifier], 0x04), inbox).partial_completion == 0  # unread
    with contextlib.closing(server.connect(OFFICE)) as link:
        link.select("INBOX", readonly=True)
        found = link.uid("search", None, "HEADER", "Subject", '"from the delegate"', "UNSEEN")[1][0].split()
    assert len(found) == 1
    assert office.call(rops.delete_messages([identifier]), inbox).partial_completion == 0
    assert subjects(owner) == before and imap_subjects(server, OFFICE) == before


def test_news_of_both_mailboxes(place, server, open_session):
    own = open_session(place, BOB)
    office = own.beside(dn_of(own, OFFICE), 1)
    subjects(own), subjects(office)
    ours = own.call(rops.register_notification(notifications.NEW_MAIL, whole_store=True)).handle
    theirs = office.call(rops.register_notification(notifications.NEW_MAIL, whole_store=True)).handle
    notifications.fetch(own)
    server.seed(OFFICE, "INBOX", [mail("news for the office")])
    event, seen = notifications.wait_for(own, lambda event: event.kind == notifications.NEW_MAIL, 30)
    assert event.handle == theirs
    assert office.properties(office.open_message(office.inbox, event.message_id), ["PidTagSubject"])[SUBJECT] == "news for the office"
    server.seed(BOB, "INBOX", [mail("news for bob")])
    event, seen = notifications.wait_for(own, lambda event: event.kind == notifications.NEW_MAIL, 30)
    assert event.handle == ours


@pytest.mark.parametrize("user", [OFFICE, BOB, "nobody@example.test"])
def test_who_has_no_right_learns_nothing(place, server, open_session, user):
    session = open_session(place, CAROL)
    answer = log_on(session, user)
    assert answer.error == LOGIN_PERM
    assert subjects(session) == []


def test_an_owner_has_no_right_to_the_delegates_mailbox(shared, open_session):
    assert log_on(open_session(shared, OFFICE), BOB).error == LOGIN_PERM


def test_a_mailbox_of_its_own_account(shared, server, certificates):
    """As Outlook does it: Autodiscover for the address, a connection to what that told, and a logon to that mailbox alone."""
    dn, _ = discover(shared.https_port, certificates.ca, BOB, PASSWORD)
    status, document = autodiscover(shared.https_port, certificates.ca, BOB, PASSWORD, address=OFFICE)
    assert status == 200
    root = strip_namespaces(document)
    url = root.findtext(".//Protocol[@Type='mapiHttp']/MailStore/ExternalUrl")
    client = Client(shared.https_port, certificates.ca, BOB, PASSWORD, path="/" + url.split("/", 3)[3])
    client.connect(dn)
    with Session(client, root.findtext(".//User/LegacyDN")) as office:
        office.log_on()
        assert subjects(office) == imap_subjects(server, OFFICE)


def test_nothing_is_sent_from_it(shared, open_session):
    office = open_session(shared, BOB)
    office = office.beside(dn_of(office, OFFICE), 1)
    message = office.new_message(office.outbox, {"PidTagSubject": "not sent"}, [(0, 1, "carol", CAROL)])
    assert office.try_call(rops.submit_message(), message).error == ACCESS_DENIED


def raw_of(server, user, subject):
    """The bytes of the message with that subject, or None."""
    with contextlib.closing(server.connect(user)) as link:
        link.select("INBOX", readonly=True)
        uids = link.uid("search", None, "HEADER", "Subject", f'"{subject}"')[1][0].split()
        return link.uid("fetch", uids[-1], "(BODY.PEEK[])")[1][0][1] if uids else None


def test_messages_go_from_one_mailbox_to_the_other(place, server, open_session):
    own = open_session(place, BOB)
    office = own.beside(dn_of(own, OFFICE), 1)
    subject = f"handed over {time.monotonic_ns()}"
    server.seed(OFFICE, "INBOX", [(mail(subject), [r"\Flagged", "$Forwarded"], mailgen.FIRST_DATE)])
    source, target = office.open_folder(office.inbox), own.open_folder(own.inbox)

    def found(logon, folder):
        rows = logon.rows(logon.contents_table(folder), ["PidTagSubject", "PidTagMid", "PidTagMessageDeliveryTime", "PidTagFlagStatus"])
        return [row for row in rows if row[SUBJECT] == subject]

    assert eventually(lambda: found(office, source))
    before, original = found(office, source)[0], raw_of(server, OFFICE, subject)
    answer = office.call(rops.move_copy_messages([before[MESSAGE_ID]]), source, target)
    assert answer.partial_completion == 0
    assert raw_of(server, OFFICE, subject) is None and not found(office, source)
    assert raw_of(server, BOB, subject) == original
    after = found(own, target)
    assert len(after) == 1
    for tag in (tag_of("PidTagMessageDeliveryTime"), tag_of("PidTagFlagStatus")):
        assert after[0][tag] == before[tag]
    # And back, as a copy.
    assert own.call(rops.move_copy_messages([after[0][MESSAGE_ID]], copy=True), target, source).partial_completion == 0
    assert raw_of(server, OFFICE, subject) == raw_of(server, BOB, subject) == original
    assert office.call(rops.delete_messages([found(office, source)[0][MESSAGE_ID]]), source).partial_completion == 0
    assert own.call(rops.delete_messages([after[0][MESSAGE_ID]]), target).partial_completion == 0


def test_a_right_that_is_taken_away(certificates, server, open_session):
    with start(certificates, server) as gateway:
        own = open_session(gateway, BOB)
        office = own.beside(dn_of(own, OFFICE), 1)
        inbox = office.open_folder(office.inbox)
        gateway.people.write_text(directory(), encoding="utf-8")
        assert eventually(lambda: office.try_call(rops.get_contents_table(), inbox).error == NULL_OBJECT)
        assert log_on(own, OFFICE).error == LOGIN_PERM
        gateway.people.write_text(directory(BOB), encoding="utf-8")
        assert eventually(lambda: log_on(own, OFFICE).error == 0)


def test_a_mailbox_that_another_chain_serves_is_not_opened_here(certificates, server, open_session):
    gateway = start(certificates, server)
    gateway.arguments["modules"]["mail2"] = {"type": "mailbox", "providers": ["imap"]}
    gateway.write_config()
    routes = f'[chains.other]\nmodules = ["mail2"]\nauthenticator = "imap"\n\n[[routes]]\nuser = "{OFFICE}"\nchain = "other"\n\n'
    text = gateway.config_path.read_text()
    gateway.config_path.write_text(text.replace("[[routes]]\n", routes + "[[routes]]\n", 1))
    with gateway:
        assert log_on(open_session(gateway, BOB), OFFICE).error == LOGIN_PERM


@pytest.mark.parametrize("master, settings", [(False, {}), (True, {"shared_mailboxes": False})])
def test_where_nobody_opens_anothers(certificates, server, open_session, master, settings):
    if not master and ways.chosen() == "rpctcp":
        pytest.skip("users who come by NTLM have no password: the gateway needs the master user")
    with start(certificates, server, master, **settings) as gateway:
        own = open_session(gateway, BOB)
        assert log_on(own, OFFICE).error == LOGIN_PERM
        # Nor while its owner is there, whose password would do.
        open_session(gateway, OFFICE)
        assert log_on(own, OFFICE).error == LOGIN_PERM


def test_owner_and_delegates_at_once(shared, server, open_session):
    troubles = []

    def work(user, number):
        try:
            session = Session.logged_on(shared.https_port, server.certificates.ca, user, PASSWORD)
            with session:
                for turn in range(10):
                    logon = session if user == OFFICE else session.beside(dn_of(session, OFFICE), 1 + turn % 2)
                    inbox = logon.open_folder(logon.inbox)
                    made = logon.save(logon.new_message(logon.inbox, {"PidTagSubject": f"busy {number}.{turn}"}))
                    logon.rows(logon.contents_table(inbox), ["PidTagSubject", "PidTagMid"])
                    assert logon.call(rops.delete_messages([made], hard=True), inbox).partial_completion == 0
                    if user != OFFICE:
                        subjects(session)
        except Exception as trouble:  # noqa: BLE001 - told by the test
            troubles.append((user, number, trouble))

    before = imap_subjects(server, OFFICE)
    workers = [threading.Thread(target=work, args=(user, number)) for number, user in enumerate([BOB, BOB, BOB, OFFICE, OFFICE])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not troubles and not any(worker.is_alive() for worker in workers)
    assert imap_subjects(server, OFFICE) == before


@pytest.fixture(autouse=True)
def gateways_are_well(request):
    yield
    for name in ("shared", "shared_relay"):
        if name in request.fixturenames:
            gateway = request.getfixturevalue(name)
            assert gateway.alive(), f"{gateway.name} died:\n{gateway.log()[-4000:]}"
            gateway.check_log()
