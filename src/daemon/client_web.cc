#include "daemon/client_web.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/html_text.h"
#include "daemon/client.h"
#include "daemon/output.h"
#include "upstream/ews_client.h"
#include "wire/ews/xml.h"

namespace mapigate::daemon {

using namespace wire::ews;
using Json = nlohmann::ordered_json;
using Command = ClientOptions::Command;

namespace {

// "2024-02-29", "2024-02-29T12:00", "2024-02-29T12:00:00+01:00"; without a zone UTC.
Result<std::int64_t> time_of(const std::string& text) {
  auto full = text;
  if (full.size() == 10) full += "T00:00:00";
  if (full.size() == 16) full += ":00";
  const auto parsed = parse_date_time(full);
  if (!parsed) return error(Errc::malformed, "\"{}\" is no time; write it like 2024-02-29T12:00:00Z", text);
  return parsed->seconds;
}

Json oof_json(const UserOofSettings& settings) {
  return {{"state", lower_ascii(to_string(settings.State))},
          {"audience", lower_ascii(to_string(settings.Audience))},
          {"start", format_utc(settings.StartTime)},
          {"end", format_utc(settings.EndTime)},
          {"internal", settings.InternalReply.Message},
          {"external", settings.ExternalReply.Message}};
}

std::string shown(const std::string& message) {
  const auto text = message.find('<') == std::string::npos ? message : convert::html_to_text(message);
  return escape_controls(trim(text), true);
}

std::string oof_text(const UserOofSettings& settings) {
  auto out = fmt::format("state     {}\naudience  {}\n", lower_ascii(to_string(settings.State)), lower_ascii(to_string(settings.Audience)));
  out += fmt::format("from      {}\nuntil     {}\n", format_utc(settings.StartTime), format_utc(settings.EndTime));
  return out + fmt::format("\nto colleagues:\n{}\n\nto others:\n{}\n", shown(settings.InternalReply.Message), shown(settings.ExternalReply.Message));
}

Json view_json(const FreeBusyView& view) {
  Json events = Json::array();
  for (const auto& event : view.Events) {
    Json one{{"start", format_utc(event.StartTime)}, {"end", format_utc(event.EndTime)}, {"type", lower_ascii(to_string(event.Type))}};
    if (event.Details) one["subject"] = event.Details->Subject, one["location"] = event.Details->Location;
    events.push_back(std::move(one));
  }
  return {{"view", std::string(to_string(view.Type))}, {"merged", view.MergedFreeBusy}, {"events", std::move(events)}};
}

std::string view_text(const FreeBusyView& view) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& event : view.Events)
    rows.push_back({format_utc(event.StartTime), format_utc(event.EndTime), lower_ascii(to_string(event.Type)),
                    event.Details ? escape_controls(event.Details->Subject) : std::string()});
  if (rows.empty()) return "free all the time\n";
  return table({{"FROM"}, {"UNTIL"}, {"STATE"}, {"SUBJECT"}}, rows);
}

// The settings as they are, with what the options change.
Result<UserOofSettings> changed(UserOofSettings settings, const WebOptions& to) {
  const auto capital = [](std::string word) {
    if (!word.empty()) word[0] = static_cast<char>(word[0] - 32);
    return word;
  };
  if (!to.state.empty()) settings.State = oof_state(capital(to.state)).value_or(settings.State);
  if (!to.audience.empty()) settings.Audience = external_audience(capital(to.audience)).value_or(settings.Audience);
  if (to.has_internal) settings.InternalReply.Message = to.internal_text;
  if (to.has_external) settings.ExternalReply.Message = to.external_text;
  for (const auto& [text, place] : {std::pair(&to.start, &settings.StartTime), std::pair(&to.end, &settings.EndTime)}) {
    if (text->empty()) continue;
    auto when = time_of(*text);
    if (!when) return when.error();
    *place = *when;
  }
  return settings;
}

}  // namespace

void add_web_commands(CLI::App* client, ClientOptions& to) {
  const auto part = [&](const char* name, const char* help, Command command) {
    auto* added = client->add_subcommand(name, help);
    added->fallthrough();
    added->callback([&to, command] { to.command = command; });
    return added;
  };
  auto& web = to.web;
  auto* oof = part("oof", "Automatic replies: show or set them", Command::oof);
  oof->add_option("action", web.action, "get (default) or set; what set is not told stays as it is")->check(CLI::IsMember({"get", "set"}))->type_name("ACTION");
  oof->add_option("--state", web.state, "disabled, enabled or scheduled")->check(CLI::IsMember({"disabled", "enabled", "scheduled"}))->type_name("STATE");
  oof->add_option("--audience", web.audience, "Who else is answered than colleagues: none, known or all")->check(CLI::IsMember({"none", "known", "all"}))->type_name("WHO");
  oof->add_option("--from", web.start, "Begin of a scheduled absence (2024-02-29T12:00:00Z)")->type_name("TIME");
  oof->add_option("--until", web.end, "Its end")->type_name("TIME");
  oof->add_option_function<std::string>("--internal", [&web](const std::string& text) { web.internal_text = text, web.has_internal = true; }, "Reply to colleagues, text or HTML")->type_name("TEXT");
  oof->add_option_function<std::string>("--external", [&web](const std::string& text) { web.external_text = text, web.has_external = true; }, "Reply to others, text or HTML")->type_name("TEXT");
  auto* busy = part("freebusy", "When somebody is busy", Command::freebusy);
  busy->add_option("address", web.address, "Whose calendar")->required()->type_name("ADDRESS");
  busy->add_option("from", web.from, "From when (2024-02-29 or 2024-02-29T12:00:00Z)")->required()->type_name("TIME");
  busy->add_option("to", web.to, "Until when")->required()->type_name("TIME");
  busy->add_option("--interval", web.interval, "Minutes of one digit of the merged form in --json")->check(CLI::Range(5, 1440))->type_name("MINUTES")->capture_default_str();
}

io::Task<Result<std::string>> web_command(std::shared_ptr<upstream::HttpIdentity> identity, upstream::DiscoveredMailbox mailbox,
                                          const ClientOptions* options) {
  auto url = mailbox.ews_url.empty() ? Result<io::Url>(mailbox.mail_store) : io::parse_url(mailbox.ews_url);
  if (!url) co_return std::move(url.error()).within("autodiscover, EwsUrl");
  // Servers that announce none may have them at the usual place.
  if (mailbox.ews_url.empty()) url->target = "/EWS/Exchange.asmx";
  upstream::EwsClient client(identity, std::move(*url));
  const auto& web = options->web;
  if (options->command == Command::freebusy) {
    const auto from = time_of(web.from), to = time_of(web.to);
    if (!from) co_return from.error();
    if (!to) co_return to.error();
    auto view = co_await client.free_busy(web.address, *from, *to, web.interval);
    if (!view) co_return view.error();
    co_return options->json ? view_json(*view).dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : view_text(*view);
  }
  auto settings = co_await client.out_of_office(mailbox.address);
  if (!settings) co_return settings.error();
  if (web.action == "set") {
    auto wanted = changed(std::move(*settings), web);
    if (!wanted) co_return wanted.error();
    auto done = co_await client.set_out_of_office(mailbox.address, *wanted);
    if (!done) co_return done.error();
    settings = co_await client.out_of_office(mailbox.address);
    if (!settings) co_return settings.error();
  }
  co_return options->json ? oof_json(*settings).dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : oof_text(*settings);
}

}  // namespace mapigate::daemon
