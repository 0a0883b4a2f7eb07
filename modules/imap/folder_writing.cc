// Making, renaming and deleting mailboxes (RFC 3501 6.3.3 to 6.3.7).
#include <algorithm>

#include "base/text.h"
#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t most_characters = 255;  // what Outlook lets users type; servers with narrower limits refuse for themselves

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

// The mailbox that a folder of that name is, and others that show the same name, for servers that refuse it; what stays most
// like the name comes first. `was`: the mailbox that it has been until now, if any.
Result<std::vector<std::string>> mailboxes_below(const Connection& connection, const Place& place, const std::string& parent,
                                                 const std::string& name, const std::string& was) {
  if (name.empty() || to_utf16(name).size() / 2 > most_characters) return error(Errc::malformed, "no name for a mailbox");
  const auto separator = place.separator_below(parent);
  if (separator == '\0' && !parent.empty() && parent != shared_top) return error(Errc::denied, "the IMAP server has no folders within folders");
  std::vector<std::string> out;
  const auto add = [&](const std::string& wire) {
    auto mailbox = parent.empty() ? place.prefix + wire : parent == shared_top ? wire : parent + separator + wire;
    if (std::find(out.begin(), out.end(), mailbox) == out.end()) out.push_back(std::move(mailbox));
  };
  const bool at_top = (parent.empty() && place.prefix.empty()) || parent == shared_top;
  const bool is_inbox = at_top && equal_ignoring_ascii_case(name, "INBOX");
  // One that only moves keeps the name that other programs know.
  const auto before = was.substr(was.rfind(place.separator_below(was)) + 1);
  const bool same = !before.empty() && shown_name(decode_mailbox_name(before, connection.utf8())) == name;
  if (same && !is_inbox && before.find(separator) == before.npos) add(before);
  for (const auto what : {Replace::necessary, Replace::separators, Replace::all}) {
    auto held = held_name(name, separator, what);
    if (is_inbox) held.replace(0, 1, replaced(held[0]));
    add(encode_mailbox_name(held, connection.utf8()));
  }
  return out;
}

// A refusal without a code may mean that the name is taken.
Task<Error> refusal(Connection* connection, Completion done, std::string command, std::string mailbox) {
  auto why = done.error(command);
  if (meaning_of(done.code, Errc::internal) != Errc::internal) co_return why;
  bool there = false;
  auto on = [&there, &mailbox](const Response& response) -> Status {
    auto entry = parse_list(response);
    const bool itself = entry && (entry->name == mailbox || mailbox.find_first_of("%*") == mailbox.npos);
    there |= itself && !entry->has("\\nonexistent");
    return {};
  };
  auto listed = co_await connection->run_ok("LIST \"\" " + quote(mailbox), on);
  if (listed && there) why.code = Errc::conflict;
  else if (listed) why.code = Errc::denied;
  co_return why;
}

// Another name may do: the server gave no reason, or that the name cannot be.
bool minds_the_name(const Completion& done, const Error& why) {
  return (done.code.empty() && why.code == Errc::denied) || done.code == "CANNOT";
}

// CREATE or RENAME to the first of the mailboxes that the server takes.
Task<Result<std::string>> make_one_of(Connection* connection, std::string command, std::vector<std::string> mailboxes) {
  const auto verb = command.substr(0, command.find(' '));
  Error why;
  for (const auto& mailbox : mailboxes) {
    const auto line = command + " " + quote(mailbox);
    auto done = co_await connection->run(line, {});
    if (!done) co_return done.error();
    if (done->ok) co_return mailbox;
    why = co_await refusal(connection, *done, verb, mailbox);
    if (!minds_the_name(*done, why)) break;
  }
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
    auto mailboxes = mailboxes_below(connection, *place, parent, name, {});
    if (!mailboxes) co_return mailboxes.error();
    auto mailbox = co_await make_one_of(&connection, "CREATE", std::move(*mailboxes));
    if (!mailbox) co_return mailbox.error();
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
    auto mailboxes = mailboxes_below(connection, *place, parent, name, remote_id);
    if (!mailboxes) co_return mailboxes.error();
    std::vector<std::string> moved{remote_id};
    const char separator = place->separator_below(remote_id);
    auto on = [&](const Response& response) -> Status {
      auto entry = parse_list(response);
      if (entry && entry->name.starts_with(remote_id + separator)) moved.push_back(std::move(entry->name));
      return {};
    };
    if (separator != '\0') {
      auto listed = co_await connection.run_ok("LIST \"\" " + quote(remote_id + separator + "*"), on);
      if (!listed) co_return listed.error();
    }
    auto mailbox = Result<std::string>(remote_id);
    if (mailboxes->front() != remote_id) {
      if (connection.selected() == remote_id && connection.has("UNSELECT")) {
        auto left = co_await connection.unselect();
        if (!left) co_return left.error();
      }
      auto command = "RENAME " + quote(remote_id);
      mailbox = co_await make_one_of(&connection, std::move(command), std::move(*mailboxes));
    }
    if (!mailbox) co_return mailbox.error();
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& one : moved) out.emplace_back(one, *mailbox + one.substr(remote_id.size()));
    if (*mailbox == remote_id) co_return out;
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
