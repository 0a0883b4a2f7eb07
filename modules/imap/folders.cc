// Which folders there are, what they are for, and which is below which.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

using mailbox::RemoteFolder;
using state::FolderRole;

constexpr std::size_t most_folders = 20'000;

FolderRole role_of(const ListEntry& entry) {
  if (entry.has("\\sent")) return FolderRole::sent_items;
  if (entry.has("\\drafts")) return FolderRole::drafts;
  if (entry.has("\\trash")) return FolderRole::deleted_items;
  if (entry.has("\\junk") || entry.has("\\spam")) return FolderRole::junk;
  if (entry.has("\\archive")) return FolderRole::archive;
  return FolderRole::none;
}

// Names that mail programs have given these folders, for servers without SPECIAL-USE; the
// better ones first. Compared after fold().
struct KnownName {
  FolderRole role;
  std::string_view name;
};
constexpr KnownName known_names[] = {
    {FolderRole::sent_items, "Sent"},
    {FolderRole::sent_items, "Sent Items"},
    {FolderRole::sent_items, "Sent Messages"},
    {FolderRole::sent_items, "Sent Mail"},
    {FolderRole::sent_items, "Gesendet"},
    {FolderRole::sent_items, "Gesendete Elemente"},
    {FolderRole::sent_items, "Gesendete Objekte"},
    {FolderRole::sent_items, "Envoyés"},
    {FolderRole::sent_items, "Éléments envoyés"},
    {FolderRole::sent_items, "Messages envoyés"},
    {FolderRole::sent_items, "Enviados"},
    {FolderRole::sent_items, "Elementos enviados"},
    {FolderRole::sent_items, "Posta inviata"},
    {FolderRole::sent_items, "Inviata"},
    {FolderRole::sent_items, "Verzonden items"},
    {FolderRole::sent_items, "Отправленные"},
    {FolderRole::drafts, "Drafts"},
    {FolderRole::drafts, "Draft"},
    {FolderRole::drafts, "Entwürfe"},
    {FolderRole::drafts, "Brouillons"},
    {FolderRole::drafts, "Borradores"},
    {FolderRole::drafts, "Bozze"},
    {FolderRole::drafts, "Rascunhos"},
    {FolderRole::drafts, "Concepten"},
    {FolderRole::drafts, "Черновики"},
    {FolderRole::deleted_items, "Trash"},
    {FolderRole::deleted_items, "Deleted Items"},
    {FolderRole::deleted_items, "Deleted Messages"},
    {FolderRole::deleted_items, "Deleted"},
    {FolderRole::deleted_items, "Papierkorb"},
    {FolderRole::deleted_items, "Gelöschte Elemente"},
    {FolderRole::deleted_items, "Gelöschte Objekte"},
    {FolderRole::deleted_items, "Corbeille"},
    {FolderRole::deleted_items, "Éléments supprimés"},
    {FolderRole::deleted_items, "Papelera"},
    {FolderRole::deleted_items, "Elementos eliminados"},
    {FolderRole::deleted_items, "Cestino"},
    {FolderRole::deleted_items, "Lixeira"},
    {FolderRole::deleted_items, "Prullenbak"},
    {FolderRole::deleted_items, "Удаленные"},
    {FolderRole::junk, "Junk"},
    {FolderRole::junk, "Spam"},
    {FolderRole::junk, "Junk E-mail"},
    {FolderRole::junk, "Junk Email"},
    {FolderRole::junk, "Bulk Mail"},
    {FolderRole::junk, "Junk-E-Mail"},
    {FolderRole::junk, "Courrier indésirable"},
    {FolderRole::junk, "Indésirables"},
    {FolderRole::junk, "Correo no deseado"},
    {FolderRole::junk, "Posta indesiderata"},
    {FolderRole::junk, "Ongewenste e-mail"},
    {FolderRole::junk, "Спам"},
    {FolderRole::archive, "Archive"},
    {FolderRole::archive, "Archives"},
    {FolderRole::archive, "Archiv"},
    {FolderRole::archive, "Archivo"},
    {FolderRole::archive, "Archivio"},
    {FolderRole::archive, "Архив"},
};

bool is_inbox(std::string_view name) { return equal_ignoring_ascii_case(name, "INBOX"); }

// The prefix that stands before all of the user's own folders ("INBOX."), empty when there is none.
std::string inbox_prefix(const Listing& listing) {
  if (listing.namespaces) {
    for (const auto& one : listing.namespaces->personal)
      if (one.separator != '\0' && one.prefix.size() == 6 && is_inbox(one.prefix.substr(0, 5)) &&
          one.prefix[5] == one.separator)
        return one.prefix;
    return {};
  }
  std::string prefix;
  for (const auto& entry : listing.entries) {
    if (is_inbox(entry.name)) continue;
    if (entry.separator == '\0' || entry.name.size() < 7 || !is_inbox(entry.name.substr(0, 5)) ||
        entry.name[5] != entry.separator)
      return {};
    prefix = entry.name.substr(0, 6);
  }
  return prefix;
}

class Tree {
 public:
  explicit Tree(const Listing& listing) : listing_(listing), prefix_(inbox_prefix(listing)) {}

  std::vector<RemoteFolder> build() {
    add("INBOX", nullptr);  // it always exists (RFC 3501 5.1)
    for (const auto& entry : listing_.entries) {
      if (folders_.size() >= most_folders) break;
      add(entry.name, &entry);
    }
    drop_empty_shells();
    give_roles();
    give_rights();
    for (const auto& status : listing_.statuses) {
      auto found = folders_.find(is_inbox(status.name) ? "INBOX" : status.name);
      if (found == folders_.end()) continue;
      found->second.folder.total = status.messages;
      found->second.folder.unread = status.unseen;
    }
    std::vector<RemoteFolder> out;
    for (const auto& id : order_)
      if (folders_.count(id) != 0) out.push_back(std::move(folders_.at(id).folder));
    return out;
  }

 private:
  struct Node {
    RemoteFolder folder;
    FolderRole announced = FolderRole::none;
    NamespaceKind kind = NamespaceKind::personal;
    unsigned depth = 0;
  };

  void add(const std::string& wire, const ListEntry* entry) {
    const std::string id = is_inbox(wire) ? "INBOX" : wire;
    if (id.empty() || (!prefix_.empty() && id == prefix_)) return;
    auto found = folders_.find(id);
    if (found == folders_.end()) {
      const char separator = entry == nullptr ? '\0' : entry->separator;
      auto name = id;
      Node node;
      if (!prefix_.empty() && id.starts_with(prefix_)) {
        name = id.substr(prefix_.size());
        if (separator != '\0') place(node, name, prefix_, separator, entry);
      } else if (separator != '\0' && id != "INBOX") {
        place(node, name, {}, separator, entry);
      }
      node.folder.remote_id = id;
      node.folder.name = shown_name(decode_mailbox_name(name, listing_.utf8));
      node.folder.selectable = false;
      if (listing_.namespaces) settle(node);
      found = folders_.emplace(id, std::move(node)).first;
      order_.push_back(id);
    }
    auto& node = found->second;
    if (entry == nullptr) {
      if (id == "INBOX") node.folder.role = FolderRole::inbox, node.folder.selectable = true;
      return;
    }
    node.folder.selectable = !entry->has("\\noselect") && !entry->has("\\nonexistent");
    // The Sent of somebody else is not ours.
    if (node.kind == NamespaceKind::personal) node.announced = role_of(*entry);
  }

  // What others share stands below a folder of its own.
  void settle(Node& node) {
    auto& folder = node.folder;
    const auto place = place_of(*listing_.namespaces, folder.remote_id);
    node.kind = folder.remote_id == shared_top ? NamespaceKind::shared : place.kind;
    if (node.kind == NamespaceKind::personal || !place.space || !folder.parent_remote_id.empty()) return;
    if (folder.remote_id == shared_top) {
      folder.name = name_of_top(NamespaceKind::shared, {});
    } else if (place.space->prefix.size() == folder.remote_id.size() + 1) {
      folder.name = name_of_top(place.kind, folder.name);
    } else if (place.space->prefix.empty()) {
      if (folders_.count(shared_top) == 0) {
        ListEntry shell;
        shell.attributes = {"\\noselect"};
        shell.name = shared_top;
        add(shell.name, &shell);
      }
      folder.parent_remote_id = shared_top;
      node.depth = 1;
    }
  }

  void give_rights() {
    for (const auto& [mailbox, letters] : listing_.rights) {
      auto found = folders_.find(mailbox);
      if (found != folders_.end() && found->second.kind != NamespaceKind::personal) found->second.folder.rights = rights_of(letters);
    }
  }

  // Splits the last element off `name` and makes sure that what is above it is there.
  void place(Node& node, std::string& name, const std::string& before, char separator,
             const ListEntry* entry) {
    while (name.size() > 1 && name.back() == separator) name.pop_back();
    const auto cut = name.rfind(separator);
    if (cut == std::string::npos || cut == 0) return;
    auto parent = before + name.substr(0, cut);
    name.erase(0, cut + 1);
    if (is_inbox(parent)) parent = "INBOX";
    if (folders_.count(parent) == 0) {
      ListEntry shell;  // some servers leave out what cannot be selected
      shell.attributes = {"\\noselect"};
      shell.separator = entry->separator;
      shell.name = parent;
      add(parent, &shell);
    }
    const auto found = folders_.find(parent);
    if (found == folders_.end()) return;
    node.folder.parent_remote_id = parent;
    node.depth = found->second.depth + 1;
  }

  void drop_empty_shells() {
    std::set<std::string> needed;
    auto order = order_;
    for (auto at = order.rbegin(); at != order.rend(); ++at) {
      const auto& folder = folders_.at(*at).folder;
      if (folder.selectable || needed.count(*at) != 0)
        needed.insert(folder.parent_remote_id);
      else
        folders_.erase(*at);
    }
  }

  void give_roles() {
    std::set<FolderRole> given{FolderRole::inbox};
    for (const auto& id : order_) {
      auto found = folders_.find(id);
      if (found == folders_.end() || !found->second.folder.selectable || id == "INBOX") continue;
      const auto role = found->second.announced;
      if (role != FolderRole::none && given.insert(role).second) found->second.folder.role = role;
    }
    for (const auto& known : known_names) {
      if (given.count(known.role) != 0) continue;
      const auto wanted = fold(known.name);
      for (const auto& id : order_) {
        auto found = folders_.find(id);
        if (found == folders_.end()) continue;
        auto& node = found->second;
        const bool near_top = node.depth == 0 || (node.depth == 1 && node.folder.parent_remote_id == "INBOX");
        if (!near_top || !node.folder.selectable || node.folder.role != FolderRole::none || id == "INBOX") continue;
        if (node.kind != NamespaceKind::personal) continue;
        if (fold(node.folder.name) != wanted) continue;
        node.folder.role = known.role;
        given.insert(known.role);
        break;
      }
    }
  }

  const Listing& listing_;
  std::string prefix_;
  std::map<std::string, Node> folders_;
  std::vector<std::string> order_;
};

// For servers whose LIST tells no counts: asked for one by one, each no more often than this. What the index holds of a folder
// that was opened is newer.
constexpr auto counted_again = std::chrono::minutes(10);
constexpr std::size_t most_counted = 500, counted_at_once = 25;

Task<Status> count_messages(Connection* connection, std::shared_ptr<Account> account, Listing* listing) {
  auto& known = account->counts;
  std::set<std::string> listed;
  std::vector<std::string> wanted;
  for (const auto& entry : listing->entries) {
    if (entry.has("\\noselect") || entry.has("\\nonexistent") || !listed.insert(entry.name).second) continue;
    const auto found = known.find(entry.name);
    const bool fresh = found != known.end() && found->second.asked + counted_again > Clock::now();
    if (!fresh && entry.name != connection->selected() && wanted.size() < most_counted) wanted.push_back(entry.name);
  }
  std::erase_if(known, [&listed](const auto& one) { return !listed.contains(one.first); });
  auto on = [&known, &listed](const Response& response) -> Status {
    if (const auto status = parse_status(response); status && listed.contains(status->name)) known[status->name] = {*status, Clock::now()};
    return {};
  };
  for (std::size_t at = 0; at < wanted.size(); at += counted_at_once) {
    std::vector<std::string> tags;
    for (auto i = at; i < std::min(at + counted_at_once, wanted.size()); ++i) {
      known[wanted[i]].asked = Clock::now();  // also where the answer is NO
      auto tag = co_await connection->send("STATUS " + quote(wanted[i]) + " (MESSAGES UNSEEN)");
      if (!tag) co_return tag.error();
      tags.push_back(std::move(*tag));
    }
    for (auto& tag : tags) {
      auto done = co_await connection->finish(std::move(tag), on);
      if (!done) co_return done.error();
    }
  }
  for (const auto& [name, count] : known) listing->statuses.push_back(count.status);
  co_return Status();
}

}  // namespace

std::vector<RemoteFolder> arrange_folders(const Listing& listing) { return Tree(listing).build(); }

Task<Result<std::vector<RemoteFolder>>> list_folders(std::shared_ptr<Account> account) {
  for (;;) {
    const std::string any_mailbox;
    auto lease = co_await account->pool->acquire(any_mailbox);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    Listing listing;
    listing.utf8 = connection.utf8();
    auto on = [&listing](const Response& response) -> Status {
      if (auto entry = parse_list(response)) {
        if (listing.entries.size() >= most_folders)
          return error(Errc::limit, "more than {} folders", most_folders);
        if (response.name == "LIST") listing.entries.push_back(std::move(*entry));
      } else if (auto status = parse_status(response)) {
        if (listing.statuses.size() < most_folders) listing.statuses.push_back(std::move(*status));
      } else if (auto namespaces = parse_namespaces(response)) {
        listing.namespaces = std::move(namespaces);
      }
      return {};
    };
    std::string options;
    if (connection.has("LIST-EXTENDED")) {
      std::string wanted;
      if (connection.has("SPECIAL-USE")) wanted += "SPECIAL-USE";
      if (connection.has("LIST-STATUS"))
        wanted += std::string(wanted.empty() ? "" : " ") + "STATUS (MESSAGES UNSEEN)";
      if (!wanted.empty()) options = " RETURN (" + wanted + ")";
    }
    const auto list = "LIST \"\" \"*\"" + options;
    std::string namespace_tag;
    if (connection.has("NAMESPACE")) {
      auto tag = co_await connection.send("NAMESPACE");
      if (tag) namespace_tag = *tag;
    }
    auto list_tag = co_await connection.send(list);
    if (!list_tag && lease->stale()) continue;
    if (!list_tag) co_return list_tag.error();
    if (!namespace_tag.empty()) {
      auto done = co_await connection.finish(namespace_tag, on);
      if (!done && lease->stale()) continue;
      if (!done) co_return done.error();
    }
    auto done = co_await connection.finish(*list_tag, on);
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    if (!done->ok && !options.empty()) {  // announced, and yet not understood
      listing.entries.clear();
      options.clear();
      done = co_await connection.run("LIST \"\" \"*\"", on);
      if (!done) co_return done.error();
    }
    if (!done->ok) co_return done->error("LIST");
    if (listing.namespaces) {
      auto completed = co_await complete_listing(&connection, account->options.shared_folders, options, on, &listing);
      if (!completed) co_return completed.error();
    }
    if (listing.statuses.empty()) {
      auto counted = co_await count_messages(&connection, account, &listing);
      if (!counted) co_return counted.error();
    }
    co_return arrange_folders(listing);
  }
}

}  // namespace mapigate::imap
