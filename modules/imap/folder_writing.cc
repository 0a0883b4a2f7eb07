// Making, renaming and deleting mailboxes (RFC 3501 6.3.3 to 6.3.7).
#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

struct Place {
  char separator = '\0';
  std::string prefix;  // of one's own mailboxes
  Namespaces all;
  // Below a mailbox of others it may be another one.
  char separator_below(std::string_view mailbox) const {
    const auto at = place_of(all, mailbox);
    return at.space && at.space->separator != '\0' ? at.space->separator : separator;
  }
};

Task<Result<Place>> place_of_new(Connection* connection) {
  Place out;
  auto on = [&out](const Response& response) -> Status {
    if (auto namespaces = parse_namespaces(response)) {
      out.all = *namespaces;
      if (namespaces->personal.empty()) return {};
      out.prefix = namespaces->personal[0].prefix;
      out.separator = namespaces->personal[0].separator;
    } else if (auto entry = parse_list(response)) {
      if (out.separator == '\0') out.separator = entry->separator;
    }
    return {};
  };
  if (connection->has("NAMESPACE")) {
    auto asked = co_await connection->run("NAMESPACE", on);
    if (!asked) co_return asked.error();
  }
  auto listed = co_await connection->run_ok("LIST \"\" \"\"", on);
  if (!listed) co_return listed.error();
  co_return out;
}

Result<std::string> mailbox_below(const Connection& connection, const Place& place, const std::string& parent,
                                  const std::string& name) {
  if (name.empty() || name.size() > 250 || name.find_first_of(std::string_view("\r\n\0", 3)) != name.npos)
    return error(Errc::malformed, "no name for a mailbox");
  const auto separator = place.separator_below(parent);
  if (separator != '\0' && name.find(separator) != name.npos)
    return error(Errc::denied, "the IMAP server cannot have '{}' in the name of a folder", separator);
  const auto wire = encode_mailbox_name(name, connection.utf8());
  if (parent.empty()) return place.prefix + wire;
  if (parent == shared_top) return wire;
  if (separator == '\0') return error(Errc::denied, "the IMAP server has no folders within folders");
  return parent + separator + wire;
}

// A refusal without a code may mean that the name is taken.
Task<Error> refusal(Connection* connection, Completion done, std::string command, std::string mailbox) {
  auto why = done.error(command);
  if (meaning_of(done.code, Errc::internal) != Errc::internal) co_return why;
  bool there = false;
  auto on = [&there](const Response& response) -> Status {
    auto entry = parse_list(response);
    there |= entry && !entry->has("\\nonexistent");
    return {};
  };
  auto listed = co_await connection->run_ok("LIST \"\" " + quote(mailbox), on);
  if (listed && there) why.code = Errc::conflict;
  else if (listed) why.code = Errc::denied;
  co_return why;
}

}  // namespace

Task<Result<mailbox::RemoteFolder>> ImapProvider::create_folder(std::string parent, std::string name) {
  auto account = account_;
  const std::string any_mailbox;
  for (;;) {
    auto lease = co_await account->pool->acquire(any_mailbox, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto place = co_await place_of_new(&connection);
    if (!place && lease->stale()) continue;
    if (!place) co_return place.error();
    auto mailbox = mailbox_below(connection, *place, parent, name);
    if (!mailbox) co_return mailbox.error();
    auto done = co_await connection.run("CREATE " + quote(*mailbox), {});
    if (!done) co_return done.error();
    if (!done->ok) {
      auto why = co_await refusal(&connection, *done, "CREATE", *mailbox);
      co_return why;
    }
    auto subscribed = co_await connection.run("SUBSCRIBE " + quote(*mailbox), {});
    if (!subscribed) co_return subscribed.error();
    mailbox::RemoteFolder folder;
    folder.remote_id = *mailbox;
    folder.parent_remote_id = parent;
    folder.name = name;
    folder.total = folder.unread = 0;
    co_return folder;
  }
}

Task<Status> ImapProvider::delete_folder(std::string remote_id) {
  auto account = account_;
  if (remote_id == shared_top) co_return error(Errc::denied, "a namespace is not to be deleted");
  const std::string any_mailbox;
  for (;;) {
    auto lease = co_await account->pool->acquire(any_mailbox, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    // Not while it is selected: some servers refuse that.
    if (connection.selected() == remote_id && connection.has("UNSELECT")) {
      auto left = co_await connection.unselect();
      if (!left && lease->stale()) continue;
      if (!left) co_return left;
    }
    auto done = co_await connection.run("DELETE " + quote(remote_id), {});
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    if (!done->ok) {
      auto why = co_await refusal(&connection, *done, "DELETE", remote_id);
      if (why.code == Errc::conflict) why.code = Errc::denied;
      const bool gone = why.code == Errc::not_found || (why.code == Errc::denied && done->code.empty() && !connection.is_open());
      if (gone) co_return Status();
      co_return why;
    }
    auto unsubscribed = co_await connection.run("UNSUBSCRIBE " + quote(remote_id), {});
    (void)unsubscribed;
    co_return Status();
  }
}

Task<Result<std::vector<std::pair<std::string, std::string>>>> ImapProvider::move_folder(std::string remote_id,
                                                                                         std::string parent,
                                                                                         std::string name) {
  auto account = account_;
  if (remote_id == shared_top) co_return error(Errc::denied, "a namespace is not to be renamed");
  const std::string any_mailbox;
  for (;;) {
    auto lease = co_await account->pool->acquire(any_mailbox, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto place = co_await place_of_new(&connection);
    if (!place && lease->stale()) continue;
    if (!place) co_return place.error();
    auto mailbox = mailbox_below(connection, *place, parent, name);
    if (!mailbox) co_return mailbox.error();
    std::vector<std::pair<std::string, std::string>> out{{remote_id, *mailbox}};
    const char separator = place->separator_below(remote_id);
    auto on = [&](const Response& response) -> Status {
      auto entry = parse_list(response);
      if (entry && entry->name.starts_with(remote_id + separator))
        out.emplace_back(entry->name, *mailbox + entry->name.substr(remote_id.size()));
      return {};
    };
    if (separator != '\0') {
      auto listed = co_await connection.run_ok("LIST \"\" " + quote(remote_id + separator + "*"), on);
      if (!listed) co_return listed.error();
    }
    if (*mailbox == remote_id) co_return out;
    if (connection.selected() == remote_id && connection.has("UNSELECT")) {
      auto left = co_await connection.unselect();
      if (!left) co_return left.error();
    }
    auto done = co_await connection.run("RENAME " + quote(remote_id) + " " + quote(*mailbox), {});
    if (!done) co_return done.error();
    if (!done->ok) {
      auto why = co_await refusal(&connection, *done, "RENAME", *mailbox);
      co_return why;
    }
    for (const auto& [old_name, new_name] : out) {
      auto unsubscribed = co_await connection.run("UNSUBSCRIBE " + quote(old_name), {});
      if (!unsubscribed) co_return out;
      auto subscribed = co_await connection.run("SUBSCRIBE " + quote(new_name), {});
      if (!subscribed) co_return out;
    }
    co_return out;
  }
}

}  // namespace mapigate::imap
