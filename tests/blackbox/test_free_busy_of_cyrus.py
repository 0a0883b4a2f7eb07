"""Free/busy times out of a real Cyrus: by CalDAV, and as it tells them to everybody."""
import json

import pytest

from conftest import ALICE, BOB, PASSWORD
from harness import cyrus
from harness.mapigate import Mapigate

pytestmark = pytest.mark.skipif(not cyrus.available() or not cyrus.has_calendars(), reason="no Cyrus with calendars here: packages cyrus-common, cyrus-caldav")


@pytest.fixture(scope="module")
def server(certificates):
    with cyrus.Cyrus(certificates, (ALICE, BOB), calendars=True) as one:
        for user in (ALICE, BOB):
            one.request("PROPFIND", one.home.format(user=user), user, Depth="1")  # makes the calendars that everybody has
        one.calendar(ALICE, "work",
                     ["DTSTART;TZID=Europe/Berlin:20240102T090000", "DTEND;TZID=Europe/Berlin:20240102T093000", "RRULE:FREQ=WEEKLY;BYDAY=TU", "SUMMARY:Standup"],
                     ["DTSTART:20240402T120000Z", "DTEND:20240402T130000Z", "SUMMARY:Perhaps", "STATUS:TENTATIVE"])
        one.calendar(ALICE, "Default", ["DTSTART:20240403T080000Z", "DTEND:20240403T090000Z", "SUMMARY:Doctor"])
        one.calendar(BOB, "Default", ["DTSTART:20240402T070000Z", "DTEND:20240402T150000Z", "SUMMARY:Workshop"])
        yield one


def gateway(certificates, server, **settings):
    return Mapigate.gateway(certificates, server.tls_port, freebusy={"remember": "0ms", "time_zone": "Europe/Berlin", **settings}, name="cyrus-freebusy")


def busy(gateway, address, user=ALICE):
    done = gateway.client("--json", "freebusy", address, "2024-04-02", "2024-04-04", user=user)
    return [(one["start"][5:16], one["end"][11:16], one["type"], one.get("subject")) for one in json.loads(done.stdout)["events"]]


def test_the_own_calendars(certificates, server):
    with gateway(certificates, server, url=server.url() + server.home.format(user="%u")) as one:
        # In Berlin the clock has changed since the first stand-up.
        assert busy(one, ALICE) == [("04-02T07:00", "07:30", "busy", "Standup"), ("04-02T12:00", "13:00", "tentative", "Perhaps"),
                                    ("04-03T08:00", "09:00", "busy", "Doctor")]


def test_a_fixed_user_asks_for_times_alone(certificates, server):
    """RFC 4791 7.10, free-busy-query."""
    fixed = {"url": server.url() + server.home.format(user="%u"), "credentials": "fixed", "user": ALICE, "password": PASSWORD}
    with gateway(certificates, server, **fixed) as one:
        assert busy(one, ALICE, BOB) == [("04-02T07:00", "07:30", "busy", None), ("04-02T12:00", "13:00", "tentative", None),
                                         ("04-03T08:00", "09:00", "busy", None)]


def test_what_everybody_is_told(certificates, server):
    public = {"url": server.url() + "/freebusy/user/%u/?start=%s&end=%e", "source": "url", "credentials": "none"}
    with gateway(certificates, server, **public) as one:
        assert busy(one, BOB) == [("04-02T07:00", "15:00", "busy", None)]
        assert [event[0] for event in busy(one, ALICE, BOB)] == ["04-02T07:00", "04-02T12:00", "04-03T08:00"]
