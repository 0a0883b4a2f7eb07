"""`mapigate client watch`: what happens in a mailbox, as it happens."""
import json
import subprocess

import pytest

from conftest import ALICE, PASSWORD
from harness import imap_server
from harness.mapigate import Mapigate
from harness.watch import Watch


@pytest.fixture(scope="module")
def server(certificates):
    with imap_server.make(certificates, (ALICE,)) as one:
        yield one


@pytest.fixture(scope="module")
def gateway(certificates, server):
    with Mapigate.gateway(certificates, server.tls_port, name="watched") as one:
        yield one
        one.check_log()


@pytest.fixture(scope="module")
def relay(certificates, gateway):
    with Mapigate.relay(certificates, gateway.https_port, name="watched-relay") as one:
        yield one


def mail(subject):
    return f"Message-ID: <{subject.replace(' ', '.')}@x>\r\nFrom: Bob <bob@example.test>\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nbody\r\n".encode()


@pytest.mark.parametrize("through", ["gateway", "relay"])
def test_what_happens_is_told_until_interrupted(request, server, gateway, through):
    watched = request.getfixturevalue(through)
    with Watch(watched.start_client("--json", "watch")) as watch:
        watch.until(lambda event: event["event"] == "watching")
        server.seed(ALICE, "INBOX", [mail(f"news {through}")])
        told = watch.until(lambda event: event["event"] == "new_mail")
        assert (told["folder"], told["subject"], told["from"]) == ("Inbox", f"news {through}", "bob@example.test")
        counts = watch.until(lambda event: event["event"] == "folder_modified" and event["folder"] == "Inbox")
        assert counts["unread"] >= 1
        gateway.client("mkdir", f"Made {through}")
        assert watch.until(lambda event: event["event"] == "folder_created")["folder"] == f"Made {through}"
        gateway.client("mv", told["message"], "--to", f"Made {through}")
        moved = watch.until(lambda event: event["event"] == "message_moved")
        assert (moved["folder"], moved["from_folder"]) == (f"Made {through}", "Inbox")
        status, said = watch.interrupt()
        assert (status, said) == (0, "")
    listed = json.loads(gateway.client("--json", "ls", f"Made {through}").stdout)
    assert [(one["id"], one["subject"]) for one in listed] == [(moved["message"], f"news {through}")]


def test_one_folder_and_so_many_events(server, gateway):
    gateway.client("mkdir", "Only this")
    process = gateway.start_client("watch", "only THIS", "--count", "1")
    try:
        assert "watching" in process.stdout.readline()
        gateway.client("mkdir", "Not this")
        server.seed(ALICE, "Only this", [mail("here")])
        rest, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Only this" in rest and "Not this" not in rest and len(rest.splitlines()) == 1


def test_it_connects_again(certificates, server):
    gateway = Mapigate.gateway(certificates, server.tls_port, name="restarted")
    with gateway, Watch(gateway.start_client("--json", "watch", "Inbox")) as watch:
        watch.until(lambda event: event["event"] == "watching")
        gateway.kill()
        gateway.start()
        watch.until(lambda event: event["event"] == "watching", 60)
        server.seed(ALICE, "INBOX", [mail("after the restart")])
        assert watch.until(lambda event: event["event"] == "new_mail")["subject"] == "after the restart"
        status, said = watch.interrupt()
        assert status == 0 and "trying again in 1 s" in said


def test_interrupted_while_the_server_is_away(certificates, server):
    with Mapigate.gateway(certificates, server.tls_port, name="gone") as gateway:
        with Watch(gateway.start_client("--json", "watch")) as watch:
            watch.until(lambda event: event["event"] == "watching")
            gateway.kill()
            assert "trying again" in watch.process.stderr.readline()
            assert watch.interrupt()[0] == 0


def test_the_first_connection_has_to_succeed(gateway):
    done = gateway.client("watch", password="wrong", check=False)
    assert done.returncode == 1 and done.stdout == "" and "password" in done.stderr
    assert gateway.client("watch", "no such folder", password=PASSWORD, check=False).returncode == 1


def test_nobody_reads_its_output(server, gateway):
    process = gateway.start_client("watch")
    try:
        assert "watching" in process.stdout.readline()
        process.stdout.close()
        server.seed(ALICE, "INBOX", [mail("into the void")])
        assert process.wait(timeout=30) != 0
    except subprocess.TimeoutExpired:
        pytest.fail("it goes on though nobody reads")
    finally:
        process.kill()
