"""Folders of other users and shared ones, in the namespaces that IMAP servers have for them (RFC 2342), with the rights that
their owners granted (RFC 4314): on Dovecot and on Cyrus."""
import contextlib

import pytest

from conftest import ALICE, BOB
from harness import cyrus, imap_server, mailgen, rops
from harness.dovecot import Dovecot, _RawImap
from harness.mapigate import Mapigate, mailbox_modules
from harness.processes import private_dir, wait_until
from harness.properties import tag_of

RIGHTS, ACCESS, LEVEL = (tag_of(name) for name in ("PidTagRights", "PidTagAccess", "PidTagAccessLevel"))
MID = tag_of("PidTagMid")
ACCESS_DENIED = 0x80070005
READ, CREATE, EDIT, DELETE = 0x01, 0x02, 0x20, 0x40


def dovecot_that_shares(certificates):
    folder = private_dir("dovecot")
    (folder / "acl").write_text(f"Public user={BOB} lrwstipekxa\nPublic/* user={BOB} lrwstipekxa\nPublic/* user={ALICE} lr\n")
    (folder / "acl").chmod(0o644)
    spaces = "".join(
        f"namespace {kind} {{\ntype = {kind}\nseparator = /\nprefix = {prefix}/\nlocation = mdbox:{folder}/home/{where}\n"
        "subscriptions = no\nlist = children\n}\n"
        for kind, prefix, where in (("shared", "Users/%%u", "%%d/%%n/mail"), ("public", "Public", "public")))
    extra = ("mail_plugins = acl\nprotocol imap {\nmail_plugins = acl imap_acl\n}\n"
             f"plugin {{\nacl = vfile:{folder}/acl\nacl_shared_dict = file:{folder}/home/shared\n}}\n{spaces}")
    server = Dovecot(certificates, users=(ALICE, BOB), folder=folder, extra=extra)
    server.top, server.of_bob, server.public_top, server.news = "Users", BOB, "Public", "Public/News"
    return server


@pytest.fixture(scope="module", params=["dovecot", "cyrus"])
def server(certificates, request):
    if request.param == "cyrus":
        one = imap_server.make(certificates, (ALICE, BOB), kind="cyrus")
        one.top, one.of_bob, one.public_top, one.news = "Other Users", "bob", "Shared Folders", "Shared Folders/News"
    else:
        one = dovecot_that_shares(certificates)
    with one:
        for name, rights in (("Plans", "lrs"), ("Desk", "lrswitekx")):
            one.seed(BOB, name, [mailgen.message(number, large=False).seed() for number in range(3)])
            with contextlib.closing(_RawImap(one.port, BOB, one.password)) as link:
                link.command(f"SETACL {name} {ALICE} {rights}")
        if isinstance(one, cyrus.Cyrus):
            with contextlib.closing(_RawImap(one.port, "cyrus", one.password)) as link:
                link.command('CREATE "News@example.test"')
                link.command(f'SETACL "News@example.test" {ALICE} lr')
        else:
            with contextlib.closing(_RawImap(one.port, BOB, one.password)) as link:
                link.command("CREATE Public/News")
        yield one


@contextlib.contextmanager
def gateway(certificates, server, **settings):
    modules = mailbox_modules(server.tls_port, certificates)
    modules["imap"] |= settings
    with Mapigate(certificates, modules, ["mail"], name="sharing") as one:
        yield one


def paths(session):
    """{path below the top: folder id}"""
    folders = session.folders()

    def path(key):
        name, parent = folders[key]
        return (path(parent) + "/" if parent in folders else "") + name
    return {path(key): key for key in folders}


def shown(session, folder):
    row = session.properties(session.open_folder(folder), ["PidTagRights", "PidTagAccess", "PidTagAccessLevel"])
    return row[RIGHTS], row[ACCESS], row[LEVEL]


def test_what_others_share_stands_below_its_namespace_with_its_rights(certificates, server, open_session):
    with gateway(certificates, server) as one:
        session = open_session(one)
        plans, desk = (f"{server.top}/{server.of_bob}/{name}" for name in ("Plans", "Desk"))
        wait_until(lambda: {plans, desk, server.news} <= set(paths(session)), "the folders that are shared", 20, 0.5)
        there = paths(session)
        rights, access, level = shown(session, there[plans])
        assert rights & (READ | CREATE | EDIT | DELETE) == READ and access & 0x1F == 0x02 and level == 0
        rights, access, level = shown(session, there[desk])
        assert rights & (READ | CREATE | EDIT | DELETE) == READ | CREATE | EDIT | DELETE and access & 0x12 == 0x12 and level == 1
        assert shown(session, there[server.news])[2] == 0
        assert shown(session, session.inbox) == (0x7FB, 0x3F, 1)
        # What is granted works, the rest is refused.
        handle = session.open_folder(there[plans])
        rows = session.rows(session.contents_table(handle), ["PidTagSubject", "PidTagMid"])
        assert len(rows) == 3
        assert session.try_call(rops.create_message(there[plans])).error == ACCESS_DENIED
        session.save(session.new_message(there[desk], {"PidTagSubject": "on bob's desk", "PidTagBody": "."}))
        assert server.count(BOB, "Desk") == 4
        session.call(rops.move_copy_messages([rows[0][MID]], copy=True), handle, session.open_folder(there[desk]))
        assert server.count(BOB, "Desk") == 5
        one.check_log()


def test_who_wants_sees_those_alone_that_are_subscribed_or_none(certificates, server, open_session):
    plans = f"{server.top}/{server.of_bob}/Plans"
    with contextlib.closing(_RawImap(server.port, ALICE, server.password)) as link:
        link.command(f'SUBSCRIBE "{plans}"')
    with gateway(certificates, server, shared_folders="subscribed") as one:
        names = set(paths(open_session(one)))
        assert plans in names and server.news not in names and f"{server.top}/{server.of_bob}/Desk" not in names
    with gateway(certificates, server, shared_folders="none") as one:
        names = set(paths(open_session(one)))
        assert not [name for name in names if name.startswith((server.top, server.public_top))]
        assert "Inbox" in names
