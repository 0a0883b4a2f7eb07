"""Every request type of the address book endpoint at the daemon itself, and through a relay."""
import json
import struct

import pytest

from harness import nspi, people
from harness.mapihttp import ProtocolError
from harness.nspi import NspiError, Stat
from harness.processes import wait_until

from conftest import ALICE, PASSWORD, USERS

NAME, ADDRESS = nspi.TAGS["PidTagDisplayName"], nspi.TAGS["PidTagSmtpAddress"]
LISTED = len(people.people("example.test", USERS)) + 4 + 3 + 1 + 1  # groups, rooms, equipment, contact; not who hides


@pytest.fixture
def book(endpoint, certificates):
    with nspi.Session(endpoint.https_port, certificates.ca, ALICE, PASSWORD) as session:
        yield session


def refused(call, code):
    with pytest.raises(NspiError) as problem:
        call()
    assert problem.value.code == code, problem.value


def mid(book, address):
    _, found, _ = book.get_matches(Stat(), 10, nspi.equals("PidTagSmtpAddress", address))
    assert len(found) == 1
    return found[0]


def test_bind_gives_the_same_server_each_time(endpoint, certificates):
    guids = set()
    for _ in range(2):
        with nspi.Session(endpoint.https_port, certificates.ca, ALICE, PASSWORD) as session:
            guids.add(session.guid)
    assert len(guids) == 1 and guids != {bytes(16)}


def test_every_reply_names_the_cookies(book):
    """A client may send those of the last reply alone, [MS-OXCMAPIHTTP] 3.2.5.2."""
    before = dict(book.client.cookies)
    reply = book.client.raw("QueryColumns", struct.pack("<III", 0, 0, 0)).check()
    assert [line.partition("=")[0] for line in reply.headers.get_all("Set-Cookie") or []] == list(before)
    assert book.client.cookies == before


def test_bind_refuses_a_code_page_that_is_none(endpoint, certificates):
    session = nspi.Session(endpoint.https_port, certificates.ca, ALICE, PASSWORD)
    refused(lambda: session.bind(Stat(code_page=4711)), nspi.INVALID_CODEPAGE)
    session.client.close()


def test_bind_lets_nobody_in_unnamed(endpoint, certificates):
    session = nspi.Session(endpoint.https_port, certificates.ca, ALICE, PASSWORD)
    refused(lambda: session.call("Bind", struct.pack("<I", 0x20) + nspi.state(Stat())), nspi.NOT_SUPPORTED)
    session.client.close()


def test_code_pages_that_are_none(book):
    refused(lambda: book.get_props(Stat(current=mid(book, ALICE), code_page=0xFF), ["PidTagDisplayName"]), nspi.INVALID_CODEPAGE)
    refused(lambda: book.query_rows(Stat(code_page=0xFF), 1, ["PidTagDisplayName"]), nspi.INVALID_CODEPAGE)
    refused(lambda: book.get_special_table(Stat(code_page=0xFF), flags=0), nspi.INVALID_CODEPAGE)


def test_a_tag_without_an_id(book):
    """It is no text that CP_WINUNICODE could not hold, and nothing that a restriction could look for."""
    code, _, values = book.get_props(Stat(current=mid(book, ALICE), code_page=1200), [0x0000001E])
    assert code == nspi.ERRORS_RETURNED and values[0][0] & 0xFFFF == 0x0A
    refused(lambda: book.get_matches(Stat(), 10, struct.pack("<BI", 8, 0)), 0x80040117)


def test_hierarchy(book):
    code_page, version, rows = book.get_special_table(Stat())
    assert code_page == 1200 and version
    names = [row[NAME] for row in rows]
    assert names[0] == "Global Address List"
    assert {"All Users", "All Groups", "All Rooms", "Sales", "North", "Entwicklung"} <= set(names)
    assert rows[names.index("North")][nspi.TAGS["PidTagDepth"]] == 1
    assert book.get_special_table(Stat(), version=version)[2] == []


def test_browsing_the_whole_list(book):
    stat, names = Stat(), []
    while True:
        stat, rows = book.query_rows(stat, 50, ["PidTagDisplayName"])
        assert len(rows) <= 50
        names += [row[NAME] for row in rows]
        if stat.current == nspi.END:
            break
    assert len(names) == LISTED == stat.total
    assert "Hidden Service" not in names
    assert names.index("Chloé Ackermann") < names.index("Dörte Bäcker") < names.index("Zoltán External")


def test_a_container_holds_its_own(book):
    _, _, rows = book.get_special_table(Stat())
    container = next(row[nspi.TAGS["PidTagAddressBookContainerId"]] for row in rows if row[NAME] == "All Rooms")
    _, rows = book.query_rows(Stat(container=container), 50, ["PidTagDisplayName"])
    assert [row[NAME] for row in rows] == ["Großer Saal", "Room Amsterdam", "Room Berlin"]


def test_matches_in_the_orders_of_tables_on_objects(book):
    """SortTypeDisplayName_RO and _W; then with the ContainerID that the answer has."""
    stat = Stat(current=mid(book, ALICE), sort_type=0x3E8)
    moved, found, _ = book.get_matches(stat, 10, nspi.equals("PidTagSmtpAddress", ALICE))
    assert found == [stat.current]
    moved.sort_type = 0x3E9
    assert book.get_matches(moved, 10, nspi.equals("PidTagSmtpAddress", ALICE))[1] == found


def test_fields_that_are_ignored(book):
    target = b"\xff" + struct.pack("<I", NAME) + b"\xff" + "Team".encode("utf-16-le") + b"\0\0"
    book.call("SeekEntries", struct.pack("<I", 1) + nspi.state(Stat()) + target + b"\0" + nspi.tags(["PidTagDisplayName"]))
    assert book.resort_restriction(Stat(code_page=1200), [0x70000000])[1] == []


def test_positions(book):
    stat, by = book.update_stat(Stat(current=nspi.END, delta=-1))
    assert by == -1 and stat.position == LISTED - 1 and stat.total == LISTED
    stat, by = book.update_stat(Stat(current=nspi.CURRENT, position=1, total=2))
    assert stat.position == LISTED // 2 and by == 0
    assert book.update_stat(Stat(), delta=False)[1] is None
    refused(lambda: book.update_stat(Stat(container=0x7777)), nspi.INVALID_BOOKMARK)


def test_requests_beside_the_documents(book):
    """What servers take all the same: strings ended twice, a target without HasValue, bytes behind the request."""
    names = "".join(name + "\0\0" for name in ["bob@example.test", "", "nobody"]).encode("utf-16-le")
    body = struct.pack("<I", 0) + nspi.state(Stat()) + nspi.tags(["PidTagDisplayName"]) + b"\1" + struct.pack("<I", 3) + names
    reader, _ = book.call("ResolveNames", body)
    assert struct.unpack("<IBIIII", reader.bytes(21))[3:] == (nspi.RESOLVED, nspi.UNRESOLVED, nspi.UNRESOLVED)
    target = struct.pack("<I", NAME) + "Team".encode("utf-16-le") + b"\0\0"
    reader, _ = book.call("SeekEntries", struct.pack("<I", 0) + nspi.state(Stat()) + b"\1" + target + b"\0"
                          + nspi.tags(["PidTagDisplayName"]))
    assert reader.u8() and struct.unpack("<IIIiIIIII", reader.bytes(36))[4] > 0
    assert book.client.raw("Unbind", struct.pack("<II", 0, 0) + b"more").check()
    book.client.cookies = {}


def test_seeking(book):
    stat, rows = book.seek_entries(Stat(), "team", ["PidTagDisplayName"])
    assert rows[0][NAME] == "Team Entwicklung"
    assert stat.total == LISTED and stat.current not in (nspi.BEGINNING, nspi.END)
    again, more = book.query_rows(stat, 1, ["PidTagDisplayName"])
    assert more[0][NAME] == "Team Entwicklung" and again.position == stat.position + 1
    refused(lambda: book.seek_entries(Stat(), "zzzz"), nspi.NOT_FOUND)


def test_resolving_names(book):
    outcomes, rows = book.resolve_names(["alice.adams@example.test", "Jäger", "no such one", "georg gross", ""],
                                        ["PidTagDisplayName", "PidTagSmtpAddress"])
    assert outcomes == [nspi.RESOLVED, nspi.AMBIGUOUS, nspi.UNRESOLVED, nspi.RESOLVED, nspi.UNRESOLVED]
    assert [row[NAME] for row in rows] == ["Alice Adams", "Georg Groß"]
    assert rows[0][ADDRESS] == ALICE


def test_matches_of_an_ambiguous_name(book):
    _, found, rows = book.get_matches(Stat(), 100, nspi.equals("PidTagAnr", "jager"), ["PidTagDisplayName"])
    assert len(found) == len(rows) == len(people.FIRST)
    assert all(row[NAME].endswith(" Jäger") for row in rows)
    refused(lambda: book.get_matches(Stat(), 3, nspi.equals("PidTagAnr", "jager")), nspi.TABLE_TOO_BIG)


def test_members_and_manager(book):
    team = mid(book, "team-support@example.test")
    stat = Stat(sort_type=1000, current=team, container=nspi.TAGS["PidTagAddressBookMember"])
    moved, found, rows = book.get_matches(stat, 1000, columns=["PidTagDisplayName", "PidTagEntryId"])
    assert len(found) == people.COUNT // len(people.PARTS) and moved.container == team
    assert rows[0][nspi.TAGS["PidTagEntryId"]][0] == 0x87  # ephemeral
    someone = mid(book, "anna.ackermann@example.test")
    _, found, rows = book.get_matches(Stat(sort_type=1000, current=someone, container=nspi.TAGS["PidTagAddressBookManager"]),
                                      10, columns=["PidTagDisplayName"])
    assert [row[NAME] for row in rows] == ["Alice Adams"]


def test_explicit_tables(book):
    a, b = mid(book, ALICE), mid(book, "bob@example.test")
    _, rows = book.query_rows(Stat(), 10, ["PidTagDisplayName"], table=[b, 0x7FFF, a])
    assert rows[0][NAME] == "Bob Brown" and rows[2][NAME] == "Alice Adams"
    assert rows[1][NAME].code == nspi.NOT_FOUND
    stat, order = book.resort_restriction(Stat(current=b), [b, 0x7FFF, a])
    assert order == [a, b] and stat.position == 1 and stat.total == 2
    assert book.compare_mids(Stat(), a, b) < 0 < book.compare_mids(Stat(), b, a)
    assert book.compare_mids(Stat(), a, a) == 0


def test_properties_of_one(book):
    alice = mid(book, ALICE)
    listed = book.get_prop_list(alice)
    assert NAME & ~0xFFFF | 0x1E in listed  # as 8-bit strings
    code, code_page, values = book.get_props(Stat(current=alice))
    assert code == nspi.OK and code_page == 1252
    assert [tag for tag, _ in values] == [tag for tag in listed if tag & 0xFFFF != 0x0D]
    code, _, values = book.get_props(Stat(current=alice), ["PidTagDisplayName", "PidTagMobileTelephoneNumber",
                                                           "PidTagAddressBookProxyAddresses"])
    assert code == nspi.ERRORS_RETURNED
    assert values[0] == (NAME, "Alice Adams")
    assert values[1][0] & 0xFFFF == 0x0A and values[1][1].code == nspi.NOT_FOUND
    assert values[2][1] == ["SMTP:alice@example.test", "smtp:alice.adams@example.test"]


def test_names_become_ids_that_stay(book, endpoint, certificates):
    _, rows = book.query_rows(Stat(), 1, ["PidTagEmailAddress"], table=[mid(book, ALICE)])
    dn = rows[0][nspi.TAGS["PidTagEmailAddress"]]
    found = book.dn_to_mid([dn.upper(), "/o=nobody"])
    assert found == [mid(book, ALICE), 0]
    with nspi.Session(endpoint.https_port, certificates.ca, ALICE, PASSWORD) as other:
        assert other.dn_to_mid([dn]) == found[:1]


def test_columns_and_templates(book):
    columns = book.query_columns()
    assert NAME in columns and NAME & ~0xFFFF | 0x1E in book.query_columns(0)
    (tag, template), = book.get_template_info()
    assert tag == 0x00010102 and template[:4] == struct.pack("<I", 1)
    refused(lambda: book.get_template_info(code_page=1200), nspi.INVALID_CODEPAGE)


def test_nothing_can_be_changed(book):
    alice = mid(book, ALICE)
    refused(lambda: book.mod_props(Stat(current=alice), ["PidTagTitle"]), nspi.ACCESS_DENIED)
    refused(lambda: book.mod_props(Stat(current=alice), None), nspi.INVALID_PARAMETER)
    refused(lambda: book.mod_link_att(mid(book, "everybody@example.test"), "PidTagAddressBookMember", [b"\0" * 32]),
            nspi.ACCESS_DENIED)


def test_urls_lead_to_the_server_that_was_asked(book):
    url = book.url("GetMailboxUrl", "/o=x/cn=server")
    assert url == f"https://localhost:{book.client.port}/mapi/emsmdb/?MailboxId={ALICE}"
    assert book.url("GetAddressBookUrl", "/o=x/cn=alice").startswith(f"https://localhost:{book.client.port}/mapi/nspi/")


def test_a_body_that_is_none_is_refused_and_the_session_lives(book):
    with pytest.raises(ProtocolError) as problem:
        book.client.raw("QueryRows", b"\1\2\3").check()
    assert problem.value.code == 12
    assert book.resolve_names(["alice"], ["PidTagDisplayName"])[0] == [nspi.RESOLVED]


def test_a_changed_file_is_taken_over(make_gateway, certificates, dovecot, tmp_path):
    file = people.write(tmp_path / "people.toml", "example.test", USERS)
    server = make_gateway(dovecot.tls_port, people=file)
    with nspi.Session(server.https_port, certificates.ca, ALICE, PASSWORD) as book:
        before = mid(book, ALICE)
        file.write_text(people.toml("example.test", USERS + [("zed", "Zed Zimmer")]), encoding="utf-8")
        wait_until(lambda: book.resolve_names(["zed"])[0] == [nspi.RESOLVED], "the new entry is found", 20)
        assert mid(book, ALICE) == before


def test_the_client_lists_and_resolves(endpoint):
    entries = json.loads(endpoint.client("--json", "gal").stdout)
    assert len(entries) == LISTED
    assert {"Alice Adams", "Team Sales", "Großer Saal"} <= {entry["name"] for entry in entries}
    assert len(json.loads(endpoint.client("--json", "gal", "--limit", "60").stdout)) == 60
    rooms = json.loads(endpoint.client("--json", "gal", "--container", "all rooms").stdout)
    assert [room["address"] for room in rooms] == ["saal@example.test", "amsterdam@example.test", "berlin@example.test"]
    assert "  North\n" in endpoint.client("gal", "--containers").stdout
    found = json.loads(endpoint.client("--json", "resolve", "bob brown", "fischer", "nobody").stdout)
    assert [one["outcome"] for one in found] == ["resolved", "ambiguous", "unresolved"]
    assert found[0]["entries"][0]["address"] == "bob@example.test"
    assert len(found[1]["entries"]) == len(people.FIRST) and found[2]["entries"] == []
    assert "bob brown: resolved\n  Bob Brown <bob@example.test>\n" in endpoint.client("resolve", "bob brown").stdout
