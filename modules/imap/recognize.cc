// Which mailbox is which, after others renamed some: by the messages in them, and by UIDVALIDITY where there are none.
#include <algorithm>

#include "mailbox_name.h"
#include "matching.h"

namespace mapigate::imap {

namespace {

constexpr std::size_t most_mailboxes = 200;     // that came
constexpr std::size_t most_comparisons = 100;   // of contents
constexpr std::size_t searched_messages = 5;    // for one comparison, where UIDs tell nothing

using Pairs = std::vector<std::pair<state::GlobalCounter, std::string>>;

// A mailbox that came.
struct Came {
  mailbox::RemoteFolder folder;
  MailboxStatus status;
  bool taken = false;
};

bool may_continue(const Came& came, const Cursor& known) {
  return known.uidvalidity != 0 && came.status.uidvalidity == known.uidvalidity && came.status.uidnext.value_or(0) >= known.uidnext;
}

Task<Result<Came>> look_at(Connection* connection, mailbox::RemoteFolder folder) {
  Came out;
  out.folder = std::move(folder);
  auto* status = &out.status;
  auto on = [status](const Response& response) -> Status {
    if (auto told = parse_status(response)) *status = std::move(*told);
    return {};
  };
  const auto command = "STATUS " + quote(out.folder.remote_id) + " (MESSAGES UIDNEXT UIDVALIDITY)";
  auto done = co_await connection->run(command, on);
  if (!done) co_return done.error();
  if (!done->ok) out.status = MailboxStatus();  // it cannot be opened: it is nobody
  co_return out;
}

// The UIDs still mean what they meant.
Task<Result<bool>> same_by_uid(Connection* connection, std::string mailbox, const std::vector<state::Message>* sample) {
  auto selected = co_await connection->select(mailbox);
  if (!selected) co_return selected.error();
  std::vector<std::uint32_t> uids;
  for (const auto& row : *sample) uids.push_back(static_cast<std::uint32_t>(row.remote_key));
  std::sort(uids.begin(), uids.end());
  auto there = co_await keys_of(connection, std::move(uids));
  if (!there) co_return there.error();
  std::size_t equal = 0;
  for (const auto& [uid, key] : *there)
    equal += std::any_of(sample->begin(), sample->end(), [&](const auto& row) { return row.remote_key == uid && content_key(row) == key; });
  co_return 2 * equal > there->size();
}

// The messages are there under other UIDs.
Task<Result<bool>> same_by_content(Connection* connection, std::string mailbox, const std::vector<state::Message>* sample) {
  auto selected = co_await connection->select(mailbox);
  if (!selected) co_return selected.error();
  std::size_t tried = 0, equal = 0;
  for (const auto& row : *sample) {
    const auto message_id = row.properties.string(mapi::PidTagInternetMessageId);
    if (message_id.empty() || message_id.find_first_of("\r\n\"\\") != message_id.npos) continue;
    if (tried == searched_messages) break;
    ++tried;
    std::vector<UidRange> found;
    auto on = [&found](const Response& response) -> Status {
      if (auto ranges = parse_search(response)) found.insert(found.end(), ranges->begin(), ranges->end());
      return {};
    };
    const auto command = "UID SEARCH HEADER Message-ID " + quote(message_id);
    auto done = co_await connection->run_ok(command, on);
    if (!done) co_return done.error();
    auto uids = expand(found, 1000);
    if (!uids) continue;
    if (uids->size() > 10) uids->resize(10);
    auto there = co_await keys_of(connection, std::move(*uids));
    if (!there) co_return there.error();
    const auto key = content_key(row);
    equal += std::any_of(there->begin(), there->end(), [&](const auto& one) { return one.second == key; });
  }
  co_return 2 * equal > tried;
}

// With the mailboxes of the same name first: those went to another place.
std::vector<Came*> in_order(std::vector<Came>& came, const state::Folder& folder) {
  std::vector<Came*> out;
  for (const bool same_name : {true, false})
    for (auto& one : came)
      if (!one.taken && (one.folder.name == folder.name) == same_name) out.push_back(&one);
  return out;
}

Task<Result<Pairs>> compare(Connection* connection, const std::vector<mailbox::LostFolder>* lost, std::vector<Came> came) {
  Pairs out;
  std::size_t comparisons = 0;
  for (const bool by_uid : {true, false}) {
    for (const auto& one : *lost) {
      if (std::any_of(out.begin(), out.end(), [&](const auto& pair) { return pair.first == one.folder.id; })) continue;
      const auto known = Cursor::parse(one.folder.cursor);
      if (!by_uid && one.sample.empty()) continue;
      for (auto* candidate : in_order(came, one.folder)) {
        if (candidate->taken || may_continue(*candidate, known) != by_uid) continue;
        const bool none = candidate->status.messages.value_or(0) == 0;
        bool same = false;
        if (one.sample.empty() || none) {
          // Nothing to compare: a server that numbers mailboxes by the second may have made two at once, so both are empty.
          same = by_uid && one.sample.empty() && none && candidate->status.uidnext == known.uidnext;
        } else {
          if (++comparisons > most_comparisons) co_return out;
          Result<bool> answer = false;
          if (by_uid) answer = co_await same_by_uid(connection, candidate->folder.remote_id, &one.sample);
          else answer = co_await same_by_content(connection, candidate->folder.remote_id, &one.sample);
          if (!answer && (!connection->is_open() || answer.error().retryable())) co_return answer.error();
          same = answer && *answer;
        }
        if (!same) continue;
        candidate->taken = true;
        out.emplace_back(one.folder.id, candidate->folder.remote_id);
        break;
      }
    }
  }
  co_return out;
}

}  // namespace

Task<Result<Pairs>> ImapProvider::recognize(std::vector<mailbox::LostFolder> lost, std::vector<mailbox::RemoteFolder> came) {
  auto account = account_;
  std::erase_if(came, [](const auto& one) { return !one.selectable; });
  if (came.size() > most_mailboxes) came.resize(most_mailboxes);
  const std::string any_mailbox;
  for (;;) {
    auto lease = co_await account->pool->acquire(any_mailbox);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    std::vector<Came> looked;
    Status failed;
    for (const auto& one : came) {
      auto status = co_await look_at(&connection, one);
      if (!status) failed = status.error();
      if (!status) break;
      looked.push_back(std::move(*status));
    }
    if (!failed && lease->stale()) continue;
    if (!failed) co_return failed.error();
    auto pairs = co_await compare(&connection, &lost, std::move(looked));
    co_return pairs;
  }
}

}  // namespace mapigate::imap
