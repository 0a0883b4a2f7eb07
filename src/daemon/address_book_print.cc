#include "daemon/address_book_print.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/output.h"

namespace mapigate::daemon {

using Json = nlohmann::ordered_json;
using upstream::AddressBookEntry;
using wire::nspi::DisplayType;
using wire::nspi::MinimalEntryID;

namespace {

std::string dumped(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string kind_of(DisplayType type) {
  switch (type) {
    case DisplayType::DT_MAILUSER: return "user";
    case DisplayType::DT_DISTLIST:
    case DisplayType::DT_PRIVATE_DISTLIST: return "group";
    case DisplayType::DT_REMOTE_MAILUSER: return "contact";
    default: return fmt::format("type {:#x}", static_cast<std::uint32_t>(type));
  }
}

std::string outcome_of(MinimalEntryID outcome) {
  return outcome == MinimalEntryID::MID_RESOLVED ? "resolved" : outcome == MinimalEntryID::MID_AMBIGUOUS ? "ambiguous" : "unresolved";
}

Json entry_json(const AddressBookEntry& entry) {
  return {{"name", entry.name},             {"address", entry.address}, {"kind", kind_of(entry.type)}, {"title", entry.title},
          {"department", entry.department}, {"office", entry.office},   {"phone", entry.phone}};
}

Json list_json(const std::vector<AddressBookEntry>& entries) {
  auto out = Json::array();
  for (const auto& entry : entries) out.push_back(entry_json(entry));
  return out;
}

}  // namespace

std::string entries_text(const std::vector<AddressBookEntry>& entries) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& entry : entries)
    rows.push_back({escape_controls(entry.name), escape_controls(entry.address), kind_of(entry.type), escape_controls(entry.title),
                    escape_controls(entry.department), escape_controls(entry.phone)});
  return table({{"Name", 40}, {"Address", 40}, {"Kind"}, {"Title", 30}, {"Department", 30}, {"Phone"}}, rows);
}
std::string entries_json(const std::vector<AddressBookEntry>& entries) { return dumped(list_json(entries)); }

std::string containers_text(const std::vector<upstream::AddressBookContainer>& containers) {
  std::string out;
  for (const auto& container : containers) out += std::string(2 * std::min(container.depth, 32u), ' ') + escape_controls(container.name) + "\n";
  return out;
}
std::string containers_json(const std::vector<upstream::AddressBookContainer>& containers) {
  auto out = Json::array();
  for (const auto& one : containers) out.push_back({{"id", one.id}, {"depth", one.depth}, {"name", one.name}});
  return dumped(out);
}

std::string resolved_text(const std::vector<upstream::ResolvedName>& names) {
  std::string out;
  for (const auto& name : names) {
    out += fmt::format("{}: {}\n", escape_controls(name.asked), outcome_of(name.outcome));
    for (const auto& entry : name.entries) out += fmt::format("  {} <{}>\n", escape_controls(entry.name), escape_controls(entry.address));
  }
  return out;
}
std::string resolved_json(const std::vector<upstream::ResolvedName>& names) {
  auto out = Json::array();
  for (const auto& name : names)
    out.push_back({{"name", name.asked}, {"outcome", outcome_of(name.outcome)}, {"entries", list_json(name.entries)}});
  return dumped(out);
}

}  // namespace mapigate::daemon
