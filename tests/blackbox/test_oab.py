"""The offline address book as Outlook gets it: announced, downloaded, unpacked by libmspack, and the same as over NSPI."""
import base64
import contextlib
import hashlib
import http.client
import json
import secrets
import ssl
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import ALICE, BOB, PASSWORD, USERS
from harness import nspi, people
from harness.mapigate import Mapigate
from harness.nspi import Stat
from harness.processes import wait_until


@pytest.fixture(scope="module")
def server(certificates, dovecot, tmp_path_factory):
    file = people.write(tmp_path_factory.mktemp("people") / "people.toml", "example.test", USERS)
    tables = {"oab": {"check_interval": "300ms", "patches": 5}}
    with Mapigate.gateway(certificates, dovecot.tls_port, people=file, name="oab", tables=tables) as gateway:
        gateway.people = file
        gateway.folder_path = "/" + json.loads(gateway.client("--json", "autodiscover").stdout)["oab_url"].split("/", 3)[3]
        gateway.get = lambda name, **fields: get(gateway, certificates, gateway.folder_path + name, **fields)
        wait_until(lambda: gateway.get("oab.xml")[0] == 200, "there is an offline address book", 60)
        yield gateway


def get(server, certificates, target, method="GET", user=ALICE, **fields):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    connection = http.client.HTTPSConnection("127.0.0.1", server.https_port, context=context, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
    with contextlib.closing(connection):
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def manifest(server):
    return ElementTree.fromstring(server.get("oab.xml")[2]).find("OAL")


def test_the_manifest_names_files_that_are_what_it_says(server):
    book = manifest(server)
    assert book.get("dn") == "/" and book.get("name") == "\\Global Address List"
    kinds = [item.tag for item in book]
    assert kinds.count("Full") == 1 and {item.get("type") for item in book.findall("Template")} == {"windows", "mac"}
    for item in book:
        status, headers, data = server.get(item.text)
        assert status == 200 and len(data) == int(item.get("size")) and hashlib.sha1(data).hexdigest() == item.get("SHA").lower()
        assert data[:8] == bytes.fromhex("0300000001000000") or item.tag == "Diff"
        assert headers["ETag"] and headers["Last-Modified"]


def test_a_large_book_comes_in_pieces_and_whole(certificates, dovecot, tmp_path):
    file = tmp_path / "people.toml"
    file.write_text("".join(f'[[entry]]\nname = "Person {n}"\naddress = "p{n}@example.test"\ncomment = "{secrets.token_hex(400)}"\n'
                            for n in range(1200)) + f'[[entry]]\nname = "Alice Adams"\naddress = "{ALICE}"\n', encoding="utf-8")
    with Mapigate.gateway(certificates, dovecot.tls_port, people=file, name="large-oab", tables={"oab": {"check_interval": "300ms"}}) as large:
        folder = "/" + json.loads(large.client("--json", "autodiscover").stdout)["oab_url"].split("/", 3)[3]
        wait_until(lambda: get(large, certificates, folder + "oab.xml")[0] == 200, "there is an offline address book", 120)
        full = ElementTree.fromstring(get(large, certificates, folder + "oab.xml")[2]).find("OAL").find("Full")
        status, headers, data = get(large, certificates, folder + full.text)
        assert status == 200 and len(data) > 400_000 and headers["Content-Length"] == full.get("size")
        assert hashlib.sha1(data).hexdigest() == full.get("SHA").lower()
        status, headers, part = get(large, certificates, folder + full.text, Range="bytes=1000-300999")
        assert status == 206 and headers["Content-Length"] == "300000" and part == data[1000:301000]
        status, headers, none = get(large, certificates, folder + full.text, method="HEAD")
        assert status == 200 and headers["Content-Length"] == full.get("size") and none == b""


def test_downloads_can_be_resumed_and_repeated(server):
    name = manifest(server).findtext("Full")
    _, headers, whole = server.get(name)
    status, part, data = server.get(name, Range="bytes=100-199")
    assert status == 206 and data == whole[100:200] and part["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert server.get(name, Range="bytes=100-", If_Range=headers["ETag"])[2] == whole[100:]
    assert server.get(name, Range="bytes=100-", If_Range='"another"')[0] == 200
    assert server.get(name, Range=f"bytes={len(whole)}-")[0] == 416
    assert server.get(name, If_None_Match=headers["ETag"])[0] == 304
    assert server.get(name, If_Modified_Since=headers["Last-Modified"])[0] == 304
    status, head, data = server.get(name, method="HEAD")
    assert status == 200 and data == b"" and head["Content-Length"] == str(len(whole))
    assert server.get(name, method="POST")[0] == 405


@pytest.mark.parametrize("name", ["", "nothing.lzx", "details", "versions", "../../../../mapigate.toml", "..%2f..%2fx", "oab.xml/.."])
def test_nothing_else_is_served(server, name):
    assert server.get(name)[0] == 404


def test_it_is_the_users_own_or_none(server, certificates):
    assert get(server, certificates, "/OAB/00000000-0000-0000-0000-000000000000/oab.xml")[0] == 404
    assert get(server, certificates, server.folder_path + "oab.xml", user=BOB)[0] == 200


def test_the_client_lists_what_nspi_says(server, certificates):
    told = json.loads(server.client("--json", "oab").stdout)
    offline = {entry["address"]: entry for entry in told["entries"]}
    tags = ["PidTagDisplayName", "PidTagSmtpAddress", "PidTagTitle", "PidTagDepartmentName", "PidTagEmailAddress",
            "PidTagDisplayType", "PidTagObjectType", "PidTagAddressBookProxyAddresses"]
    stat, compared = Stat(), 0
    with nspi.Session(server.https_port, certificates.ca, ALICE, PASSWORD) as book:
        while stat.current != nspi.END:
            stat, rows = book.query_rows(stat, 100, tags)
            for row in rows:
                entry = offline.pop(row[nspi.TAGS["PidTagSmtpAddress"]])["properties"]
                for name in tags:
                    tag = nspi.TAGS[name]
                    value = row[tag]
                    if name == "PidTagEmailAddress":
                        tag = tag & 0xFFFF0000 | 0x1E
                    if isinstance(value, nspi.PropertyError):
                        assert f"{tag:#010x}" not in entry
                        continue
                    said = entry[f"{tag:#010x}"]
                    assert said == ("\n".join(value) if isinstance(value, list) else str(value)), name
                    compared += 1
    assert not offline and compared > 1000
    assert "Alice Adams" in server.client("oab").stdout


def test_a_change_makes_a_new_version_and_a_patch(server, tmp_path):
    before = int(manifest(server).find("Full").get("seq"))
    server.people.write_text(people.toml("example.test", USERS + [("zed", "Zed Zimmer")]), encoding="utf-8")
    wait_until(lambda: int(manifest(server).find("Full").get("seq")) > before, "a new version is there", 60)
    book = manifest(server)
    full, patch = book.find("Full"), book.find("Diff")
    assert patch.get("seq") == full.get("seq") and int(patch.get("size")) < int(full.get("size")) / 2
    assert server.get(patch.text)[2][:8] == bytes.fromhex("0300000002000000")
    told = json.loads(server.client("--json", "oab", "--save", tmp_path / "kept").stdout)
    assert "zed@example.test" in {entry["address"] for entry in told["entries"]}
    assert (tmp_path / "kept" / "udetails.oab").stat().st_size == int(full.get("uncompressedsize"))
