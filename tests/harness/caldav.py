"""What tests do with a CalDAV server, whichever it is."""
import base64
import contextlib
import urllib.error
import urllib.request


class CalDav:
    """For servers with `password` and url()."""

    home = "/{user}/"  # of a user's calendars

    def request(self, method, path, user, body=b"", **headers):
        secret = base64.b64encode(f"{user}:{self.password}".encode()).decode()
        request = urllib.request.Request(self.url() + path, method=method, data=body or None,
                                         headers={"Authorization": f"Basic {secret}", **headers})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read()

    def calendar(self, user, name, *events):
        """Makes a calendar with these events: iCalendar lines of a VEVENT without its UID."""
        place = self.home.format(user=user) + name + "/"
        with contextlib.suppress(urllib.error.HTTPError):
            self.request("MKCALENDAR", place, user)
        for number, lines in enumerate(events):
            text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{name}-{number}",
                                "DTSTAMP:20240101T000000Z", *lines, "END:VEVENT", "END:VCALENDAR", ""])
            self.request("PUT", f"{place}{number}.ics", user, text.encode(), **{"Content-Type": "text/calendar"})
