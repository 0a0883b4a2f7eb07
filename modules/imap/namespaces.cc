#include "namespaces.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t most_namespaces = 20;  // listed by themselves
constexpr std::size_t most_asked = 500;      // for rights
constexpr std::size_t asked_at_once = 50;

// The mailbox of that name stands for the namespace, too.
bool is_within(const Namespace& space, std::string_view mailbox) {
  if (mailbox.starts_with(space.prefix)) return true;
  return space.separator != '\0' && space.prefix.size() == mailbox.size() + 1 && space.prefix.back() == space.separator &&
         space.prefix.starts_with(mailbox);
}

bool foreign(const Namespaces& namespaces, std::string_view mailbox) {
  return place_of(namespaces, mailbox).kind != NamespaceKind::personal;
}

Task<Status> list_unlisted(Connection* connection, std::string options, OnResponse on, Listing* listing) {
  std::vector<Namespace> spaces;
  for (const auto* kind : {&listing->namespaces->others, &listing->namespaces->shared})
    for (const auto& one : *kind) {
      // Prefixes like "~" are no place but the beginning of many.
      const bool place = one.separator != '\0' && one.prefix.size() > 1 && one.prefix.back() == one.separator;
      const bool listed = std::any_of(listing->entries.begin(), listing->entries.end(), [&](const auto& entry) {
        return entry.name.size() > one.prefix.size() && entry.name.starts_with(one.prefix);
      });
      if (place && !listed && spaces.size() < most_namespaces) spaces.push_back(one);
    }
  for (const auto& one : spaces) {
    const auto command = "LIST \"\" " + quote(one.prefix + "*") + options;
    auto done = co_await connection->run(command, on);
    if (!done) co_return done.error();
  }
  co_return Status();
}

Task<Status> drop_unsubscribed(Connection* connection, Listing* listing) {
  std::set<std::string> subscribed;
  auto on = [&subscribed](const Response& response) -> Status {
    if (auto entry = parse_list(response); entry && response.name == "LSUB" && subscribed.size() < 20'000) subscribed.insert(std::move(entry->name));
    return {};
  };
  const std::string command = "LSUB \"\" \"*\"";
  auto done = co_await connection->run_ok(command, on);
  if (!done) co_return done;
  std::erase_if(listing->entries,
                [&](const auto& entry) { return foreign(*listing->namespaces, entry.name) && !subscribed.contains(entry.name); });
  co_return Status();
}

Task<Status> ask_rights(Connection* connection, Listing* listing) {
  std::vector<std::string> asked;
  for (const auto& entry : listing->entries) {
    if (asked.size() == most_asked) break;
    if (entry.has("\\noselect") || entry.has("\\nonexistent") || !foreign(*listing->namespaces, entry.name)) continue;
    asked.push_back(entry.name);
  }
  auto on = [listing](const Response& response) -> Status {
    if (auto told = parse_my_rights(response); told && listing->rights.size() < 2 * most_asked) listing->rights.insert(std::move(*told));
    return {};
  };
  for (std::size_t at = 0; at < asked.size(); at += asked_at_once) {
    std::vector<std::string> tags;
    for (auto i = at; i < std::min(at + asked_at_once, asked.size()); ++i) {
      const auto command = "MYRIGHTS " + quote(asked[i]);
      auto tag = co_await connection->send(command);
      if (!tag) co_return tag.error();
      tags.push_back(std::move(*tag));
    }
    for (const auto& tag : tags) {
      // One that went meanwhile is no reason to know nothing of the others.
      auto done = co_await connection->finish(tag, on);
      if (!done) co_return done.error();
    }
  }
  co_return Status();
}

}  // namespace

PlaceOf place_of(const Namespaces& namespaces, std::string_view mailbox) {
  PlaceOf out;
  std::size_t longest = 0;
  const auto look = [&](const std::vector<Namespace>& spaces, NamespaceKind kind) {
    for (const auto& one : spaces)
      if (is_within(one, mailbox) && (!out.space || one.prefix.size() > longest)) {
        longest = one.prefix.size();
        out = {kind, &one};
      }
  };
  look(namespaces.personal, NamespaceKind::personal);
  if (equal_ignoring_ascii_case(mailbox, "INBOX")) return {};
  look(namespaces.others, NamespaceKind::others);
  look(namespaces.shared, NamespaceKind::shared);
  return out;
}

std::string name_of_top(NamespaceKind kind, const std::string& decoded_prefix) {
  auto name = decoded_prefix;
  while (!name.empty() && (name.front() == '#' || name.front() == '~')) name.erase(0, 1);
  if (!name.empty()) return name;
  return kind == NamespaceKind::others ? "Other Users" : "Shared Folders";
}

std::uint32_t rights_of(std::string_view letters) {
  const auto has = [&](char letter) { return letters.find(letter) != letters.npos; };
  std::uint32_t out = 0;
  if (has('r')) out |= 0x01;                                   // ReadAny
  if (has('i')) out |= 0x02;                                   // Create
  if (has('w')) out |= 0x08 | 0x20;                            // EditOwned, EditAny
  if ((has('t') && has('e')) || has('d')) out |= 0x10 | 0x40;  // DeleteOwned, DeleteAny
  if (has('k') || has('c')) out |= 0x80;                       // CreateSubFolder
  if (has('a') || has('x')) out |= 0x300;                      // FolderOwner, FolderContact
  if (has('l')) out |= 0x400;                                  // FolderVisible
  return out;
}

Task<Status> complete_listing(Connection* connection, SharedFolders wanted, std::string options, OnResponse on, Listing* listing) {
  const auto& told = *listing->namespaces;
  if (told.others.empty() && told.shared.empty()) co_return Status();
  if (wanted == SharedFolders::none) {
    std::erase_if(listing->entries, [&](const auto& entry) { return foreign(told, entry.name); });
    co_return Status();
  }
  auto listed = co_await list_unlisted(connection, std::move(options), on, listing);
  if (!listed) co_return listed;
  if (wanted == SharedFolders::subscribed) {
    auto dropped = co_await drop_unsubscribed(connection, listing);
    if (!dropped) co_return dropped;
  }
  if (!connection->has("ACL")) co_return Status();
  co_return co_await ask_rights(connection, listing);
}

}  // namespace mapigate::imap
