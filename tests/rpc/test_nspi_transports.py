"""Every operation of the address book over MAPI/HTTP, RPC over HTTP and RPC over TCP: one engine, one answer."""
import contextlib
import dataclasses
import struct

import pytest
from impacket.dcerpc.v5.nspi import MSRPC_UUID_NSPI
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY

import emsmdb
from conftest import ALICE, PASSWORD, start_gateway
from harness import nspi, nspi_ndr, people, rpch
from harness.nspi import NspiError, Stat, tag_of
from harness.properties import PropertyError

pytestmark = pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")

USERS = [("alice", "Alice Adams"), ("bob", "Bob Brown")]
LISTED = len(people.people("example.test", USERS)) + 4 + 3 + 1 + 1
NAME, DN, ENTRY_ID, MID = (tag_of(name) for name in ("PidTagDisplayName", "PidTagEmailAddress", "PidTagEntryId", "PidTagAddressBookContainerId"))
NAME8 = 0x3001001E
COLUMNS = [NAME, NAME8, "PidTagSmtpAddress", DN, "PidTagTitle", "PidTagObjectType", "PidTagDisplayType", ENTRY_ID, MID,
           "PidTagAddressBookProxyAddresses", "PidTagInstanceKey", "PidTagMobileTelephoneNumber"]
SKIP_OBJECTS, UNICODE_STRINGS, ADDRESS_CREATION = 1, 4, 2


# What of [MS-OXCDATA] 2.12 a search may ask, in the bytes of MAPI/HTTP; nspi_ndr.restriction_parts() is the other form.
def for_http(one):
    def tagged(tag, value):
        data = value.encode("utf-16-le") + b"\0\0" if tag & 0xFFFF == 0x1F else struct.pack("<i", value)
        return b"\xff" + struct.pack("<I", tag) + (b"\xff" if tag & 0xFFFF == 0x1F else b"") + data
    kind = one[0]
    if kind in ("and", "or"):
        return struct.pack("<BI", kind == "or", len(one[1])) + b"".join(map(for_http, one[1]))
    if kind == "not":
        return b"\2" + for_http(one[1])
    if kind == "content":
        return struct.pack("<BII", 3, one[1], tag_of(one[2])) + tagged(tag_of(one[2]), one[3])
    if kind == "property":
        return struct.pack("<BBI", 4, one[1], tag_of(one[2])) + tagged(tag_of(one[2]), one[3])
    if kind == "bits":
        return struct.pack("<BBII", 6, one[1], tag_of(one[2]), one[3])
    return struct.pack("<BI", 8, tag_of(one[1]))


class HttpSession(nspi.Session):
    def get_matches(self, stat, count, restriction=None, columns=None):
        return super().get_matches(stat, count, None if restriction is None else for_http(restriction), columns)


@pytest.fixture(scope="module")
def server(certificates, dovecot):
    with start_gateway(certificates, dovecot, name="nspi-transports") as gateway:
        yield gateway
        gateway.check_log()


@contextlib.contextmanager
def opened(transport, server, certificates):
    if transport == "mapi_http":
        with HttpSession(server.https_port, certificates.ca, ALICE, PASSWORD) as book:
            yield book
    elif transport == "rpc_http":
        link = rpch.VirtualConnection(server.https_port, rpch.Basic(ALICE, PASSWORD), target=6004)
        dce = rpch.transport(link).get_dce_rpc()
        dce.connect()
        dce.bind(MSRPC_UUID_NSPI)
        with nspi_ndr.Session(dce) as book:
            yield book
    else:
        with nspi_ndr.Session(emsmdb.connect(server.rpc["nspi_port"], MSRPC_UUID_NSPI, user=ALICE, password=PASSWORD,
                                             level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)) as book:
            yield book


def plain(answer):
    """Without what the transports write in ways of their own: rows of MAPI/HTTP keep the column's tag where there is no value, DCE/RPC
    gives it the type of an error."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, PropertyError):
        return dataclasses.astuple(answer)
    if isinstance(answer, PropertyError):
        return "error", answer.code
    if isinstance(answer, dict):
        return plain(list(answer.items()))
    if isinstance(answer, (list, tuple)):
        if len(answer) == 2 and isinstance(answer[1], PropertyError):
            return answer[0] & 0xFFFF0000 | 0x0A, plain(answer[1])
        return [plain(one) for one in answer]
    return bytes(answer) if isinstance(answer, (bytes, bytearray, memoryview)) else answer


def mid_of(book, name):
    return book.seek_entries(Stat(), name)[0].current


def bind(book):
    return book.guid


def update_stat(book):
    return [book.update_stat(Stat(current=nspi.END, delta=-3)), book.update_stat(Stat(current=1, position=1, total=2)),
            book.update_stat(Stat(current=mid_of(book, "Bob Brown"), delta=2), delta=False)]


def query_rows(book):
    first, rows = book.query_rows(Stat(), 7, COLUMNS)
    second, more = book.query_rows(first, LISTED, [NAME])
    assert len(rows) == 7 and len(rows) + len(more) == LISTED and second.current == nspi.END
    known = [mid_of(book, "Bob Brown"), 0x7FFFFFF0, mid_of(book, "Team Support")]
    return first, rows, second, more, book.query_rows(Stat(), 5, [NAME, "PidTagSmtpAddress"], known), book.query_rows(Stat(), 3)


def seek_entries(book):
    stat, rows = book.seek_entries(Stat(), "zoltán", [NAME, MID])
    assert rows[0][NAME] == "Zoltán External" and stat.total == LISTED  # row N1
    table = [mid_of(book, "Alice Adams"), mid_of(book, "Bob Brown")]
    return stat, rows, book.seek_entries(Stat(), "B", [NAME], table), book.seek_entries(Stat(), "Team")


RESTRICTIONS = {
    "anr": ("property", 4, "PidTagAnr", "bob"),
    "prefix": ("content", 0x10002, NAME, "anna"),
    "part": ("content", 0x10001, NAME, "groß"),
    "and": ("and", [("property", 4, "PidTagDepartmentName", "Support"), ("not", ("content", 0x10001, NAME, "a"))]),
    "or": ("or", [("property", 4, "PidTagDisplayType", 1), ("property", 4, NAME, "Projector")]),
    "exist": ("and", [("exist", "PidTagTitle"), ("content", 0x10002, NAME, "c")]),
    "bits": ("bits", 1, "PidTagDisplayType", 1),
    "nobody": ("property", 4, NAME, "nobody"),
    "nested": ("not", ("not", ("or", [("and", [("property", 4, NAME, "Bob Brown")]), ("property", 4, "PidTagSmtpAddress", "alice@example.test")]))),
}


def get_matches(book):
    found = {name: book.get_matches(Stat(), 500, one, [NAME, MID]) for name, one in RESTRICTIONS.items()}
    names = {name: sorted(row[NAME] for row in rows or []) for name, (_, _, rows) in found.items()}
    assert names["anr"] == ["Bob Brown"] and names["nested"] == ["Alice Adams", "Bob Brown"] and not names["nobody"]
    assert names["or"] == ["Everybody", "Projector", "Team Entwicklung", "Team Sales", "Team Support"]
    assert names["and"] and names["prefix"] and names["part"] and names["bits"] and names["exist"]
    (group,) = book.get_matches(Stat(), 10, ("property", 4, NAME, "Everybody"))[1]
    members = book.get_matches(Stat(container=tag_of("PidTagAddressBookMember"), current=group), 100, None, [NAME])
    assert sorted(row[NAME] for row in members[2]) == ["Team Entwicklung", "Team Sales", "Team Support"]
    return list(found.items()), members


def resort_restriction(book):
    names = ["Projector", "Alice Adams", "Zoltán External", "Bob Brown"]
    table = [mid_of(book, name) for name in names]
    stat, sorted_ = book.resort_restriction(Stat(current=table[0]), [*table, 0x7FFFFFF0])
    assert sorted_ == [table[1], table[3], table[0], table[2]] and stat.position == 2
    return stat, sorted_


def dn_to_mid(book):
    rows = book.query_rows(Stat(), 3, [DN, MID])[1]
    found = book.dn_to_mid([row[DN] for row in rows] + ["/o=nowhere", "", rows[0][DN].upper()])
    assert found == [row[MID] for row in rows] + [0, 0, rows[0][MID]]
    return found


def get_prop_list(book):
    bob = mid_of(book, "Bob Brown")
    return book.get_prop_list(bob), book.get_prop_list(bob, SKIP_OBJECTS)


def get_props(book):
    bob = mid_of(book, "Bob Brown")
    code, _, values = book.get_props(Stat(current=bob), COLUMNS, SKIP_OBJECTS)
    assert code == nspi.ERRORS_RETURNED and dict(values)[NAME] == dict(values)[NAME8] == "Bob Brown"
    # All of them, in either kind of text.
    return code, values, [book.get_props(Stat(current=bob, code_page=page), None, SKIP_OBJECTS)[::2] for page in (1252, 1200)]


def compare_mids(book):
    a, b = mid_of(book, "Alice Adams"), mid_of(book, "Bob Brown")
    found = [book.compare_mids(Stat(), *pair) for pair in ((a, b), (b, a), (a, a), (nspi.END, a), (0, a))]
    assert [(one > 0) - (one < 0) for one in found[:3]] == [-1, 1, 0]
    return found


def mod_props(book):
    book.mod_props(Stat(current=mid_of(book, "Bob Brown")), ["PidTagTitle"])


def mod_link_att(book):
    bob = mid_of(book, "Bob Brown")
    book.mod_link_att(bob, 0x8015000D, [book.query_rows(Stat(), 1, [ENTRY_ID], [bob])[1][0][ENTRY_ID]])


def get_special_table(book):
    _, version, rows = book.get_special_table(Stat(), UNICODE_STRINGS)
    assert {"Global Address List", "All Rooms", "Sales", "North"} <= {row.get(NAME, "") or "Global Address List" for row in rows}
    assert max(row[tag_of("PidTagDepth")] for row in rows) >= 1
    return (version, rows, book.get_special_table(Stat())[1:], book.get_special_table(Stat(), UNICODE_STRINGS, version)[1:],
            book.get_special_table(Stat(), 0)[1:], book.get_special_table(Stat(), ADDRESS_CREATION)[2])


def get_template_info(book):
    found = [book.get_template_info(kind) for kind in (0, 1, 6)]
    assert all(found)
    return found


def query_columns(book):
    found = [book.query_columns(flags) for flags in (0, 0x80000000)]
    assert NAME8 in found[0] and NAME in found[1]
    return found


def resolve_names(book):
    names = ["bob brown", "fischer", "nobody at all", "alice@example.test", "großer saal", "", "SMTP:bob@example.test"]
    outcomes, rows = book.resolve_names(names, COLUMNS)
    assert outcomes == [2, 1, 0, 2, 2, 0, 2]  # row N2
    return outcomes, rows, book.resolve_names(names, None, Stat(sort_locale=0x407))


def unknown_container(book):
    book.query_rows(Stat(container=0x7777), 5, [NAME])


def gone_row(book):
    book.update_stat(Stat(current=0x7FFFFFF0))


def wide_code_page(book):
    book.query_rows(Stat(code_page=1200), 5, [NAME])


def list_in_wide_code_page(book):
    book.get_prop_list(mid_of(book, "Bob Brown"), 0, 1200)


def unknown_code_page(book):
    book.get_special_table(Stat(code_page=9), 0)


def no_rows(book):
    book.query_rows(Stat(), 0, [NAME])


def other_order(book):
    book.seek_entries(Stat(sort_type=3), "bob", [NAME])


def hostile_depth(book):
    one = ("exist", NAME)
    for _ in range(60):
        one = ("not", one)
    book.get_matches(Stat(), 10, one, [NAME])


def unknown_link(book):
    book.mod_link_att(mid_of(book, "Alice Adams"), 0x3001000D, [b"\0" * 40])


OPERATIONS = [bind, update_stat, query_rows, seek_entries, get_matches, resort_restriction, dn_to_mid, get_prop_list, get_props, compare_mids,
              mod_props, mod_link_att, get_special_table, get_template_info, query_columns, resolve_names]
REFUSED = {mod_props: nspi.ACCESS_DENIED, mod_link_att: nspi.ACCESS_DENIED, unknown_container: nspi.INVALID_BOOKMARK, gone_row: nspi.NOT_FOUND,
           wide_code_page: nspi.NOT_SUPPORTED, list_in_wide_code_page: nspi.NOT_SUPPORTED, no_rows: nspi.INVALID_PARAMETER, other_order: nspi.GENERAL_FAILURE, unknown_code_page: None,
           hostile_depth: None, unknown_link: nspi.NOT_FOUND}


@pytest.mark.parametrize("operation", [*OPERATIONS, *(one for one in REFUSED if one not in OPERATIONS)], ids=lambda one: one.__name__)
def test_all_transports_answer_the_same(server, certificates, operation):
    answers = {}
    for transport in ("mapi_http", "rpc_http", "rpc_tcp"):
        with opened(transport, server, certificates) as book:
            if operation not in REFUSED:
                answers[transport] = plain(operation(book))
                assert answers[transport]
                continue
            try:
                answers[transport] = plain(operation(book)), "not refused"
            except NspiError as problem:
                answers[transport] = problem.code
                assert REFUSED[operation] in (None, problem.code), transport
    assert answers["rpc_http"] == answers["rpc_tcp"]
    assert answers["mapi_http"] == answers["rpc_tcp"]


@pytest.mark.parametrize("transport", ["rpc_http", "rpc_tcp"])
def test_resolving_in_eight_bits(server, certificates, transport):
    """NspiResolveNames, which MAPI/HTTP does not have, in the code page of the STAT."""
    with opened(transport, server, certificates) as book:
        names = ["bob brown", "Großer Saal", "Zoltán", "nobody"]
        assert plain(book.resolve_names(names, COLUMNS, wide=False)) == plain(book.resolve_names(names, COLUMNS))


@pytest.mark.parametrize("transport", ["rpc_http", "rpc_tcp"])
def test_names_of_properties(server, certificates, transport):
    """[MS-NSPI] 3.1.4.16 and 3.1.4.17: no property of an address book has a name. MAPI/HTTP has no such requests."""
    with opened(transport, server, certificates) as book:
        assert book.get_names_from_ids([NAME, 0x80050001]) == ([0x3001000A, 0x8005000A], [None, None], nspi.ERRORS_RETURNED)
        assert book.get_names_from_ids(None, bytes(range(16))) == ([], [], nspi.OK)
        name = (bytes(range(16)), 0x8005)
        assert book.get_ids_from_names([name, name], 2) == ([0x0A, 0x0A], nspi.ERRORS_RETURNED)
        assert book.get_ids_from_names([]) == ([], nspi.OK)
        assert plain(resolve_names(book))  # and the session goes on


@pytest.mark.parametrize("transport", ["mapi_http", "rpc_http", "rpc_tcp"])
def test_unbind(server, certificates, transport):
    with opened(transport, server, certificates) as book:
        assert mid_of(book, "Bob Brown")
        assert book.unbind() == nspi.UNBIND_SUCCESS
