"""`mapigate client` and `mapigate dump` as people and scripts use them."""
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

from conftest import ALICE, NESTED, PASSWORD
from harness import ways
from harness.mapigate import binary
from harness.processes import TOP, free_port


def run(*arguments, data=None, **environment):
    variables = {key: value for key, value in os.environ.items() if key != "MAPIGATE_PASSWORD"}
    return subprocess.run([str(binary()), *map(str, arguments)], capture_output=True, input=data, timeout=60,
                          env={**variables, **environment}, start_new_session=True)


def said(server, *arguments):
    return json.loads(server.client("--json", *arguments).stdout)


def one(server, mailbox, wanted, folder="INBOX", path="Inbox"):
    """The id that ls gives for the first message for which wanted(message) holds, and the message."""
    message = next(message for message in mailbox.folders[folder] if wanted(message))
    entries = [entry for entry in said(server, "ls", path) if entry["subject"] == message.subject]
    assert len(entries) == 1, message.subject
    return entries[0]["id"], message


def normal(text):
    return " ".join(text.split())


def test_folders(endpoint, mailbox):
    folders = {folder["path"]: folder for folder in said(endpoint, "folders")}
    assert folders["Inbox"]["total"] == len(mailbox.folders["INBOX"])
    assert folders["Inbox"]["unread"] == sum(r"\Seen" not in message.flags for message in mailbox.folders["INBOX"])
    assert folders["Inbox"]["class"] == "IPF.Note"
    assert folders[NESTED]["total"] == len(mailbox.folders[NESTED])
    assert folders[NESTED]["depth"] == folders["Projekte"]["depth"] + 1
    text = endpoint.client("folders").stdout
    assert "Übung & Co" in text and folders["Inbox"]["id"] in text


def test_ls_has_each_message_newest_first(endpoint, mailbox):
    entries = said(endpoint, "ls", "inbox")
    messages = mailbox.folders["INBOX"]
    assert sorted(entry["subject"] for entry in entries) == sorted(message.subject for message in messages)
    times = [entry["received"] for entry in entries]
    assert times == sorted(times, reverse=True)
    read = {message.subject: r"\Seen" in message.flags for message in messages}
    assert {entry["subject"]: entry["read"] for entry in entries} == read


def test_ls_with_a_limit_gives_the_newest(endpoint):
    assert said(endpoint, "ls", "Inbox", "--limit", "7") == said(endpoint, "ls", "Inbox")[:7]


def test_a_folder_by_its_id(gateway):
    inbox = next(folder for folder in said(gateway, "folders") if folder["path"] == "Inbox")
    assert said(gateway, "ls", inbox["id"]) == said(gateway, "ls", "Inbox")


def test_show(endpoint, mailbox):
    identifier, message = one(endpoint, mailbox, lambda message: message.kind == "plain")
    shown = said(endpoint, "show", identifier)
    assert shown["id"] == identifier
    assert shown["subject"] == message.subject
    assert normal(shown["body"]["text"]) == normal(message.text)
    assert shown["to"] and "@" in shown["to"][0]["address"]
    assert "@" in shown["from"]["address"]
    assert shown["class"] == "IPM.Note"
    assert shown["attachments"] == []
    assert said(endpoint, "show", identifier.split("/")[1], "--folder", "Inbox") == shown
    assert message.subject in endpoint.client("show", identifier).stdout


def test_show_other_forms(gateway, mailbox):
    identifier, _ = one(gateway, mailbox, lambda message: message.kind == "alternative")
    shown = said(gateway, "show", identifier, "--html")
    assert "<" in shown["body"]["html"] and "rtf" not in shown["body"]
    assert said(gateway, "show", identifier, "--rtf")["body"]["rtf"].startswith("{\\rtf1")
    assert "Subject:" in gateway.client("show", identifier, "--headers").stdout


def test_attachments_are_saved_whole(endpoint, mailbox, tmp_path):
    identifier, message = one(endpoint, mailbox, lambda message: message.attachments)
    listed = said(endpoint, "attachments", identifier)
    assert all("path" not in entry for entry in listed)
    saved = said(endpoint, "attachments", identifier, "--save", tmp_path)
    digests = [hashlib.sha256(pathlib.Path(entry["path"]).read_bytes()).hexdigest() for entry in saved if "path" in entry]
    assert sorted(digests) == sorted(digest for _, digest in message.attachments)
    assert all(pathlib.Path(entry["path"]).parent == tmp_path for entry in saved if "path" in entry)


def test_saving_twice_overwrites_nothing(gateway, mailbox, tmp_path):
    identifier, _ = one(gateway, mailbox, lambda message: message.attachments)
    first = {entry["path"] for entry in said(gateway, "attachments", identifier, "--save", tmp_path) if "path" in entry}
    second = {entry["path"] for entry in said(gateway, "attachments", identifier, "--save", tmp_path) if "path" in entry}
    assert first and not first & second
    assert {str(path) for path in tmp_path.iterdir()} == first | second


def test_hostile_attachment_names_stay_in_the_folder(make_dovecot, make_gateway, tmp_path):
    names = ["../../../escape.txt", "/etc/passwd", "..", ".profile", "a\u202etxt.exe", "con"]
    parts = "".join(f"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n"
                    f" filename*=utf-8''{''.join(f'%{byte:02X}' for byte in name.encode())}\r\n\r\n{number}\r\n"
                    for number, name in enumerate(names))
    message = (f"From: mallory@example.test\r\nTo: {ALICE}\r\nSubject: \x1b[31mred\r\nMIME-Version: 1.0\r\n"
               f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\x1b[2J\r\n"
               f"{parts}--b--\r\n").encode()
    dovecot = make_dovecot()
    dovecot.seed(ALICE, "INBOX", [(message, None, 1700000000)])
    server = make_gateway(dovecot.tls_port)
    identifier = said(server, "ls", "Inbox")[0]["id"]
    target = tmp_path / "one" / "two" / "target"
    saved = said(server, "attachments", identifier, "--save", target)
    assert len(saved) == len(names)
    assert {pathlib.Path(entry["path"]).parent for entry in saved} == {target}
    assert sorted(path.read_bytes().strip() for path in target.iterdir()) == [b"%d" % i for i in range(len(names))]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != target] == []
    text = server.client("ls", "Inbox").stdout + server.client("show", identifier).stdout
    assert "\x1b" not in text and "\\x1b[2J" in text


def test_search(endpoint, mailbox):
    word = mailbox.folders["INBOX"][0].subject.split()[0]
    found = {entry["subject"] for entry in said(endpoint, "search", "Inbox", word.upper())}
    assert {message.subject for message in mailbox.folders["INBOX"] if word.lower() in message.subject.lower()} <= found
    assert said(endpoint, "search", "Inbox", "no message has this text") == []


def test_autodiscover(gateway):
    shown = said(gateway, "autodiscover")
    assert shown["address"] == ALICE
    asked, _ = ways.client_options(gateway)
    port = asked.rpartition(":")[2]
    assert shown["mail_store"].startswith(f"https://localhost:{port}/mapi/emsmdb")
    assert shown["legacy_dn"].startswith("/o=")


def test_trace_shows_rops_and_no_password(gateway):
    done = gateway.client("--trace", "ls", "Inbox", "--limit", "1")
    assert "RopLogon" in done.stderr and "RopQueryRows" in done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("arguments, advice", [
    (["ls", "Inbxo"], "did you mean \"Inbox\""),
    (["show", "nonsense"], "1-2a/1-3f"),
])
def test_errors_say_what_to_do(gateway, arguments, advice):
    done = gateway.client(*arguments, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert advice in done.stderr


def test_a_wrong_password(gateway):
    done = gateway.client("folders", password="wrong", check=False)
    assert done.returncode == 1
    assert "MAPIGATE_PASSWORD" in done.stderr


def test_an_unknown_authority_is_refused(gateway):
    done = run("client", "--user", ALICE, "--server", gateway.url(), "folders", MAPIGATE_PASSWORD=PASSWORD)
    assert done.returncode == 1
    assert b"--ca-file" in done.stderr


def test_insecure_is_loud(gateway):
    done = run("client", "--user", ALICE, "--server", gateway.url(), "--insecure", "--quiet", "folders",
               MAPIGATE_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr
    assert b"NOT checked" in done.stderr


def test_nobody_is_there(certificates):
    server = f"https://127.0.0.1:{free_port()}"
    done = run("client", "--user", ALICE, "--server", server, "--ca-file", certificates.ca, "folders",
               MAPIGATE_PASSWORD=PASSWORD)
    assert done.returncode == 1
    assert server.encode() in done.stderr


def test_password_from_a_file_and_from_nowhere(gateway, certificates, tmp_path):
    common = ["client", "--user", ALICE, "--server", gateway.url(), "--ca-file", certificates.ca]
    (tmp_path / "password").write_text(PASSWORD + "\n")
    assert run(*common, "--password-file", tmp_path / "password", "folders").returncode == 0
    done = run(*common, "folders")
    assert done.returncode == 1 and b"MAPIGATE_PASSWORD" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["serve"], ["client", "folders"], ["client", "--user", ALICE], ["nonsense"],
                                       ["dump", "--request", "--reply"], ["dump", "lz77"]])
def test_a_wrong_command_line(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == b""
    assert b"--help" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["client", "--help"], ["client", "ls", "--help"],
                                       ["dump", "--help"], ["--version"]])
def test_help(arguments):
    done = run(*arguments)
    assert done.returncode == 0 and done.stderr == b""
    assert b"mapigate" in done.stdout


# -- dump

CONNECT = b"/o=x\0" + bytes(4) + (1252).to_bytes(4, "little") + bytes(12)


def test_dump_a_body():
    done = run("dump", "--request", "--request-type", "Connect", data=CONNECT)
    assert done.returncode == 0, done.stderr
    assert b'UserDn: "/o=x"' in done.stdout and b"DefaultCodePage: 1252" in done.stdout
    shown = json.loads(run("dump", "--json", "--hex", "--request-type", "Connect", "-", data=CONNECT.hex().encode()).stdout)
    assert shown["UserDn"] == {"offset": 0, "value": "/o=x"} and shown["DefaultCodePage"] == {"offset": 9, "value": 1252}


def test_dump_a_broken_body():
    done = run("dump", "--request-type", "Connect", data=CONNECT[:11])
    assert done.returncode == 1
    assert b'UserDn: "/o=x"' in done.stdout and b"rest: " in done.stdout
    assert b"DefaultCodePage at offset 9: truncated" in done.stderr


def test_dump_rops_from_a_file(tmp_path):
    (tmp_path / "rops").write_bytes(bytes.fromhex("0500" "010000" "07000000"))  # RopRelease
    done = run("dump", "rops", tmp_path / "rops")
    assert done.returncode == 0, done.stderr
    assert b"RopRelease" in done.stdout


@pytest.mark.parametrize("data, options", [(b"", []), (b"zz", ["--hex"]), (b"!", ["--base64"])])
def test_dump_refuses_what_is_no_input(data, options):
    done = run("dump", *options, data=data)
    assert done.returncode == 1 and done.stderr


def test_dump_a_missing_file():
    done = run("dump", "/nonexistent")
    assert done.returncode == 1 and b"/nonexistent" in done.stderr


def test_generated_files_are_current():
    done = subprocess.run([TOP / "tools" / "make-reference", "--check", binary()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
