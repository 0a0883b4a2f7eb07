"""The state store: copies while the gateway runs, reindexing, and PostgreSQL in place of files."""
import contextlib
import shutil
import sqlite3
import subprocess

import pytest

from conftest import ALICE, PASSWORD
from harness import mailgen, postgres, rops
from harness.mapigate import Mapigate, mailbox_modules
from harness.mapihttp import Session
from harness.processes import wait_until
from harness.properties import tag_of

SUBJECT, MID = tag_of("PidTagSubject"), tag_of("PidTagMid")


def state(gateway, *arguments, check=True):
    done = subprocess.run([str(gateway.program), "state", arguments[0], "-c", str(gateway.config_path), *map(str, arguments[1:])],
                          capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def ids(session):
    table = session.contents_table(session.open_folder(session.inbox), 0x10)
    return {row[MID]: row[SUBJECT] for row in session.rows(table, [MID, SUBJECT])}


def test_backup_while_running_and_restore(make_dovecot, make_gateway, open_session, tmp_path):
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(5)])
    gateway = make_gateway(server.tls_port)
    session = open_session(gateway)
    before = ids(session)
    state(gateway, "backup", tmp_path / "copy")
    assert state(gateway, "backup", tmp_path / "copy", check=False).returncode == 1  # never over another one
    assert state(gateway, "check").stdout.strip() == "1 files, 0 damaged"
    gateway.stop()
    (copy,) = (tmp_path / "copy").glob("*.sqlite")
    for file in gateway.state_dir.glob("alice*"):
        file.unlink()
    shutil.copy(copy, gateway.state_dir)
    gateway.start()
    assert ids(open_session(gateway)) == before


def test_damage_is_repaired_and_ids_stay(make_dovecot, make_gateway, open_session):
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(400)])
    gateway = make_gateway(server.tls_port)
    before = ids(open_session(gateway))
    gateway.stop()
    (file,) = gateway.state_dir.glob("alice*.sqlite")
    pages = file.stat().st_size // 4096
    with file.open("r+b") as out:
        out.seek(pages // 2 * 4096)
        out.write(b"x" * 4096 * 3)
    assert state(gateway, "check", check=False).returncode == 1
    state(gateway, "repair")
    state(gateway, "check")
    gateway.start()
    session = open_session(gateway)
    wait_until(lambda: sorted(ids(session).values()) == sorted(before.values()), "all messages again", 60, 0.5)
    after = ids(session)
    kept = [mid for mid, subject in after.items() if before.get(mid) == subject]
    assert len(kept) > len(before) // 4
    assert all(before[mid] == after[mid] for mid in before.keys() & after.keys())


def test_reindex_keeps_ids(make_dovecot, make_gateway, open_session):
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(20)])
    gateway = make_gateway(server.tls_port)
    before = ids(open_session(gateway))
    gateway.stop()
    (file,) = gateway.state_dir.glob("alice*.sqlite")
    # As if half of the rows were wrong: one too many, others with another size.
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE messages SET size = 1")
    state(gateway, "reindex", "--user", ALICE)
    gateway.start()
    session = open_session(gateway)

    def sizes():
        table = session.contents_table(session.open_folder(session.inbox), 0x10)
        return {row[tag_of("PidTagMessageSize")] for row in session.rows(table, ["PidTagMessageSize"])}
    wait_until(lambda: 1 not in sizes(), "the right sizes", 60, 0.5)
    assert ids(session) == before


@pytest.fixture
def database():
    if not postgres.programs():
        pytest.skip("no PostgreSQL (package postgresql)")
    with postgres.Postgres() as server:
        yield server


def test_two_gateways_share_a_mailbox_in_postgresql(certificates, make_dovecot, database):
    server = make_dovecot()
    server.seed(ALICE, "INBOX", [mailgen.small(number)[0] for number in range(10)])
    modules = mailbox_modules(server.tls_port, certificates)
    modules["mail"]["database"] = database.conninfo
    with contextlib.ExitStack() as stack:
        gateways = [stack.enter_context(Mapigate(certificates, modules, ["mail"], name=name)) for name in ("one", "two")]
        first = stack.enter_context(Session.logged_on(gateways[0].https_port, certificates.ca, ALICE, PASSWORD))
        before = ids(first)
        assert len(before) == 10
        second = stack.enter_context(Session.logged_on(gateways[1].https_port, certificates.ca, ALICE, PASSWORD))
        assert ids(second) == before
        # What one writes the other has: it is in the database.
        made = first.call(rops.create_folder("Shared"), first.open_folder(first.ipm_subtree))
        assert made.folder_id
        assert int(database.query("SELECT count(*) FROM mapigate_1.messages")) == 10
        assert int(database.query("SELECT count(*) FROM mapigate_1.folders WHERE name = 'Shared'")) == 1
        server.seed(ALICE, "INBOX", [mailgen.small(11)[0]])
        wait_until(lambda: len(ids(first)) == 11, "the new message", 30, 0.5)
        wait_until(lambda: ids(second) == ids(first), "the same at the other gateway", 30, 0.5)
        done = state(gateways[0], "backup", "/nonexistent", check=False)
        assert done.returncode == 1 and "pg_dump" in done.stderr
