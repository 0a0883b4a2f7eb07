// The module `freebusy`: when people are busy, from a CalDAV server or a published VFREEBUSY.
#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

#include "base/text.h"
#include "calendar.h"
#include "dav.h"
#include "io/http_client.h"
#include "io/runtime.h"
#include "io/tls.h"
#include "mailbox/free_busy.h"

namespace mapigate::freebusy {

using io::Task;
using mailbox::FreeBusy;
using wire::ews::CalendarEvent;

namespace {

using enum Setting::Type;
const Setting settings[] = {
    {"url", text, nullptr, "Where a person's calendars are: %u is the address, %n the part before its @, %d the part behind it. With source = "
                           "\"url\" also %s and %e, start and end (2024-02-29T12:00:00Z).", "0.1"},
    {"source", choice, "caldav", "caldav: all calendars at the URL are asked; url: it gives a VFREEBUSY or a calendar.", "0.1", 0, 0,
     {"caldav", "url"}},
    {"credentials", choice, "pass-through", "Who reads: the user who asks, or the fixed one below for everybody. The fixed one also reads for "
                                              "users who came without a password (NTLM, a ticket). none: nobody logs on, because the "
                                              "server tells everybody when people are busy.", "0.1", 0, 0,
     {"pass-through", "fixed", "none"}},
    {"user", text, "", "Name of the fixed user; empty: none.", "0.1"},
    {"password", text, "", "The fixed user's password.", "0.1", 0, INT64_MAX, {}, true},
    {"verify", boolean, "true", "Check the server's certificate. Without it anyone in between can read along."},
    {"ca_file", path, "", "PEM file with the authorities to trust; empty: those of the system."},
    {"allow_plain_text", boolean, "false", "Send passwords without TLS to a server that is not on this machine, too."},
    {"time_zone", text, "", "Of working hours, and of times without one, like \"Europe/Berlin\"; empty: UTC, and working hours in the zone of who asks.", "0.1"},
    {"work_days", list, "Monday,Tuesday,Wednesday,Thursday,Friday", "Days on which people work."},
    {"work_start", text, "08:00", "When they begin."},
    {"work_end", text, "17:00", "When they end."},
    {"timeout", duration, "15s", "How long one answer of the server may take.", "0.1", 100, 600'000},
    {"remember", duration, "30s", "How long an answer is given again to the same question.", "0.1", 0, 3'600'000},
};

struct Options {
  std::string url;
  bool caldav = true, pass_through = true;
  bool nobody = false;  // logs on
  std::string user;
  Secret password;
  std::string time_zone;
  std::vector<int> work_days;
  int work_start = 0, work_end = 0;
  Duration timeout, remember;
};

int minutes_of(const std::string& name, const std::string& clock) {
  unsigned hour = 0, minute = 0;
  char rest = 0;
  if (std::sscanf(clock.c_str(), "%2u:%2u%c", &hour, &minute, &rest) != 2 || hour > 24 || minute > 59 || hour * 60 + minute > 1440)
    throw std::runtime_error(fmt::format("{}: \"{}\" is no time like 08:00", name, clock));
  return static_cast<int>(hour * 60 + minute);
}

Options read_options(const Settings& s) {
  Options out;
  out.url = s.text("url");
  const auto url = io::parse_url(expand_url(out.url, "a@b", 0, 0).value());
  if (!url) throw std::runtime_error("url: " + url.error().message);
  const bool secret = s.text("credentials") != "none";
  const bool here = url->host == "localhost" || url->host == "::1" || url->host.starts_with("127.");
  if (secret && !url->tls && !here && !s.boolean("allow_plain_text"))
    throw std::runtime_error("url: http would send passwords over the network to " + url->host + "; use https, or say allow_plain_text = true");
  out.caldav = s.text("source") == "caldav";
  out.pass_through = s.text("credentials") == "pass-through";
  out.user = s.text("user");
  out.password = Secret(s.text("password"));
  out.nobody = s.text("credentials") == "none";
  if (!out.pass_through && !out.nobody && out.user.empty()) throw std::runtime_error("user: credentials = \"fixed\" needs one");
  out.time_zone = s.text("time_zone");
  if (!out.time_zone.empty())
    if (const auto zone = wire::ews::time_zone_named(out.time_zone, to_unix(now())); !zone) throw std::runtime_error("time_zone: " + zone.error().message);
  for (const auto& name : s.list("work_days")) {
    const auto day = wire::ews::day_number(trim(name));
    if (day < 0) throw std::runtime_error(fmt::format("work_days: \"{}\" is no day like Monday", name));
    out.work_days.push_back(day);
  }
  out.work_start = minutes_of("work_start", s.text("work_start"));
  out.work_end = minutes_of("work_end", s.text("work_end"));
  if (out.work_end <= out.work_start) throw std::runtime_error("work_end: before work_start");
  out.timeout = s.duration("timeout");
  out.remember = s.duration("remember");
  return out;
}

// What was learnt, for a short while.
class Memory {
 public:
  explicit Memory(Duration keep) : keep_(keep) {}
  std::optional<FreeBusy> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find(key);
    if (at == known_.end() || at->second.until < Clock::now()) return {};
    return at->second.value;
  }
  void keep(const std::string& key, const FreeBusy& value) {
    if (keep_ <= Duration::zero()) return;
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (known_.size() >= most) std::erase_if(known_, [&](const auto& one) { return one.second.until < now; });
    if (known_.size() >= most) known_.clear();
    known_[key] = {value, now + keep_};
  }

 private:
  static constexpr std::size_t most = 500;
  struct Known {
    FreeBusy value;
    Clock::time_point until;
  };
  const Duration keep_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
};

class FreeBusyModule final : public mailbox::FreeBusySource {
 public:
  FreeBusyModule(const chain::Environment& environment, const Settings& s)
      : runtime_(environment.runtime), options_(read_options(s)), memory_(options_.remember) {
    io::TlsClientOptions tls;
    tls.ca_file = s.text("ca_file");
    tls.verify = !s.boolean("verify")  ? io::TlsClientOptions::Verify::off
                 : tls.ca_file.empty() ? io::TlsClientOptions::Verify::system
                                       : io::TlsClientOptions::Verify::ca_file;
    auto context = io::TlsClientContext::create(tls);
    if (!context) throw std::runtime_error(context.error().message);
    io::HttpClientOptions http;
    http.tls = *context;
    http.metrics = &environment.metrics;
    auto client = io::HttpClient::create(runtime_, http);
    if (!client) throw std::runtime_error(client.error().message);
    http_ = *client;
  }

  Task<Result<FreeBusy>> free_busy(std::shared_ptr<const chain::Identity> asker, std::string address, std::int64_t start, std::int64_t end) override {
    // With the asker's own rights the server decides who sees what; a fixed user sees more than the asker may. What everybody
    // may read is times.
    const bool own = asker->user == address;
    const bool fixed = reads_fixed(*asker);
    const bool details = !options_.nobody && (own || !fixed);
    const auto key = fmt::format("{}\n{}\n{}\n{}", details ? asker->user : std::string(), address, start, end);
    if (auto known = memory_.find(key)) co_return std::move(*known);
    if (fixed && options_.user.empty()) co_return error(Errc::denied, "no password to read calendars with");
    auto form = expand_url(options_.url, address, start, end);
    if (!form) co_return form.error();
    auto url = io::parse_url(*form);
    if (!url) co_return url.error();
    Question question;
    question.url = std::move(*url);
    question.authorization = authorization(*asker);
    question.reading = {start, end, options_.time_zone, address, details, own};
    auto texts = options_.caldav ? from_caldav(question) : from_url(question);
    auto found = co_await std::move(texts);
    if (!found) co_return found.error();
    auto work = [&]() { return read_all(*found, question.reading); };
    auto events = co_await io::run_blocking(runtime_, work);
    if (!events) co_return events.error();
    FreeBusy out;
    out.events = std::move(*events);
    out.detailed = details;
    if (!options_.time_zone.empty()) {
      wire::ews::WorkingHours hours;
      if (auto zone = wire::ews::time_zone_named(options_.time_zone, start)) hours.TimeZone = *zone;
      hours.DayOfWeek = options_.work_days;
      hours.StartTimeInMinutes = options_.work_start;
      hours.EndTimeInMinutes = options_.work_end;
      out.hours = std::move(hours);
    }
    memory_.keep(key, out);
    co_return out;
  }

 private:
  struct Question {
    io::Url url;
    Secret authorization;
    Reading reading;
  };

  bool reads_fixed(const chain::Identity& asker) const { return !options_.nobody && (!options_.pass_through || asker.password.empty()); }
  Secret authorization(const chain::Identity& asker) const {
    if (options_.nobody) return {};
    const bool fixed = reads_fixed(asker);
    const auto& user = fixed ? options_.user : asker.user;
    const auto& password = fixed ? options_.password : asker.password;
    return Secret("Basic " + to_base64(as_view(user + ":" + password.reveal())));
  }

  Task<Result<io::HttpResponse>> ask(const Question& question, io::Url url, const char* method, std::string body, const char* depth) {
    for (int redirects = 0;; ++redirects) {
      io::HttpRequest request;
      request.method = method;
      request.url = url;
      if (!question.authorization.empty()) request.headers.add("Authorization", question.authorization.reveal());
      if (!body.empty()) request.headers.add("Content-Type", "application/xml; charset=utf-8");
      if (*depth != '\0') request.headers.add("Depth", depth);
      request.body = as_view(body);
      io::RequestOptions limits;
      limits.limit = options_.timeout;
      limits.body_bytes = largest_calendar;
      auto response = co_await http_->request(std::move(request), limits);
      if (!response) co_return std::move(response.error()).within("calendar server");
      const bool moved = response->status == 301 || response->status == 302 || response->status == 307 || response->status == 308;
      if (!moved || redirects >= 3) co_return response;
      auto place = std::string(response->header("Location"));
      if (place.starts_with('/')) {
        url.target = place;
        continue;
      }
      auto other = io::parse_url(place);
      // Never the password to another server.
      if (!other || other->authority() != url.authority() || other->tls != url.tls) co_return response;
      url.target = other->target;
    }
  }

  static Error refused(const io::HttpResponse& response, std::string_view what) {
    const auto code = response.status == 401 || response.status == 403   ? Errc::denied
                      : response.status == 404 || response.status == 410 ? Errc::not_found
                                                                         : Errc::unavailable;
    return error(code, "the calendar server answers {} with HTTP {}", what, response.status);
  }

  Task<Result<std::vector<std::string>>> from_url(const Question& question) {
    auto response = co_await ask(question, question.url, "GET", {}, "");
    if (!response) co_return response.error();
    if (response->status != 200) co_return refused(*response, "GET");
    std::vector<std::string> out{std::string(as_text(response->body))};
    co_return out;
  }

  Task<Result<std::vector<std::string>>> from_caldav(const Question& question) {
    auto listing = co_await ask(question, question.url, "PROPFIND", propfind_calendars, "1");
    if (!listing) co_return listing.error();
    if (listing->status != 207) co_return refused(*listing, "PROPFIND");
    auto calendars = calendars_in(listing->body, question.url.authority());
    if (!calendars) co_return calendars.error();
    std::vector<std::string> out;
    // All of them together may take as long as a few answers.
    const auto until = Clock::now() + 4 * options_.timeout;
    for (const auto& path : *calendars) {
      if (Clock::now() > until) co_return error(Errc::timeout, "the calendar server is too slow");
      auto url = question.url;
      url.target = path;
      auto done = co_await read_one(question, std::move(url), &out);
      if (!done) co_return done.error();
    }
    co_return out;
  }

  Task<Status> read_one(const Question& question, io::Url url, std::vector<std::string>* out) {
    const auto& window = question.reading;
    if (!window.details) {
      auto answer = co_await ask(question, url, "REPORT", free_busy_query(window.start, window.end), "1");
      if (!answer) co_return answer.error();
      const bool calendar = lower_ascii(answer->header("Content-Type")).starts_with("text/calendar");
      if (answer->status == 200 && calendar) {
        out->emplace_back(as_text(answer->body));
        co_return Status();
      }
      // Some servers know this report by name only (Radicale); what they know for certain is the next.
    }
    auto answer = co_await ask(question, url, "REPORT", calendar_query(window.start, window.end), "1");
    if (!answer) co_return answer.error();
    if (answer->status != 207) co_return refused(*answer, "REPORT");
    auto texts = data_in(answer->body);
    if (!texts) co_return texts.error();
    out->insert(out->end(), std::make_move_iterator(texts->begin()), std::make_move_iterator(texts->end()));
    co_return Status();
  }

  static Result<std::vector<CalendarEvent>> read_all(const std::vector<std::string>& texts, const Reading& reading) {
    std::vector<CalendarEvent> out;
    for (const auto& text : texts) {
      auto read = read_calendar(text, reading, out);
      // One broken event hides no other.
      if (!read && read.error().code != Errc::malformed) return read.error();
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.StartTime < b.StartTime; });
    return out;
  }

  io::Runtime& runtime_;
  const Options options_;
  Memory memory_;
  std::shared_ptr<io::HttpClient> http_;
};

std::unique_ptr<chain::Component> create(const chain::Environment& environment, const Settings& s) {
  return std::make_unique<FreeBusyModule>(environment, s);
}

const chain::ModuleDescriptor descriptor{
    .type = "freebusy",
    .summary = "when people are busy, from CalDAV or published free/busy files",
    .settings = settings,
    .on_error = chain::OnError::closed,
    .budget = std::chrono::milliseconds(0),
    .create = create,
};

}  // namespace
}  // namespace mapigate::freebusy

MAPIGATE_MODULE(mapigate::freebusy::descriptor)
