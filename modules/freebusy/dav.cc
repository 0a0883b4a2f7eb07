#include "dav.h"

#include "base/text.h"
#include "io/http_message.h"
#include "wire/ews/xml.h"

namespace mapigate::freebusy {

using wire::ews::child;
using wire::ews::local_name;
using wire::ews::text;

namespace {

constexpr std::size_t most_calendars = 32;
constexpr std::size_t most_objects = 20'000;

template <class Each>
Status each_response(View multistatus, Each each) {
  pugi::xml_document document;
  // The default options know no document types and no entities of theirs.
  if (!document.load_buffer(multistatus.data(), multistatus.size())) return error(Errc::malformed, "the answer is no XML");
  const auto root = child(document, "multistatus");
  if (!root) return error(Errc::malformed, "the answer is no multistatus");
  for (const auto& response : root.children())
    if (local_name(response) == "response") each(response);
  return {};
}

// The properties that were found.
template <class Each>
void each_prop(const pugi::xml_node& response, Each each) {
  for (const auto& part : response.children())
    if (local_name(part) == "propstat" && text(part, "status").find(" 200") != std::string_view::npos) each(child(part, "prop"));
}

std::string range(const char* element, std::int64_t start, std::int64_t end) {
  return fmt::format("<C:{} start=\"{}\" end=\"{}\"/>", element, utc_stamp(start), utc_stamp(end));
}

}  // namespace

std::string utc_stamp(std::int64_t seconds) {
  std::string out;
  for (const char c : wire::ews::format_utc(seconds))
    if (c != '-' && c != ':') out += c;
  return out;
}

Result<std::string> expand_url(std::string_view form, std::string_view address, std::int64_t start, std::int64_t end) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) return error(Errc::not_found, "\"{}\" is no address", address);
  const auto name = address.substr(0, at), domain = address.substr(at + 1);
  for (const auto part : {name, domain})
    if (part == "." || part == "..") return error(Errc::not_found, "\"{}\" has no place in a path", address);
  std::string out;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '%' || i + 1 == form.size()) {
      out += form[i];
      continue;
    }
    switch (form[++i]) {
      case 'u': out += percent_encode(address); break;
      case 'n': out += percent_encode(name); break;
      case 'd': out += percent_encode(domain); break;
      case 's': out += wire::ews::format_utc(start); break;
      case 'e': out += wire::ews::format_utc(end); break;
      case '%': out += '%'; break;
      default: out += '%', out += form[i];
    }
  }
  return out;
}

const char propfind_calendars[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop>"
    "<D:resourcetype/><C:schedule-calendar-transp/></D:prop></D:propfind>";

std::string free_busy_query(std::int64_t start, std::int64_t end) {
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?><C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\">" + range("time-range", start, end) +
         "</C:free-busy-query>";
}

std::string calendar_query(std::int64_t start, std::int64_t end) {
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?><C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">"
         "<D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">" +
         range("time-range", start, end) + "</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
}

Result<std::vector<std::string>> calendars_in(View multistatus, std::string_view own_authority) {
  std::vector<std::string> out;
  auto read = each_response(multistatus, [&](const pugi::xml_node& response) {
    bool calendar = false, busy = true;
    each_prop(response, [&](const pugi::xml_node& prop) {
      calendar |= static_cast<bool>(child(child(prop, "resourcetype"), "calendar"));
      busy &= !child(child(prop, "schedule-calendar-transp"), "transparent");
    });
    auto href = std::string(text(response, "href"));
    if (!href.starts_with('/')) {
      const auto url = io::parse_url(href);
      href = url && url->authority() == own_authority ? url->target : std::string();
    }
    if (calendar && busy && !href.empty() && out.size() < most_calendars) out.push_back(std::move(href));
  });
  if (!read) return read.error();
  return out;
}

Result<std::vector<std::string>> data_in(View multistatus) {
  std::vector<std::string> out;
  auto read = each_response(multistatus, [&](const pugi::xml_node& response) {
    each_prop(response, [&](const pugi::xml_node& prop) {
      const auto data = child(prop, "calendar-data");
      if (data && out.size() < most_objects) out.emplace_back(data.text().get());
    });
  });
  if (!read) return read.error();
  return out;
}

}  // namespace mapigate::freebusy
