"""Every operation of the address book over DCE/RPC, by impacket, on a company of the harness."""
import pytest
from impacket.dcerpc.v5 import nspi
from impacket.dcerpc.v5.dtypes import DWORD, NULL
from impacket.dcerpc.v5.ndr import NDRCALL
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException

import emsmdb
from conftest import ALICE, PASSWORD, start_gateway
from harness import people

NAME, NAME8, SMTP, DN, TITLE, ENTRY_ID = 0x3001001F, 0x3001001E, 0x39FE001F, 0x3003001F, 0x3A17001F, 0x0FFF0102
ERRORS_RETURNED, NOT_FOUND, ACCESS_DENIED = 0x00040380, 0x8004010F, 0x80070005
USERS = [("alice", "Alice Adams"), ("bob", "Bob Brown")]
LISTED = len(people.people("example.test", USERS)) + 4 + 3 + 1 + 1


@pytest.fixture(scope="module")
def server(certificates, dovecot):
    with start_gateway(certificates, dovecot, name="nspi") as gateway:
        yield gateway
        gateway.check_log()


@pytest.fixture
def book(server):
    dce = emsmdb.connect(server.rpc["nspi_port"], nspi.MSRPC_UUID_NSPI, user=ALICE, password=PASSWORD,
                         level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    handle = nspi.hNspiBind(dce)["contextHandle"]
    yield dce, handle
    nspi.hNspiUnbind(dce, handle)
    dce.disconnect()


class NspiSeekEntries(NDRCALL):
    """impacket's own leaves out the pointers to the two arrays, and puts their contents in place."""
    opnum = 4
    structure = (("hRpc", nspi.handle_t), ("Reserved", DWORD), ("pStat", nspi.STAT), ("pTarget", nspi.PropertyValue_r),
                 ("lpETable", nspi.PPropertyTagArray_r), ("pPropTags", nspi.PPropertyTagArray_r))


NspiSeekEntriesResponse = nspi.NspiSeekEntriesResponse


class NspiGetProps(NDRCALL):
    """impacket's own has pStat behind a pointer."""
    opnum = 9
    structure = (("hRpc", nspi.handle_t), ("dwFlags", DWORD), ("pStat", nspi.STAT), ("pPropTags", nspi.PPropertyTagArray_r))


NspiGetPropsResponse = nspi.NspiGetPropsResponse


def seek(book, name):
    request = NspiSeekEntries()
    request["hRpc"] = book[1]
    request["pStat"] = stat()
    request["pTarget"]["ulPropTag"] = NAME
    request["pTarget"]["Value"]["tag"] = 0x1F
    request["pTarget"]["Value"]["lpszW"] = name + "\0"
    request.fields["lpETable"] = NULL
    request.fields["pPropTags"] = NULL
    return book[0].request(request)


def send(dce, request):
    return dce.request(request, checkError=False)


def rows(answer):
    return [nspi.simplifyPropertyRow(row) for row in answer["ppRows"]["aRow"]]


def stat(**fields):
    out = nspi.STAT()
    for name, value in {"CodePage": 1252, "TemplateLocale": 0x409, "SortLocale": 0x409, **fields}.items():
        out[name] = value
    return out


def mid(book, name):
    answer = seek(book, name)
    return answer["pStat"]["CurrentRec"]


def query(book, place, count, tags, table=()):
    return nspi.hNspiQueryRows(*book, dwFlags=0, pStat=place, Count=count, pPropTags=tags, lpETable=list(table))


def test_query_rows_to_the_end(book):
    place, names = stat(), []
    while place["CurrentRec"] != 2:
        answer = query(book, place, 60, [NAME])
        names += [row[NAME] for row in rows(answer)]
        place = answer["pStat"]
        assert place["TotalRecs"] == LISTED
    assert len(names) == LISTED and names.index("Alice Adams") < names.index("Zoltán External")
    assert place["NumPos"] == LISTED


def test_update_stat(book):
    answer = nspi.hNspiUpdateStat(*book, stat(CurrentRec=2, Delta=-1), 0)
    assert answer["ErrorCode"] == 0
    assert answer["pStat"]["NumPos"] == LISTED - 1 and answer["plDelta"] == -1
    answer = nspi.hNspiUpdateStat(*book, stat(CurrentRec=1, NumPos=1, TotalRecs=2))
    assert answer["pStat"]["NumPos"] == LISTED // 2
    assert nspi.hNspiUpdateStat(*book, stat(ContainerID=0x7777))["ErrorCode"] & 0xFFFFFFFF == 0x80040405


def test_seek_entries_gives_rows_and_place(book):
    answer = seek(book, "team")
    assert answer["ErrorCode"] == 0 and answer["pStat"]["TotalRecs"] == LISTED
    found = rows(query(book, answer["pStat"], 1, [NAME]))
    assert found[0][NAME] == "Team Entwicklung"


def test_properties_in_both_kinds_of_text(book):
    someone = mid(book, "Bob Brown")
    request = NspiGetProps()
    request["hRpc"] = book[1]
    request["dwFlags"] = 0
    request["pStat"] = stat(CurrentRec=someone)
    for tag in (NAME, NAME8, SMTP, 0x3A1C001F):
        one = DWORD()
        one["Data"] = tag
        request["pPropTags"]["aulPropTag"].append(one)
    request["pPropTags"]["cValues"] = 4
    request.fields["pPropTags"].fields["Data"].fields["aulPropTag"].fields["MaximumCount"] = 5
    answer = send(book[0], request)
    assert answer["ErrorCode"] == ERRORS_RETURNED
    values = nspi.simplifyPropertyRow(answer["ppRows"])
    assert values[NAME] == values[NAME8] == "Bob Brown" and values[SMTP] == "bob@example.test"
    assert 0x3A1C000A in values


def test_property_lists_and_columns(book):
    listed = [int(tag["Data"]) for tag in nspi.hNspiGetPropList(*book, dwMId=mid(book, "Bob Brown"), CodePage=1252)["ppOutMIds"]["aulPropTag"]]
    assert NAME8 in listed and 0x0FFF0102 in listed
    columns = [int(tag["Data"]) for tag in nspi.hNspiQueryColumns(*book)["ppColumns"]["aulPropTag"]]
    assert NAME in columns
    columns = [int(tag["Data"]) for tag in nspi.hNspiQueryColumns(*book, dwFlags=0)["ppColumns"]["aulPropTag"]]
    assert NAME8 in columns and NAME not in columns


@pytest.mark.parametrize("resolve", [nspi.hNspiResolveNames, nspi.hNspiResolveNamesW])
def test_resolving_names(book, resolve):
    answer = resolve(*book, pPropTags=[NAME, SMTP, ENTRY_ID], paStr=["bob brown", "fischer", "nobody at all", "alice@example.test"])
    assert [int(one["Data"]) for one in answer["ppMIds"]["aulPropTag"]] == [2, 1, 0, 2]
    found = rows(answer)
    assert [row[NAME] for row in found] == ["Bob Brown", "Alice Adams"]
    assert isinstance(found[0][ENTRY_ID], nspi.PermanentEntryID)  # row N3


def test_names_beyond_ascii_in_a_code_page(book):
    request = nspi.NspiResolveNames()
    request["hRpc"] = book[1]
    request["pStat"] = stat(CodePage=1252)
    request.fields["pPropTags"] = NULL
    name = nspi.LPSTR()
    name["Data"] = "Großer Saal\0".encode("cp1252")
    request["paStr"]["Strings"].append(name)
    request["paStr"]["Count"] = 1
    answer = send(book[0], request)
    assert [int(one["Data"]) for one in answer["ppMIds"]["aulPropTag"]] == [2]


def test_dn_to_mid_and_compare(book):
    a, b = mid(book, "Alice Adams"), mid(book, "Bob Brown")
    dns = [row[DN] for row in rows(query(book, stat(), 2, [DN], [a, b]))]
    answer = nspi.hNspiDNToMId(*book, pNames=[*dns, "/o=nowhere"])
    assert [int(one["Data"]) for one in answer["ppOutMIds"]["aulPropTag"]] == [a, b, 0]
    for first, second, sign in ((a, b, -1), (b, a, 1), (a, a, 0)):
        request = nspi.NspiCompareMIds()
        request["hRpc"], request["pStat"], request["MId1"], request["MId2"] = book[1], stat(), first, second
        answer = send(book[0], request)
        result = answer["plResult"] if answer["plResult"] < 1 << 31 else answer["plResult"] - (1 << 32)
        assert answer["ErrorCode"] == 0 and (result > 0) - (result < 0) == sign


def test_hierarchy_and_dialogs(book):
    answer = nspi.hNspiGetSpecialTable(*book)
    assert {"Global Address List", "All Rooms", "North"} <= {row[NAME] for row in rows(answer)}
    answer = nspi.hNspiGetTemplateInfo(*book, ulType=0, dwCodePage=1252, dwLocaleID=0x409, dwFlags=1)
    assert answer["ErrorCode"] == 0 and list(nspi.simplifyPropertyRow(answer["ppData"]))
    answer = nspi.hNspiGetTemplateInfo(*book, ulType=0, dwCodePage=1252, dwLocaleID=0x407, dwFlags=4)
    assert list(nspi.simplifyPropertyRow(answer["ppData"])) == [0x00040102]
    answer = nspi.hNspiGetSpecialTable(*book, pStat=stat(), dwFlags=2)
    made, = rows(answer)
    assert (made[0x3002001E], made[0x39000003], made[0x3609000B]) == ("SMTP", 6, 1)


def test_names_of_properties(book):
    """By impacket; test_nspi_transports has the other direction."""
    with pytest.raises(nspi.DCERPCSessionError) as told:  # it takes the warning for a failure
        nspi.hNspiGetNamesFromIDs(*book, lpguid=NULL, pPropTags=[NAME, 0x80050001])
    answer = told.value.get_packet()
    assert answer["ErrorCode"] == ERRORS_RETURNED
    assert [int(tag["Data"]) for tag in answer["ppReturnedPropTags"]["aulPropTag"]] == [0x3001000A, 0x8005000A]


@pytest.mark.parametrize("opnum", [15, 21])
def test_methods_that_are_not_on_the_wire(book, opnum):
    """[MS-OXNSPI] 3.1.4.1."""
    book[0].call(opnum, bytes(20))
    with pytest.raises(DCERPCException) as problem:
        book[0].recv()
    assert "nca_s_op_rng_error" in str(problem.value)


def test_links_are_not_for_everybody_to_change(book):
    a = mid(book, "Alice Adams")
    row, = rows(query(book, stat(), 1, [ENTRY_ID], [mid(book, "Bob Brown")]))
    request = nspi.NspiModLinkAtt()
    request["hRpc"], request["dwFlags"], request["ulPropTag"], request["dwMId"] = book[1], 0, 0x8015000D, mid(book, "Bob Brown")
    value = nspi.Binary_r()
    value["lpb"] = row[ENTRY_ID].getData()
    value["cValues"] = len(value["lpb"])
    request["lpEntryIds"]["lpbin"].append(value)
    request["lpEntryIds"]["cValues"] = 1
    assert send(book[0], request)["ErrorCode"] & 0xFFFFFFFF == ACCESS_DENIED  # another's delegates
    request["dwMId"] = a
    assert send(book[0], request)["ErrorCode"] & 0xFFFFFFFF == ACCESS_DENIED  # a file cannot be changed
    request["ulPropTag"] = 0x3001000D
    assert send(book[0], request)["ErrorCode"] & 0xFFFFFFFF == NOT_FOUND
