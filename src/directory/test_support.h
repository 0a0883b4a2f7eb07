// A directory of a few people, a room and a group, and an NSPI that answers from it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "directory/nspi.h"
#include "directory/templates.h"
#include "mapi/legacy_dn.h"
#include "mapi/properties.h"

namespace mapigate::directory::testing {

using mapi::PropertyTag, mapi::PropertyType, mapi::Restriction, mapi::RestrictType, mapi::Value;
namespace nspi = wire::nspi;
constexpr std::uint32_t english = 0x409, swedish = 0x41D;

inline Entry person(const std::string& name, const std::string& address) {
  Entry entry;
  entry.key = entry.address = address;
  entry.display_name = name;
  return entry;
}

inline std::vector<Entry> people() {
  std::vector<Entry> out;
  out.push_back(person("Alice Adams", "alice@example.test"));
  out.back().aliases = {"a.adams@example.test"};
  out.back().texts = {{mapi::PidTagTitle, "Chef"}, {mapi::PidTagDepartmentName, "Küche"}, {mapi::PidTagOfficeLocation, "Z 1"}};
  out.back().manager = "bob@example.test";
  out.back().container = {"Sales", "North"};
  out.back().former_dns = {"/o=Old/ou=First/cn=Recipients/cn=aadams"};
  out.push_back(person("Bob Brown", "bob@example.test"));
  out.back().account = "bb";
  out.back().container = {"Sales"};
  out.push_back(person("Bob Breuer", "breuer@example.test"));
  out.push_back(person("Ärlig Åberg", "arlig@example.test"));
  out.push_back(person("Zoë Zimmer", "zoe@example.test"));
  out.back().texts = {{mapi::PidTagAddressBookSenderHintTranslations, "Ring first: 12"}};
  out.push_back(person("Secret Agent", "agent@example.test"));
  out.back().hidden = true;
  out.push_back(person("Big Room", "room@example.test"));
  out.back().kind = EntryKind::room;
  out.back().capacity = 12;
  out.push_back(person("Staff", "staff@example.test"));
  out.back().kind = EntryKind::group;
  out.back().members = {"zoe@example.test", "a.adams@example.test", "agent@example.test", "nobody@example.test"};
  out.back().owners = {"bob@example.test"};
  return out;
}

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mapigate-directory-XXXXXX").string();
    if (mkdtemp(name.data())) folder = name;
    ids = *IdTable::open((folder / "ids").string());
    snapshot = *Snapshot::build(people(), *ids);
    server.name = "mail.example.test";
    server.mapi_url = "https://mail.example.test/mapi/";
    server.guid.bytes[0] = 7;
    stat.CodePage = 1252;
    stat.SortLocale = stat.TemplateLocale = english;
  }
  ~DirectoryTest() override {
    ids.reset();
    std::filesystem::remove_all(folder);
  }

  template <class Request>
  auto ask(const Request& request) {
    return Nspi(*snapshot, server, "alice@example.test", arena).answer(request);
  }
  MinimalEntryID id(std::string_view address) const { return snapshot->object(*snapshot->find_address(address)).id; }
  std::vector<std::string> names(const Indexes& objects) const {
    std::vector<std::string> out;
    for (const auto i : objects) out.push_back(snapshot->object(i).entry.display_name);
    return out;
  }
  std::vector<std::string> names(nspi::MinimalIdList list) const {
    std::vector<std::string> out;
    for (const auto one : list) out.push_back(snapshot->object(*snapshot->find(one)).entry.display_name);
    return out;
  }
  std::vector<std::string> first_cells(const nspi::ColumnsAndRows& rows) const {
    std::vector<std::string> out;
    for (const auto& row : rows.RowData) out.push_back(mapi::text_of(row.values[0]));
    return out;
  }
  nspi::GetMatches::Response match(const Restriction& filter, std::uint32_t most = 100) {
    nspi::GetMatches::Request request;
    request.State = stat;
    request.Filter = &filter;
    request.RowCount = most;
    return ask(request);
  }

  std::filesystem::path folder;
  std::unique_ptr<IdTable> ids;
  std::shared_ptr<const Snapshot> snapshot;
  Server server;
  nspi::STAT stat;
  Arena arena;
};

inline Restriction compare(PropertyTag tag, Value value, mapi::RelationalOperator op = mapi::RelationalOperator::Equal) {
  Restriction out;
  out.type = RestrictType::PropertyRestriction;
  out.relop = op;
  out.tag = tag;
  out.value = {tag, value};
  return out;
}

}  // namespace mapigate::directory::testing
