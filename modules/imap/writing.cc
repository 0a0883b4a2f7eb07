// Storing, copying, moving and removing messages, and their keywords (RFC 3501, 4315, 6851).
#include <algorithm>

#include "mailbox_name.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t at_once = 500;  // messages in one command

std::vector<std::uint32_t> ascending(const std::vector<std::uint64_t>& keys) {
  std::vector<std::uint32_t> uids;
  for (const auto key : keys) uids.push_back(static_cast<std::uint32_t>(key));
  std::sort(uids.begin(), uids.end());
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  return uids;
}

std::vector<std::uint32_t> uids_of(std::string_view set) {
  auto ranges = parse_uid_set(set);
  if (!ranges) return {};
  std::vector<std::uint32_t> out;
  // In the order of the set: COPYUID pairs them by place.
  for (const auto& [first, last] : *ranges)
    for (std::uint64_t uid = first; uid <= last && out.size() < 2 * at_once; ++uid) out.push_back(static_cast<std::uint32_t>(uid));
  return out;
}

// COPYUID <validity> <from> <to>; in the tagged answer of COPY, in an untagged OK before MOVE's.
void note_copied(const std::vector<std::string>& words, std::vector<mailbox::CopiedMessage>& out) {
  if (words.size() < 3) return;
  const auto from = uids_of(words[1]), to = uids_of(words[2]);
  if (from.size() != to.size()) return;
  for (std::size_t i = 0; i < from.size(); ++i) out.push_back({from[i], to[i]});
}
OnResponse collect_copied(std::vector<mailbox::CopiedMessage>& out) {
  return [&out](const Response& response) -> Status {
    if (response.code != "COPYUID") return {};
    std::vector<std::string> words;
    for (const auto& value : response.code_values) words.emplace_back(value.text);
    note_copied(words, out);
    return {};
  };
}

// Flags and expunges exactly these. Without UIDPLUS, EXPUNGE would take along what others have flagged: then it stays
// flagged and is expunged by whoever means to.
Task<Status> expunge(Connection* connection, std::string set, bool only_ours) {
  auto stored = co_await connection->run_ok(fmt::format("UID STORE {} +FLAGS.SILENT (\\Deleted)", set), {});
  if (!stored) co_return stored;
  if (connection->has("UIDPLUS")) {
    auto done = co_await connection->run_ok("UID EXPUNGE " + set, {});
    co_return done;
  }
  if (!only_ours) co_return Status();
  auto done = co_await connection->run_ok("EXPUNGE", {});
  co_return done;
}

// Without UIDPLUS: whether nobody else has flagged messages as deleted, so that EXPUNGE removes ours only.
Task<Result<bool>> none_deleted(Connection* connection) {
  if (connection->has("UIDPLUS")) co_return true;
  bool any = false;
  auto on = [&any](const Response& response) -> Status {
    if (auto ranges = parse_search(response)) any |= !ranges->empty();
    return {};
  };
  auto done = co_await connection->run_ok("UID SEARCH DELETED", on);
  if (!done) co_return done.error();
  if (!any) co_return true;
  // What another connection of ours has just expunged is still there in the eyes of this one, until it may be told.
  done = co_await connection->run_ok("NOOP", {});
  if (!done) co_return done.error();
  any = false;
  done = co_await connection->run_ok("UID SEARCH DELETED", on);
  if (!done) co_return done.error();
  co_return !any;
}

}  // namespace

Task<Result<std::uint64_t>> ImapProvider::append(state::Folder folder, convert::ByteSource message, std::uint32_t flags,
                                                 FileTime received) {
  auto account = account_;
  for (;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    // Keywords that the mailbox may not take are left out unless it is known to take them.
    const bool keywords = connection.selected() == folder.remote_id && connection.selection().keywords;
    auto command = "APPEND " + quote(folder.remote_id) + " (" + flag_names(flags, keywords) + ")";
    if (received.ticks != 0) command += " \"" + format_internal_date(received) + "\"";
    // On a connection that may have died while it lay idle nothing is stored before the server has answered; else trying
    // again could store it twice.
    auto done = co_await connection.run_literal(std::move(command), message.view(), {}, lease->reused());
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    if (!done->ok) co_return done->error("APPEND");
    std::uint64_t uid = 0;
    if (done->code == "APPENDUID" && done->code_values.size() >= 2 && connection.has("UIDPLUS")) {
      const auto uids = uids_of(done->code_values[1]);
      if (uids.size() == 1) uid = uids[0];
    }
    co_return uid;
  }
}

Task<Status> ImapProvider::remove(state::Folder folder, std::vector<std::uint64_t> remote_keys) {
  auto account = account_;
  const auto uids = ascending(remote_keys);
  if (uids.empty()) co_return Status();
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered;
    if (connection.selection().read_only)
      co_return error(Errc::denied, "mailbox {} is read-only for this user", folder.remote_id);
    auto alone = co_await none_deleted(&connection);
    if (!alone && (lease->stale() || select_again(*lease, &again))) continue;
    if (!alone) co_return alone.error();
    Status done;
    for (std::size_t at = 0; at < uids.size() && done; at += at_once) {
      const auto part = std::span(uids).subspan(at, std::min(at_once, uids.size() - at));
      done = co_await expunge(&connection, make_uid_set(part), *alone);
    }
    if (!done && select_again(*lease, &again)) continue;
    co_return done;
  }
}

Task<Result<std::vector<mailbox::CopiedMessage>>> ImapProvider::copy(state::Folder from,
                                                                     std::vector<std::uint64_t> remote_keys,
                                                                     state::Folder to, bool move) {
  auto account = account_;
  const auto uids = ascending(remote_keys);
  std::vector<mailbox::CopiedMessage> out;
  for (bool again = false; !uids.empty();) {
    auto lease = co_await account->pool->acquire(from.remote_id, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, from, uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered.error();
    if (move && connection.selection().read_only)
      co_return error(Errc::denied, "mailbox {} is read-only for this user", from.remote_id);
    auto alone = co_await none_deleted(&connection);
    if (!alone && (lease->stale() || select_again(*lease, &again))) continue;
    if (!alone) co_return alone.error();
    const bool at_a_stroke = move && connection.has("MOVE");
    const bool uids_told = connection.has("UIDPLUS");
    OnResponse on;
    if (uids_told) on = collect_copied(out);
    bool from_the_start = false;
    for (std::size_t at = 0; at < uids.size(); at += at_once) {
      const auto part = std::span(uids).subspan(at, std::min(at_once, uids.size() - at));
      const auto set = make_uid_set(part);
      const auto before = out.size();
      auto command = fmt::format("UID {} {} {}", at_a_stroke ? "MOVE" : "COPY", set, quote(to.remote_id));
      auto done = co_await connection.run(std::move(command), on);
      if (!done) co_return done.error();
      // What is refused as a whole may be tried again while nothing else has been done.
      if (!done->ok && select_again(*lease, &again) && at == 0 && out.empty()) {
        from_the_start = true;
        break;
      }
      if (!done->ok) co_return done->error(at_a_stroke ? "UID MOVE" : "UID COPY");
      if (done->code == "COPYUID" && uids_told) note_copied(done->code_values, out);
      if (out.size() == before && !uids_told)
        for (const auto uid : part) out.push_back({uid, 0});
      if (move && !at_a_stroke) {
        auto gone = co_await expunge(&connection, set, *alone);
        if (!gone) co_return gone.error();
      }
    }
    if (!from_the_start) break;
  }
  co_return out;
}

Task<Result<std::vector<std::uint64_t>>> ImapProvider::find(state::Folder folder, std::string message_id) {
  auto account = account_;
  if (message_id.empty() || message_id.find_first_of("\r\n\"\\") != message_id.npos)
    co_return std::vector<std::uint64_t>();
  for (;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    // Selected anew: the message that is looked for came over another connection.
    auto selected = co_await connection.select(folder.remote_id);
    if (!selected && lease->stale()) continue;
    if (!selected) co_return selected.error();
    std::vector<UidRange> found;
    auto on = [&found](const Response& response) -> Status {
      if (auto ranges = parse_search(response)) found.insert(found.end(), ranges->begin(), ranges->end());
      return {};
    };
    auto command = "UID SEARCH UNDELETED HEADER Message-ID " + quote(message_id);
    auto done = co_await connection.run_ok(std::move(command), on);
    if (!done) co_return done.error();
    auto uids = expand(found, 1000);
    if (!uids) co_return uids.error();
    co_return std::vector<std::uint64_t>(uids->begin(), uids->end());
  }
}

Task<Status> ImapProvider::set_keywords(state::Folder folder, std::vector<std::uint64_t> remote_keys, std::vector<std::string> add,
                                        std::vector<std::string> remove) {
  auto account = account_;
  const auto uids = ascending(remote_keys);
  if (uids.empty()) co_return Status();
  std::vector<std::string> changes;
  for (const auto* words : {&add, &remove}) {
    if (words->empty()) continue;
    std::string list;
    for (const auto& word : *words) list += list.empty() ? word : " " + word;
    changes.push_back(fmt::format("{}FLAGS.SILENT ({})", words == &add ? '+' : '-', list));
  }
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id, Pool::Purpose::writing);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered;
    if (connection.selection().read_only)
      co_return error(Errc::denied, "mailbox {} is read-only for this user", folder.remote_id);
    bool anew = false;
    if (!add.empty() && !connection.selection().keywords)
      co_return error(Errc::unsupported, "mailbox {} takes no keywords", folder.remote_id);
    for (const auto& change : changes) {
      auto done = co_await connection.run(fmt::format("UID STORE {} {}", make_uid_set(uids), change), {});
      if (!done && lease->stale()) continue;
      if (!done) co_return done.error();
      anew = !done->ok && select_again(*lease, &again);
      if (anew) break;
      // There are limits to their number and length, which nothing announces.
      if (!done->ok) co_return error(meaning_of(done->code, Errc::limit), "the IMAP server refuses keywords: {}", done->text);
    }
    if (anew) continue;
    co_return Status();
  }
}

}  // namespace mapigate::imap
