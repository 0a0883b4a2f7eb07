"""Exchange Web Services as classic Outlook and exchangelib, an independent client, ask them (rows A5)."""
import base64
import contextlib
import datetime
import email
import email.policy
import json
import ssl
import struct
import time
import urllib.error
import urllib.request
import warnings
import xml.etree.ElementTree as xml

import pytest

from harness import managesieve, people, postfix, radicale, rops
from harness.dovecot import Dovecot
from harness.managesieve import ManageSieve
from harness.mapigate import Mapigate
from harness.mapihttp import Session
from harness.postfix import Postfix
from harness.processes import HarnessError, free_port, private_dir, wait_until
from harness.properties import tag_of
from harness.radicale import Radicale

ALICE, BOB, CAROL, PASSWORD = "alice@example.test", "bob@example.test", "carol@example.test", "secret"
USERS = [("alice", "Alice Adams"), ("bob", "Bob Brown"), ("carol", "Carol Clark")]
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
E = "{http://schemas.microsoft.com/exchange/services/2006/errors}"

pytestmark = [pytest.mark.skipif(not managesieve.available() or not radicale.available(), reason="no ManageSieve or no Radicale here"),
              pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    exchangelib = pytest.importorskip("exchangelib")
    import requests.adapters
    from exchangelib.protocol import BaseProtocol


PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256))


class Site:
    """Mail with Sieve, calendars, and a gateway before them."""

    def __init__(self, certificates, stack):
        self.certificates = certificates
        self.sieve_port, self.lmtp_port, self.local_port = free_port(), free_port(), free_port()
        self.sends = postfix.available()
        extra = (postfix.mail_services(self.lmtp_port) if self.sends else "") + managesieve.services(
            self.sieve_port, "imap lmtp sieve" if self.sends else "imap sieve", self.local_port if self.sends else None)
        extra += "auth_master_user_separator = *\npassdb {\ndriver = passwd-file\nargs = %s/masters\nmaster = yes\n}\n"
        folder = private_dir("dovecot")
        (folder / "masters").write_text("gateway:{PLAIN}master-secret\n")
        (folder / "masters").chmod(0o644)
        self.dovecot = stack.enter_context(Dovecot(certificates, users=(ALICE, BOB, CAROL), folder=folder, extra=extra % folder))
        if self.sends:
            self.postfix = stack.enter_context(Postfix(certificates, self.dovecot, self.lmtp_port, [ALICE, BOB, CAROL],
                                                       local_port=self.local_port))
        self.radicale = stack.enter_context(Radicale(users=(ALICE, BOB, CAROL, "service"), rights="authenticated"))
        book = people.write(private_dir("people") / "people.toml", "example.test", USERS)
        with book.open("a", encoding="utf-8") as file:
            file.write('[[entry]]\nkind = "group"\nname = "Rooms in the house"\naddress = "rooms@example.test"\nmail_tip = "Ask <Carol> & wait"\n'
                       'members = ["amsterdam@example.test", "berlin@example.test"]\n'
                       '[[entry]]\nname = "Branch Desk"\naddress = "desk@branch.test"\n'
                       '[[entry]]\nkind = "contact"\nname = "Partner"\naddress = "partner@branch.test"\n'
                       '[[entry]]\nkind = "contact"\nname = "Client"\naddress = "client@far.test"\n'
                       '[[entry]]\nkind = "group"\nname = "Partners"\naddress = "partners@example.test"\n'
                       'members = ["partner@branch.test", "client@far.test", "circle@example.test"]\n'
                       '[[entry]]\nkind = "group"\nname = "Circle"\naddress = "circle@example.test"\n'
                       'members = ["partners@example.test", "bob@example.test"]\n'
                       '[[entry]]\nname = "Petra Portrait"\naddress = "petra+face@example.test"\nphoto = "petra.jpg"\n')
        book.with_name("petra.jpg").write_bytes(PHOTO)
        self.gateway = stack.enter_context(Mapigate.gateway(
            certificates, self.dovecot.tls_port, smtp_port=self.postfix.port if self.sends else None, people=book,
            sieve={"port": self.sieve_port, "tls": "starttls", "master_user": "gateway", "master_password": "master-secret"},
            freebusy={"url": self.radicale.url() + "/%u/", "credentials": "fixed", "user": "service", "password": PASSWORD,
                      "time_zone": "Europe/Berlin", "work_start": "09:00", "work_end": "17:30", "remember": "0ms"},
            name="gateway"))

    def post(self, body, user=ALICE, password=PASSWORD, path="/EWS/Exchange.asmx", method="POST"):
        """(status, body, headers)"""
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(self.gateway.url() + path, method=method, data=body.encode() if body is not None else None,
                                         headers={"Content-Type": "text/xml; charset=utf-8", "Authorization": f"Basic {secret}"})
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.certificates.ca))), NoRedirect)
        try:
            with opener.open(request, timeout=60) as reply:
                return reply.status, reply.read().decode(), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def soap(self, content, user=ALICE):
        """The element within the body of the response; its status must be 200."""
        status, body, headers = self.post(envelope(content), user)
        assert status == 200, body
        assert headers["Content-Type"].startswith("text/xml")
        root = xml.fromstring(body)
        version = root.find(f".//{T}ServerVersionInfo")
        assert int(version.get("MajorVersion")) >= 15
        return root.find("{http://schemas.xmlsoap.org/soap/envelope/}Body")[0]

    def account(self, user=ALICE):
        ca = str(self.certificates.ca)

        class Adapter(requests.adapters.HTTPAdapter):
            def cert_verify(self, conn, url, verify, cert):
                super().cert_verify(conn=conn, url=url, verify=ca, cert=cert)

        BaseProtocol.HTTP_ADAPTER_CLS = Adapter
        config = exchangelib.Configuration(
            service_endpoint=f"https://localhost:{self.gateway.https_port}/EWS/Exchange.asmx", auth_type=exchangelib.BASIC,
            credentials=exchangelib.Credentials(user, PASSWORD), version=exchangelib.Version(exchangelib.Build(15, 0, 847, 32)))
        return exchangelib.Account(primary_smtp_address=user, config=config, autodiscover=False, access_type=exchangelib.DELEGATE,
                                   default_timezone=exchangelib.EWSTimeZone("UTC"))

    def manage(self, user=ALICE):
        return ManageSieve(self.sieve_port, user)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def envelope(content):
    return ('<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
            f'xmlns:m="{M[1:-1]}" xmlns:t="{T[1:-1]}"><soap:Body>{content}</soap:Body></soap:Envelope>')


@pytest.fixture(scope="module")
def site(certificates):
    with contextlib.ExitStack() as stack:
        made = Site(certificates, stack)
        yield made
        assert made.gateway.alive()


# -- the protocol itself

@pytest.mark.parametrize("body", [
    envelope("<m:GetUnifiedGroupsSettings/>"), envelope('<m:GetAppMarketplaceUrl/>'), envelope("<Unknown/>"), envelope(""), "", "no XML",
    '<!DOCTYPE a [<!ENTITY b "c">]>' + envelope("<m:GetRoomLists>&b;</m:GetRoomLists>")[38:],
    envelope("<m:GetRooms>" + "<t:x>" * 100 + "</t:x>" * 100 + "</m:GetRooms>")])
def test_what_is_not_served_gets_a_soap_fault(site, body):
    """Row A5: HTTP 500 without a fault makes Outlook ask for the password, for ever."""
    status, answer, headers = site.post(body)
    assert status == 500 and headers["Content-Type"].startswith("text/xml")
    fault = xml.fromstring(answer).find(".//{http://schemas.xmlsoap.org/soap/envelope/}Fault")
    assert fault.findtext("faultcode") == "a:ErrorInvalidRequest"
    assert fault.find("detail").findtext(f"{E}ResponseCode") == "ErrorInvalidRequest"


def test_other_requests_are_answered_sensibly(site):
    status, _, headers = site.post(None, method="GET")
    assert (status, headers["Location"]) == (302, "/EWS/Services.wsdl")
    status, body, _ = site.post(None, path="/ews/services.wsdl", method="GET")
    assert status == 200
    operations = xml.fromstring(body).findall(".//{http://schemas.xmlsoap.org/wsdl/}portType/{http://schemas.xmlsoap.org/wsdl/}operation")
    assert {"GetUserAvailability", "GetUserOofSettings", "SetUserOofSettings", "ResolveNames"} <= {one.get("name") for one in operations}
    assert site.post("", path="/EWS/other", method="POST")[0] == 404
    assert site.post("", method="PUT")[0] == 405
    status, _, headers = site.post(envelope("<m:GetRoomLists/>"), password="wrong")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic")


def test_pictures_by_get(site):
    """As Outlook asks for them ([MS-OXWSPHOTO])."""
    def get(address, etag=None):
        secret = base64.b64encode(f"{ALICE}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{site.gateway.url()}/EWS/Exchange.asmx/s/GetUserPhoto?email={address}&size=HR96x96",
                                         headers={"Authorization": f"Basic {secret}", **({"If-None-Match": etag} if etag else {})})
        try:
            with urllib.request.urlopen(request, timeout=60, context=ssl.create_default_context(cafile=str(site.certificates.ca))) as reply:
                return reply.status, reply.read(), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers
    status, body, headers = get("petra%2Bface@example.test")
    assert (status, body, headers["Content-Type"]) == (200, PHOTO, "image/jpeg")
    assert get("petra%2bface%40example.test", headers["ETag"])[:2] == (304, b"")
    assert get(BOB)[0] == get("nobody@example.test")[0] == 404


def test_nobody_acts_as_somebody_else(site):
    body = envelope("<m:GetRoomLists/>")
    assert site.post(body)[0] == 200
    header = (f"<soap:Header><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress>"
              "</t:ConnectingSID></t:ExchangeImpersonation></soap:Header>")
    changed = body.replace("<soap:Body>", header + "<soap:Body>")
    status, answer, _ = site.post(changed)
    assert status == 500 and "ErrorImpersonateUserDenied" in answer


# -- out of office

def oof(state, **keywords):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    zone = exchangelib.EWSTimeZone("UTC")
    start = exchangelib.EWSDateTime.from_datetime(now - datetime.timedelta(hours=1)).astimezone(zone)
    return exchangelib.OofSettings(state=state, **{"external_audience": "All", "start": start, "end": start + datetime.timedelta(days=2),
                                                   "internal_reply": "inside", "external_reply": "outside", **keywords})


def test_out_of_office_is_told_even_when_it_was_never_set(site):
    answer = site.soap(f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{CAROL}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>", CAROL)
    assert answer.find(f"{M}ResponseMessage").get("ResponseClass") == "Success"
    settings = answer.find(f"{T}OofSettings")
    assert [child.tag for child in settings] == [T + name for name in (
        "OofState", "ExternalAudience", "Duration", "InternalReply", "ExternalReply")]
    assert settings.findtext(f"{T}OofState") == "Disabled"
    assert answer.findtext(f"{M}AllowExternalOof") == "All"


def test_out_of_office_reads_back_as_it_was_set(site):
    account = site.account()
    assert account.oof_settings.state == "Disabled"
    html = '<html><body><p>Bin "weg" &amp; käme <b>bald</b> ${wieder}.</p>\n.\n</body></html>'
    account.oof_settings = wanted = oof("Scheduled", external_audience="Known", internal_reply=html, external_reply="x\n.\ny")
    found = account.oof_settings
    assert (found.state, found.external_audience) == ("Scheduled", "Known")
    assert (found.start, found.end) == (wanted.start, wanted.end)
    assert (found.internal_reply, found.external_reply) == (html, "x\n.\ny")
    with site.manage() as sieve:
        assert sieve.active() == "mapigate"
    account.oof_settings = oof("Disabled")
    assert account.oof_settings.state == "Disabled"
    with site.manage() as sieve:
        assert sieve.active() is None


def test_the_users_own_script_stays_and_comes_back(site):
    own = 'require "fileinto";\r\nif header :contains "subject" "file me" { fileinto "Archive"; }\r\n'
    with site.manage(BOB) as sieve:
        sieve.put("mine", own, activate=True)
        account = site.account(BOB)
        account.oof_settings = oof("Enabled")
        assert sieve.active() == "mapigate"
        assert 'include :personal :optional "mine";' in sieve.get("mapigate")
        account.oof_settings = oof("Enabled", internal_reply="again")
        assert 'include :personal :optional "mine";' in sieve.get("mapigate")
        # Another program switches it off.
        sieve.command('SETACTIVE "mine"')
        assert account.oof_settings.state == "Disabled" and account.oof_settings.internal_reply == "again"
        account.oof_settings = oof("Enabled")
        account.oof_settings = oof("Disabled")
        assert sieve.active() == "mine" and sieve.get("mine") == own
        # A second vacation in one run would stop all filtering.
        sieve.put("mine", 'require "vacation";\r\nvacation "gone";\r\n')
        with pytest.raises(exchangelib.errors.ErrorInvalidUserOofSettings, match="mine"):
            account.oof_settings = oof("Enabled")
        assert sieve.active() == "mine"
        sieve.command('SETACTIVE ""')


def test_the_store_says_and_sets_whether_its_owner_is_away(site):
    """[MS-OXCSTOR] PidTagOutOfOfficeState on the logon object."""
    account = site.account(BOB)
    account.oof_settings = oof("Disabled", internal_reply="kept text")
    with Session.logged_on(site.gateway.https_port, site.certificates.ca, BOB, PASSWORD) as session:
        state = lambda: session.properties(session.logon_handle, ["PidTagOutOfOfficeState"])[tag_of("PidTagOutOfOfficeState")]
        assert state() is False
        session.call(rops.set_properties({"PidTagOutOfOfficeState": True}), session.logon_handle)
        assert state() is True
        def shown_at_logon():
            with Session.logged_on(site.gateway.https_port, site.certificates.ca, BOB, PASSWORD) as later:
                return bool(later.logon.response_flags & 0x10)
        assert shown_at_logon()
        found = site.account(BOB).oof_settings
        assert (found.state, found.internal_reply) == ("Enabled", "kept text")
        session.call(rops.set_properties({"PidTagOutOfOfficeState": False}), session.logon_handle)
        assert state() is False and site.account(BOB).oof_settings.state == "Disabled"
        assert not shown_at_logon()
        # Logons follow what Outlook sets by the web services, too.
        account.oof_settings = oof("Scheduled")  # since an hour ago
        assert state() is True and shown_at_logon()
        account.oof_settings = oof("Disabled")
        assert not shown_at_logon()


def test_out_of_office_of_others_is_theirs(site):
    for name, inner in (("Get", ""), ("Set", "<t:UserOofSettings><t:OofState>Enabled</t:OofState></t:UserOofSettings>")):
        answer = site.soap(f"<m:{name}UserOofSettingsRequest><t:Mailbox><t:Address>{BOB}</t:Address></t:Mailbox>{inner}</m:{name}UserOofSettingsRequest>")
        assert answer.find(f"{M}ResponseMessage").get("ResponseClass") == "Error"
        assert answer.find(f"{M}ResponseMessage").findtext(f"{M}ResponseCode") == "ErrorAccessDenied"
    answer = site.soap(f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>Scheduled"
                       "</t:OofState><t:ExternalAudience>All</t:ExternalAudience></t:UserOofSettings></m:SetUserOofSettingsRequest>")
    assert answer.find(f"{M}ResponseMessage").findtext(f"{M}ResponseCode") == "ErrorInvalidScheduledOofDuration"


def test_the_client_reads_and_sets_it(site):
    done = site.gateway.client("--json", "oof", "set", "--state", "scheduled", "--from", "2030-01-01", "--until", "2030-02-01", "--internal",
                               "On a ship", "--audience", "none", user=CAROL)
    assert json.loads(done.stdout) == {"state": "scheduled", "audience": "none", "start": "2030-01-01T00:00:00Z",
                                       "end": "2030-02-01T00:00:00Z", "internal": "On a ship", "external": ""}
    # However the mailbox itself is reached.
    for transport in ("mapihttp", "rpchttp", "rpctcp"):
        assert "On a ship" in site.gateway.client("--transport", transport, "oof", user=CAROL).stdout
    site.gateway.client("oof", "set", "--state", "disabled", user=CAROL)
    assert json.loads(site.gateway.client("--json", "oof", "get", user=CAROL).stdout)["state"] == "disabled"


def test_a_reply_is_really_sent(site):
    if not site.sends:
        pytest.skip("no Postfix: that needs root and its package")
    account = site.account(ALICE)
    account.oof_settings = oof("Scheduled", internal_reply="<p>I am at <b>sea</b>, Grüße</p>", external_reply="outside")
    try:
        site.gateway.client("send", "--to", ALICE, "--subject", "Are you there", "--text", "?", user=BOB)
        wait_until(lambda: site.dovecot.count(ALICE) == 1, "the mail arrives", 60)
        try:
            wait_until(lambda: site.dovecot.count(BOB) == 1, "the reply arrives", 60)
        except HarnessError as error:
            raise HarnessError(f"{error}\n{site.dovecot.log()[-3000:]}\n{site.postfix.log()[-2000:]}") from None
        client = site.dovecot.connect(BOB)
        client.select("INBOX")
        reply = email.message_from_bytes(client.fetch("1", "(BODY[])")[1][0][1], policy=email.policy.default)
        client.logout()
        assert reply["From"].addresses[0].addr_spec == ALICE and "Are you there" in reply["Subject"]
        assert reply["Auto-Submitted"].startswith("auto-replied")
        assert "at <b>sea</b>, Grüße" in reply.get_body(("html",)).get_content()
        assert "Grüße" in reply.get_body(("plain",)).get_content()
        # Who writes to her sees it before: the master user looks.
        assert away_message(site, ALICE, BOB) == "<p>I am at <b>sea</b>, Grüße</p>"
        assert away_message(site, CAROL, BOB) == ""
    finally:
        account.oof_settings = oof("Disabled")
    assert away_message(site, ALICE, BOB) == ""


def away_message(site, of, user):
    answer = site.soap(f"<m:GetMailTips><m:SendingAs><t:EmailAddress>{user}</t:EmailAddress></m:SendingAs><m:Recipients><t:Mailbox><t:EmailAddress>{of}"
                       "</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType></t:Mailbox></m:Recipients><m:MailTipsRequested>OutOfOfficeMessage"
                       "</m:MailTipsRequested></m:GetMailTips>", user)
    return answer.findtext(f".//{T}OutOfOffice/{T}ReplyBody/{T}Message")


# -- free/busy

@pytest.fixture(scope="module")
def calendars(site):
    site.radicale.calendar(
        ALICE, "work",
        ["DTSTART;TZID=Europe/Berlin:20240102T090000", "DTEND;TZID=Europe/Berlin:20240102T093000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU", "SUMMARY:Standup"],
        ["DTSTART:20240402T120000Z", "DTEND:20240402T130000Z", "SUMMARY:Doctor", "CLASS:PRIVATE", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"],
        ["DTSTART:20240403T080000Z", "DTEND:20240403T090000Z", "SUMMARY:Perhaps", "STATUS:TENTATIVE", "LOCATION:Room 1"],
        ["DTSTART:20240403T100000Z", "DTEND:20240403T110000Z", "SUMMARY:Reminder", "TRANSP:TRANSPARENT"])
    site.radicale.calendar(BOB, "home", ["DTSTART:20240402T070000Z", "DTEND:20240402T150000Z", "SUMMARY:Workshop"])


def test_free_busy(site, calendars):
    zone = exchangelib.EWSTimeZone("Europe/Berlin")
    start, end = exchangelib.EWSDateTime(2024, 4, 1, tzinfo=zone), exchangelib.EWSDateTime(2024, 4, 4, tzinfo=zone)
    protocol = site.account(ALICE).protocol
    asked = [(address, "Required", False) for address in (ALICE, BOB)]
    mine, bobs = protocol.get_free_busy_info(accounts=asked, start=start, end=end, merged_free_busy_interval=60)
    assert mine.view_type == "DetailedMerged"
    assert [(event.details.subject, event.busy_type) for event in mine.calendar_events] == [
        ("Standup", "Busy"), ("Standup", "Busy"), ("Doctor", "OOF"), ("Perhaps", "Tentative")]
    # The stand-up stays at nine through the change of the clock; naive local times.
    assert [event.start.hour for event in mine.calendar_events] == [9, 9, 14, 10]
    assert mine.merged == "0" * 9 + "2" + "0" * 14 + "0" * 9 + "2" + "0" * 4 + "3" + "0" * 9 + "0" * 10 + "1" + "0" * 13
    # Of others: when, not what.
    assert bobs.view_type == "FreeBusyMerged" and all(event.details is None for event in bobs.calendar_events)
    assert bobs.merged == "0" * 24 + "0" * 9 + "2" * 8 + "0" * 7 + "0" * 24
    hours = mine.working_hours[0] if isinstance(mine.working_hours, list) else mine.working_hours
    assert (hours.start, hours.end) == (datetime.time(9), datetime.time(17, 30))
    assert mine.working_hours_timezone.bias == -60


def availability(addresses, start="2024-04-02T00:00:00", end="2024-04-03T00:00:00", view="MergedOnly", interval=60):
    boxes = "".join(f"<t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType></t:MailboxData>"
                    for address in addresses)
    when = "<t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
    return (f"<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>0</t:Bias><t:StandardTime>{when}</t:StandardTime><t:DaylightTime>{when}</t:DaylightTime>"
            f"</t:TimeZone><m:MailboxDataArray>{boxes}</m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{start}</t:StartTime>"
            f"<t:EndTime>{end}</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>{interval}</t:MergedFreeBusyIntervalInMinutes>"
            f"<t:RequestedView>{view}</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>")


def codes(answer):
    return [one.findtext(f".//{M}ResponseCode") for one in answer.findall(f".//{M}FreeBusyResponse")]


def test_free_busy_of_nobody_groups_and_nonsense(site, calendars):
    answer = site.soap(availability(["nobody@elsewhere.test", ALICE, "team-sales@example.test", "zoltan@partner.test"]))
    assert codes(answer)[:2] == ["ErrorMailRecipientNotFound", "NoError"]
    assert codes(answer)[3] == "ErrorMailRecipientNotFound"
    assert answer.findall(f".//{T}MergedFreeBusy")[0].text == "000000020000300000000000"
    assert codes(site.soap(availability(["team-sales@example.test"])))[0] == "ErrorFreeBusyDLLimitReached"
    for wrong, code in ((availability([ALICE], end="2024-04-01T00:00:00"), "ErrorInvalidTimeInterval"),
                        (availability([ALICE], end="2024-12-01T00:00:00"), "ErrorTimeIntervalTooBig"),
                        (availability([ALICE], interval=1), "ErrorInvalidMergedFreeBusyInterval"),
                        (availability([]), "ErrorMailboxDataArrayEmpty"),
                        (availability([ALICE] * 101), "ErrorMailboxDataArrayTooBig")):
        assert set(codes(site.soap(wrong))) == {code}


def test_suggested_times(site, calendars):
    """Beside a view of another day, whose events stay those of that day."""
    def suggested(addresses, options=""):
        asked = availability(addresses, "2024-04-03T00:00:00", "2024-04-04T00:00:00", "FreeBusyMerged").replace(
            "</m:GetUserAvailabilityRequest>", f"<t:SuggestionsViewOptions>{options}<t:DetailedSuggestionsWindow><t:StartTime>2024-04-02T00:00:00"
            "</t:StartTime><t:EndTime>2024-04-03T00:00:00</t:EndTime></t:DetailedSuggestionsWindow></t:SuggestionsViewOptions>"
            "</m:GetUserAvailabilityRequest>")
        answer = site.soap(asked)
        part = answer.find(f"{M}SuggestionsResponse")
        days = part.findall(f"{M}SuggestionDayResultArray/{T}SuggestionDayResult")
        return answer, part.findtext(f"{M}ResponseMessage/{M}ResponseCode"), days
    answer, code, (day,) = suggested([ALICE])
    assert code == "NoError" and day.findtext(f"{T}Date") == "2024-04-02T00:00:00" and day.findtext(f"{T}DayQuality") == "Excellent"
    # From half past seven (UTC; work begins at nine in Berlin, with the stand-up) but for the doctor; not more than ten.
    assert [one.findtext(f"{T}MeetingTime")[11:16] for one in day.findall(f".//{T}Suggestion")] == [
        "07:30", "08:00", "08:30", "09:00", "09:30", "10:00", "10:30", "11:00", "13:00", "13:30"]
    assert day.find(f".//{T}IndividualAttendeeConflictData").findtext(f"{T}BusyType") == "Free"
    assert [one.findtext(f"{T}BusyType") for one in answer.findall(f".//{T}CalendarEvent")] == ["Tentative"]
    # Bob is at a workshop all the working day.
    _, _, (day,) = suggested([ALICE, BOB], "<t:MaximumNonWorkHourResultsByDay>2</t:MaximumNonWorkHourResultsByDay>")
    assert [(one.findtext(f"{T}MeetingTime")[11:16], one.findtext(f"{T}IsWorkTime")) for one in day.findall(f".//{T}Suggestion")] == [
        ("00:00", "false"), ("00:30", "false")]
    _, code, days = suggested([ALICE], "<t:GoodThreshold>50</t:GoodThreshold>")
    assert code == "ErrorInvalidParameter" and days == []


def test_the_client_shows_free_busy(site, calendars):
    done = json.loads(site.gateway.client("--json", "freebusy", BOB, "2024-04-02", "2024-04-03", "--interval", "60").stdout)
    assert done["merged"] == "0" * 7 + "2" * 8 + "0" * 9
    assert done["events"] == [{"start": "2024-04-02T07:00:00Z", "end": "2024-04-02T15:00:00Z", "type": "busy"}]
    for transport in ("mapihttp", "rpchttp", "rpctcp"):
        assert "Doctor" in site.gateway.client("--transport", transport, "freebusy", ALICE, "2024-04-02", "2024-04-03").stdout
    assert site.gateway.client("freebusy", "x@elsewhere.test", "2024-04-02", "2024-04-03", check=False).returncode == 1


def test_calendars_that_are_away_are_an_error_not_free_time(site, calendars):
    site.radicale.stop()
    try:
        assert codes(site.soap(availability([ALICE]))) == ["ErrorFreeBusyGenerationFailed"]
    finally:
        site.radicale.start()
    assert codes(site.soap(availability([ALICE]))) == ["NoError"]


# -- people and the server

def test_names_resolve(site):
    protocol = site.account().protocol
    (found,) = protocol.resolve_names(["alice"], return_full_contact_data=True)
    assert (found[0].email_address, found[0].mailbox_type) == (ALICE, "Mailbox")
    assert (found[1].display_name, found[1].job_title, found[1].department) == ("Alice Adams", "Head of Sales", "Sales")
    answer = site.soap('<m:ResolveNames ReturnFullContactData="false"><m:UnresolvedEntry>anna</m:UnresolvedEntry></m:ResolveNames>')
    message = answer.find(f".//{M}ResolveNamesResponseMessage")
    assert (message.get("ResponseClass"), message.findtext(f"{M}ResponseCode")) == ("Warning", "ErrorNameResolutionMultipleResults")
    assert message.find(f"{M}ResolutionSet").get("TotalItemsInView") == "10"
    answer = site.soap('<m:ResolveNames ReturnFullContactData="false"><m:UnresolvedEntry>xyzzy</m:UnresolvedEntry></m:ResolveNames>')
    assert answer.findtext(f".//{M}ResponseCode") == "ErrorNameResolutionNoResults"


def test_people_groups_and_rooms(site):
    protocol = site.account().protocol
    lists = list(protocol.get_roomlists())
    assert [one.email_address for one in lists] == ["rooms@example.test"]
    assert sorted(room.email_address for room in protocol.get_rooms("rooms@example.test")) == ["amsterdam@example.test", "berlin@example.test"]
    members = protocol.expand_dl("everybody@example.test")
    assert "team-sales@example.test" in {one.email_address for one in members}
    answer = site.soap('<m:FindPeople><m:IndexedPageItemView BasePoint="Beginning" MaxEntriesReturned="5" Offset="0"/><m:QueryString>bob</m:QueryString></m:FindPeople>')
    assert answer.findtext(f".//{T}Persona/{T}EmailAddress/{T}EmailAddress") == BOB
    answer = site.soap('<m:FindPeople><m:IndexedPageItemView BasePoint="Beginning" MaxEntriesReturned="5" Offset="3"/></m:FindPeople>')
    assert len(answer.findall(f".//{T}Persona")) == 5 and int(answer.findtext(f"{M}TotalNumberOfPeopleInView")) > 200


def test_what_outlook_asks_at_its_start(site):
    names = ["MailTips", "UnifiedMessagingConfiguration", "ProtectionRules", "PolicyNudges"]
    answer = site.soap("<m:GetServiceConfiguration><m:RequestedConfiguration>" + "".join(
        f"<m:ConfigurationName>{name}</m:ConfigurationName>" for name in names) + "</m:RequestedConfiguration></m:GetServiceConfiguration>")
    assert answer.get("ResponseClass") == "Success"
    assert [message[-1].tag for message in answer.find(f"{M}ResponseMessages")] == [M + name for name in (
        "MailTipsConfiguration", "UnifiedMessagingConfiguration", "ProtectionRulesConfiguration", "PolicyNudgeRulesConfiguration")]
    assert answer.findtext(f".//{T}MailTipsEnabled") == "true"
    answer = site.soap(f"<m:GetInboxRules><m:MailboxSmtpAddress>{ALICE}</m:MailboxSmtpAddress></m:GetInboxRules>")
    assert answer.findtext(f"{M}OutlookRuleBlobExists") == "false" and answer.find(f"{M}InboxRules") is not None
    answer = site.soap(f"<m:GetMailTips><m:SendingAs><t:EmailAddress>{ALICE}</t:EmailAddress></m:SendingAs><m:Recipients><t:Mailbox><t:EmailAddress>"
                       "everybody@example.test</t:EmailAddress></t:Mailbox></m:Recipients><m:MailTipsRequested>All</m:MailTipsRequested></m:GetMailTips>")
    assert int(answer.findtext(f".//{T}TotalMemberCount")) == 203
    domains = site.soap("<m:GetServiceConfiguration><m:RequestedConfiguration><m:ConfigurationName>MailTips</m:ConfigurationName>"
                        "</m:RequestedConfiguration></m:GetServiceConfiguration>").findall(f".//{T}InternalDomains/{T}Domain")
    assert [(one.get("Name"), one.get("IncludeSubdomains")) for one in domains] == [("branch.test", "false"), ("example.test", "false")]


def test_mail_tips_of_the_directory(site):
    def tip(address):
        answer = site.soap(f"<m:GetMailTips><m:SendingAs><t:EmailAddress>{ALICE}</t:EmailAddress></m:SendingAs><m:Recipients><t:Mailbox><t:EmailAddress>"
                           f"{address}</t:EmailAddress></t:Mailbox></m:Recipients><m:MailTipsRequested>CustomMailTip</m:MailTipsRequested></m:GetMailTips>")
        return answer.findtext(f".//{T}CustomMailTip")
    assert [tip(address) for address in ("rooms@example.test", BOB, "friend@far.test")] == ["Ask <Carol> & wait", "", ""]


@pytest.mark.parametrize("address, outside", [(BOB, 0), ("new@example.test", 0), ("desk@branch.test", 0), ("friend@far.test", 1),
                                              ("partner@branch.test", 1), ("circle@example.test", 2)])
def test_recipients_outside_are_counted(site, address, outside):
    answer = site.soap(f"<m:GetMailTips><m:SendingAs><t:EmailAddress>{ALICE}</t:EmailAddress></m:SendingAs><m:Recipients><t:Mailbox><t:EmailAddress>"
                       f"{address}</t:EmailAddress></t:Mailbox></m:Recipients><m:MailTipsRequested>ExternalMemberCount</m:MailTipsRequested></m:GetMailTips>")
    assert int(answer.findtext(f".//{T}ExternalMemberCount")) == outside


def test_rules_of_the_inbox_are_those_that_outlook_stored(site):
    def rules():
        answer = site.soap(f"<m:GetInboxRules><m:MailboxSmtpAddress>{CAROL}</m:MailboxSmtpAddress></m:GetInboxRules>", CAROL)
        assert answer.get("ResponseClass") == "Success"
        return answer.findtext(f"{M}OutlookRuleBlobExists"), answer.find(f"{M}InboxRules")

    def rule(name, sequence, action, provider="RuleOrganizer", state=1):
        condition = struct.pack("<BHHII", 3, 1, 1, 0x0037001F, 0x0037001F) + "Invoice".encode("utf-16-le") + b"\0\0"
        return (1, {"PidTagRuleName": name, "PidTagRuleProvider": provider, "PidTagRuleSequence": sequence, "PidTagRuleState": state,
                    "PidTagRuleCondition": condition, "PidTagRuleActions": struct.pack("<HHBII", 1, 9, action, 0, 0)})

    assert rules()[0] == "false" and len(rules()[1]) == 0
    with Session.logged_on(site.gateway.https_port, site.certificates.ca, CAROL, PASSWORD) as session:
        inbox = session.open_folder(session.inbox)
        session.call(rops.modify_rules([rule("Second", 11, 0x0A, state=0x10), rule("First", 10, 0x0B),
                                        rule("Away", 9, 0x0B, provider="MSFT:TDX OOF Rules"), rule("Strange", 12, 0x05)]), inbox)
        session.save(session.new_message(session.inbox, {"PidTagMessageClass": "IPM.RuleOrganizer"}, associated=True))
        blob, found = rules()
        assert blob == "true"
        assert [[one.findtext(T + name) for name in ("DisplayName", "Priority", "IsEnabled")] for one in found] == [
            ["First", "1", "true"], ["Second", "2", "false"], ["Strange", "3", "true"]]
        first, second, strange = found
        assert [child.tag for child in first] == [T + name for name in ("RuleId", "DisplayName", "Priority", "IsEnabled", "Conditions", "Actions")]
        assert first.findtext(f"{T}Conditions/{T}ContainsSubjectStrings/{T}String") == "Invoice"
        assert first.findtext(f"{T}Actions/{T}MarkAsRead") == "true"
        assert [child.tag for child in second.find(f"{T}Actions")] == [f"{T}PermanentDelete", f"{T}StopProcessingRules"]
        # Outlook carries out what it deferred to itself.
        assert strange.findtext(f"{T}IsNotSupported") == "true" and strange.find(f"{T}Actions") is None
        session.call(rops.modify_rules([], 0x01), inbox)
        assert len(rules()[1]) == 0


def test_a_gateway_without_these_backends_says_so(certificates, site):
    gateway = Mapigate.gateway(certificates, site.dovecot.tls_port, name="bare")
    gateway.arguments["modules"]["mail"]["max_submit_size"] = "100KiB"
    gateway.write_config()
    with gateway as bare:
        other = Site.__new__(Site)
        other.certificates, other.gateway = certificates, bare
        answer = other.soap("<m:GetServiceConfiguration><m:RequestedConfiguration><m:ConfigurationName>MailTips</m:ConfigurationName>"
                            "</m:RequestedConfiguration></m:GetServiceConfiguration>")
        assert answer.findtext(f".//{T}MaxMessageSize") == str(100 * 1024)
        answer = other.soap(f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>")
        assert answer.findtext(f".//{T}OofState") == "Disabled" and answer.findtext(f"{M}AllowExternalOof") == "None"
        assert codes(other.soap(availability([ALICE]))) == ["ErrorFreeBusyGenerationFailed"]
        started = time.monotonic()
        answer = other.soap(f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>Enabled"
                            "</t:OofState><t:ExternalAudience>All</t:ExternalAudience></t:UserOofSettings></m:SetUserOofSettingsRequest>")
        assert answer.findtext(f".//{M}ResponseCode") == "ErrorInvalidOperation" and time.monotonic() - started < 10


def test_a_sieve_server_that_is_away_is_an_error_not_a_return_to_the_office(certificates, site):
    with Mapigate.gateway(certificates, site.dovecot.tls_port, sieve={"port": free_port()}, name="away") as away:
        other = Site.__new__(Site)
        other.certificates, other.gateway = certificates, away
        answer = other.soap(f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>")
        assert answer.findtext(f".//{M}ResponseCode") == "ErrorMailboxStoreUnavailable" and answer.find(f"{T}OofSettings") is None
        done = away.client("oof", check=False)
        assert done.returncode == 1 and "ErrorMailboxStoreUnavailable" in done.stderr


def test_a_script_of_somebody_else_under_our_name_is_left_alone(site):
    with site.manage(CAROL) as sieve:
        before = sieve.get("mapigate")
        sieve.put("mapigate", "keep;\r\n")
        try:
            answer = site.soap(f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{CAROL}</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>Enabled"
                               "</t:OofState><t:ExternalAudience>All</t:ExternalAudience></t:UserOofSettings></m:SetUserOofSettingsRequest>", CAROL)
            assert answer.findtext(f".//{M}ResponseCode") == "ErrorInvalidUserOofSettings"
            assert sieve.get("mapigate") == "keep;\r\n" and sieve.active() is None
        finally:
            sieve.put("mapigate", before)


# -- through a relay

def through(relay, site):
    """The site, asked through another gateway."""
    other = Site.__new__(Site)
    other.certificates, other.gateway = site.certificates, relay
    return other


@pytest.fixture(scope="module")
def relay(certificates, site):
    with Mapigate.relay(certificates, site.gateway.https_port, name="web-relay") as made:
        yield made
        assert made.alive()


def announced(server):
    return json.loads(server.client("--json", "autodiscover").stdout)


def test_a_relay_passes_web_services_on(relay, site, calendars):
    urls = announced(relay)
    assert urls["ews_url"] == f"https://localhost:{relay.https_port}/EWS/Exchange.asmx"
    account = through(relay, site).account(BOB)
    account.oof_settings = oof("Enabled", internal_reply="through the relay")
    direct = site.account(BOB).oof_settings
    assert (direct.state, direct.internal_reply) == ("Enabled", "through the relay")
    account.oof_settings = oof("Disabled")
    assert site.account(BOB).oof_settings.state == "Disabled"
    asked = availability([ALICE, BOB], view="FreeBusy")
    seen = [xml.tostring(one.soap(asked)) for one in (site, through(relay, site))]
    assert seen[0] == seen[1]
    done = relay.client("oof")
    assert "disabled" in done.stdout.lower()


def test_a_relay_hands_back_faults_and_redirections_as_they_are(relay, site):
    for body in (envelope("<m:GetUnifiedGroupsSettings/>"), "no XML"):
        answers = [one.post(body)[:2] for one in (site, through(relay, site))]
        assert answers[0] == answers[1] and answers[0][0] == 500 and "Fault>" in answers[0][1]
    status, _, headers = through(relay, site).post(None, method="GET")
    assert (status, headers["Location"]) == (302, "/EWS/Services.wsdl")
    status, body, _ = through(relay, site).post(None, method="GET", path="/EWS/Services.wsdl")
    assert status == 200 and "ExchangeServices" in body


def test_a_relay_passes_the_offline_address_book_on(relay, site):
    urls = announced(relay)
    assert urls["oab_url"].startswith(f"https://localhost:{relay.https_port}/OAB/")
    path = "/" + urls["oab_url"].split("/", 3)[3] + "oab.xml"
    wait_until(lambda: site.post(None, method="GET", path=path)[0] == 200, "there is an offline address book", 60)
    status, body, headers = through(relay, site).post(None, method="GET", path=path)
    assert status == 200 and body == site.post(None, method="GET", path=path)[1] and headers["ETag"]
    shown = relay.client("oab").stdout
    assert "Alice Adams" in shown and "Bob Brown" in shown


@pytest.mark.parametrize("path", ["/EWS/../mapi/emsmdb", "/EWS/%2e%2e/autodiscover/autodiscover.xml", "/EWS//Exchange.asmx", "/OAB/..\\x"])
def test_a_relay_lets_no_request_out_of_the_web_services(relay, site, path):
    status, body, _ = through(relay, site).post(None, method="GET", path=path)
    assert status == 404 and "Nothing is here" in body


def test_a_relay_whose_server_is_away_does_not_ask_for_a_password(certificates, site):
    far = Mapigate.gateway(certificates, site.dovecot.tls_port, name="far").start()
    with Mapigate.relay(certificates, far.https_port, name="lonely-relay") as lonely:
        asked = envelope("<m:GetRoomLists/>")
        assert through(lonely, site).post(asked)[0] == 200
        far.kill()
        status, body, headers = through(lonely, site).post(asked)
        assert status == 503 and "Fault>" in body and headers["Retry-After"]


def test_a_shared_account_of_the_far_server_is_nobodys_web_service(certificates, site):
    secret = private_dir("fixed") / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    modules = {"upstream": {"type": "relay", "url": f"https://127.0.0.1:{site.gateway.https_port}", "ca_file": certificates.ca,
                            "credentials": "fixed", "user": ALICE, "password_file": secret}}
    with Mapigate(certificates, modules, ["upstream"], name="fixed-relay") as shared:
        assert announced(shared)["ews_url"] == ""
        status, body, _ = through(shared, site).post(envelope("<m:GetRoomLists/>"))
        assert status == 500 and "Fault>" in body
