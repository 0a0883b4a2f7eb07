#include "provider.h"

#include <algorithm>
#include <utility>

#include "mailbox_name.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t flags_at_once = 1000;  // messages in one STORE; keeps the line below what servers take

}  // namespace

Task<Status> enter(Connection* connection, state::Folder folder, std::uint64_t newest) {
  const auto cursor = Cursor::parse(folder.cursor);
  const auto same_numbers = [&] { return cursor.uidvalidity == 0 || connection->selection().uidvalidity == cursor.uidvalidity; };
  // Commands over what the server has not yet told this connection of do nothing, and say OK.
  const bool sees = connection->selected() == folder.remote_id && newest < connection->selection().uidnext && same_numbers();
  if (!sees) {
    auto selected = co_await connection->select(folder.remote_id);
    if (!selected) co_return selected.error();
  }
  // The next refresh finds the messages under their new UIDs.
  if (!same_numbers()) co_return error(Errc::unavailable, "the IMAP server numbered mailbox {} anew", folder.remote_id);
  co_return Status();
}

bool select_again(Pool::Lease& lease, bool* again) {
  if (!lease->is_open()) return false;
  lease->forget_selection();
  return lease.reused() && !std::exchange(*again, true);
}

ImapProvider::ImapProvider(Options options, io::Runtime& runtime, Credentials credentials,
                           io::Executor executor) {
  auto pool = std::make_shared<Pool>(options.server, options.pool, std::move(credentials), executor);
  account_ = std::shared_ptr<Account>(
      new Account{std::move(options), runtime, std::move(executor), std::move(pool), {}, {}});
}

Task<Result<std::vector<mailbox::RemoteFolder>>> ImapProvider::folders() { return list_folders(account_); }

Task<Status> ImapProvider::refresh(state::Folder folder, std::vector<state::MessageKey> known,
                                   mailbox::DeltaSink sink, mailbox::Progress progress) {
  return refresh_folder(account_, std::move(folder), std::move(known), std::move(sink), std::move(progress));
}

Task<Result<bool>> ImapProvider::changed(state::Folder folder) {
  auto account = account_;
  const auto old = Cursor::parse(folder.cursor);
  if (old.uidvalidity == 0 || old.uidnext == 0) co_return true;
  for (;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    MailboxStatus now;
    if (connection.selected() == folder.remote_id) {
      // STATUS is not for the selected mailbox (RFC 3501 6.3.10); selecting it again says the same.
      auto selected = co_await connection.select(folder.remote_id);
      if (!selected && lease->stale()) continue;
      if (!selected) co_return selected.error();
      now.messages = selected->exists;
      now.uidnext = selected->uidnext;
      now.uidvalidity = selected->uidvalidity;
      now.highestmodseq = selected->highestmodseq;
    } else {
      auto on = [&now](const Response& response) -> Status {
        if (auto status = parse_status(response)) now = std::move(*status);
        return {};
      };
      auto command = "STATUS " + quote(folder.remote_id) + " (UIDNEXT UIDVALIDITY MESSAGES UNSEEN";
      command += connection.condstore() ? " HIGHESTMODSEQ)" : ")";
      auto done = co_await connection.run(command, on);
      if (!done && lease->stale()) continue;
      if (!done) co_return done.error();
      if (!done->ok) {
        auto selected = co_await connection.select(folder.remote_id);  // knows gone from unavailable
        if (!selected) co_return selected.error();
        co_return true;
      }
    }
    if (now.uidvalidity != old.uidvalidity || now.messages != old.exists) co_return true;
    if (now.uidnext.value_or(0) != 0 && now.uidnext != old.uidnext) co_return true;
    if (now.unseen && *now.unseen != folder.unread) co_return true;
    const auto modseq = now.highestmodseq.value_or(0);
    if (modseq != 0 || old.highestmodseq != 0) co_return modseq != old.highestmodseq;
    // Flags may have changed without a trace.
    const auto looked = account->flags_seen.find(folder.remote_id);
    co_return looked == account->flags_seen.end() ||
        looked->second + account->options.flag_interval < Clock::now();
  }
}

Task<Result<convert::ByteSource>> ImapProvider::content(state::Folder folder, std::uint64_t remote_key) {
  auto account = account_;
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, remote_key);
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered.error();
    std::optional<convert::ByteSource> found;
    auto on = [&found, remote_key](const Response& response) -> Status {
      const auto parsed = parse_fetch(response);
      if (!parsed) return parsed.error();
      const auto& fetch = *parsed;
      if (!fetch || fetch->uid != remote_key || fetch->body == nullptr) return {};
      if (fetch->body->kind == Value::Kind::spooled) found = *fetch->body->spooled;
      if (fetch->body->kind == Value::Kind::string)
        found = convert::ByteSource::from_bytes(to_bytes(fetch->body->bytes()));
      return {};
    };
    const auto command = fmt::format("UID FETCH {} (UID BODY.PEEK[])", remote_key);
    auto done = co_await connection.run_ok(command, on);
    if (!done && lease->stale()) continue;
    if (!done && select_again(*lease, &again)) continue;
    if (!done) co_return done.error();
    if (!found)
      co_return error(Errc::not_found, "message {} of mailbox {} is gone", remote_key, folder.remote_id);
    co_return std::move(*found);
  }
}

Task<Status> ImapProvider::set_flags(state::Folder folder, std::vector<std::uint64_t> remote_keys,
                                     std::uint32_t set, std::uint32_t clear) {
  auto account = account_;
  std::vector<std::uint32_t> uids;
  for (const auto key : remote_keys) uids.push_back(static_cast<std::uint32_t>(key));
  std::sort(uids.begin(), uids.end());
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  if (uids.empty()) co_return Status();
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered;
    if (connection.selection().read_only)
      co_return error(Errc::denied, "mailbox {} is read-only for this user", folder.remote_id);
    std::vector<std::string> commands;
    for (std::size_t at = 0; at < uids.size(); at += flags_at_once) {
      const auto part = std::span(uids).subspan(at, std::min(flags_at_once, uids.size() - at));
      const auto add = flag_names(set, connection.selection().keywords);
      const auto remove = flag_names(clear, connection.selection().keywords);
      if (!add.empty())
        commands.push_back(fmt::format("UID STORE {} +FLAGS.SILENT ({})", make_uid_set(part), add));
      if (!remove.empty())
        commands.push_back(fmt::format("UID STORE {} -FLAGS.SILENT ({})", make_uid_set(part), remove));
    }
    std::vector<std::string> tags;
    Status failed;
    for (const auto& command : commands) {
      auto tag = co_await connection.send(command);
      if (!tag) failed = tag.error();
      if (!tag) break;
      tags.push_back(*tag);
    }
    for (const auto& tag : tags) {
      auto done = co_await connection.finish(tag, {});
      if (!done) failed = done.error();
      if (!done) break;
      if (!done->ok && failed) failed = done->error("UID STORE");
    }
    if (!failed && lease->stale()) continue;
    if (!failed && select_again(*lease, &again)) continue;
    co_return failed;
  }
}

Task<Result<mailbox::Quota>> ImapProvider::quota() {
  auto account = account_;
  for (;;) {
    auto lease = co_await account->pool->acquire("INBOX");
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    if (!connection.has("QUOTA")) co_return error(Errc::unsupported, "the IMAP server tells no quota");
    std::optional<mailbox::Quota> tightest;
    auto on = [&tightest](const Response& response) -> Status {
      const auto one = parse_quota(response);
      const auto left = [](const mailbox::Quota& q) { return q.limit - std::min(q.used, q.limit); };
      if (one && (!tightest || left(*one) < left(*tightest))) tightest = one;
      return {};
    };
    auto done = co_await connection.run("GETQUOTAROOT INBOX", on);
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    if (!done->ok) co_return done->error("GETQUOTAROOT");
    if (!tightest) co_return error(Errc::unsupported, "the mailbox has no limit");
    co_return *tightest;
  }
}

}  // namespace mapigate::imap
