#include "matching.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "convert/headers.h"

namespace mapigate::imap {

using state::GlobalCounter;
using state::MessageKey;

namespace {

constexpr std::size_t rows_at_once = 2000, compared_first = 100, compared_at_once = 1000;
constexpr auto items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";

using Rows = std::vector<state::Message>;

// Not what stands around it: folded and commented fields do not read the same in the index.
std::string_view bare_id(std::string_view id) {
  const auto first = id.find('<'), last = id.rfind('>');
  return first < last && last != id.npos ? id.substr(first, last - first) : id;
}

// Sizes alone and dates alone do not tell: some servers correct the ones, and give copies others of the second kind.
bool is_another(const ContentKey& known, const ContentKey& there) {
  const bool other_size = known.size != there.size;
  const bool other_date = known.received / 10'000'000 != there.received / 10'000'000;
  if (known.message_id.empty() || there.message_id.empty()) return other_size || other_date;
  return bare_id(known.message_id) != bare_id(there.message_id) || (other_size && other_date);
}

Task<Result<Rows>> rows_of(std::shared_ptr<Account> account, std::span<const MessageKey> keys) {
  std::vector<GlobalCounter> ids;
  for (const auto& key : keys) ids.push_back(key.id);
  auto rows = co_await account->rows(std::move(ids));
  co_return rows;
}

// Known messages by content, to be found under other UIDs.
using ByContent = std::multimap<ContentKey, MessageKey>;
Task<Status> add_all(std::shared_ptr<Account> account, std::span<const MessageKey> keys, ByContent* out) {
  for (std::size_t at = 0; at < keys.size(); at += rows_at_once) {
    auto rows = co_await rows_of(account, keys.subspan(at, std::min(rows_at_once, keys.size() - at)));
    if (!rows) co_return rows.error();
    for (const auto& row : *rows) out->emplace(content_key(row), MessageKey{row.id, row.remote_key, row.flags, state::keyword_hash(row.keywords)});
  }
  co_return Status();
}

void sort_by_key(std::vector<MessageKey>& keys) {
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.remote_key < b.remote_key; });
}

std::vector<MessageKey>::iterator first_from(std::vector<MessageKey>& keys, std::uint64_t uid) {
  return std::lower_bound(keys.begin(), keys.end(), uid, [](const MessageKey& key, std::uint64_t u) { return key.remote_key < u; });
}

// What the server says about the known messages of a mailbox that seems to be from before.
struct Looked {
  std::set<GlobalCounter> others;    // their UIDs are other messages now
  std::vector<MessageKey> absent;    // nothing is there under their UIDs
  std::uint32_t lowest = 0;          // UID of `others`
};

Task<Result<Looked>> look_at_newest(Connection* connection, std::shared_ptr<Account> account, std::span<const MessageKey> known) {
  Looked out;
  auto end = known.size();
  for (auto size = compared_first; end > 0; size = compared_at_once) {
    const auto begin = end - std::min(end, size);
    const auto part = known.subspan(begin, end - begin);
    end = begin;
    auto rows = co_await rows_of(account, part);
    if (!rows) co_return rows.error();
    std::vector<std::uint32_t> uids;
    for (const auto& key : part) uids.push_back(static_cast<std::uint32_t>(key.remote_key));
    auto there = co_await keys_of(connection, std::move(uids));
    if (!there) co_return there.error();
    std::map<std::uint64_t, const ContentKey*> by_uid;
    for (const auto& [uid, key] : *there) by_uid[uid] = &key;
    bool any_other = false;
    for (const auto& row : *rows) {
      const auto found = by_uid.find(row.remote_key);
      if (found == by_uid.end()) {
        out.absent.push_back({row.id, row.remote_key, row.flags, state::keyword_hash(row.keywords)});
      } else if (is_another(content_key(row), *found->second)) {
        out.others.insert(row.id);
        const auto uid = static_cast<std::uint32_t>(row.remote_key);
        out.lowest = out.lowest == 0 ? uid : std::min(out.lowest, uid);
        any_other = true;
      }
    }
    // UIDs ascend: what was given out before the backup was made stands below what came after it.
    if (!any_other && !by_uid.empty()) break;
  }
  co_return out;
}

Task<Result<std::vector<std::uint32_t>>> uids_from(Connection* connection, std::uint32_t first, std::size_t most) {
  std::vector<UidRange> found;
  auto on = [&found](const Response& response) -> Status {
    if (auto ranges = parse_search(response)) found.insert(found.end(), ranges->begin(), ranges->end());
    return {};
  };
  std::string command = connection->has("ESEARCH") ? "UID SEARCH RETURN (ALL) " : "UID SEARCH ";
  command += fmt::format("UID {}:*", first);
  auto done = co_await connection->run_ok(std::move(command), on);
  if (!done) co_return done.error();
  co_return expand(found, most);
}

}  // namespace

ContentKey content_key(const FetchData& fetch) {
  const auto fields = convert::split_header(fetch.body == nullptr ? View() : fetch.body->bytes());
  const auto* id = convert::find_field(fields, "Message-ID");
  return {fetch.size.value_or(0), fetch.internal_date.value_or(FileTime()).ticks, std::string(id == nullptr ? std::string_view() : trim(as_text(id->value)))};
}

ContentKey content_key(const state::Message& row) {
  return {row.size, row.received.ticks, std::string(trim(row.properties.string(mapi::PidTagInternetMessageId)))};
}

Task<Result<KeysByUid>> keys_of(Connection* connection, std::vector<std::uint32_t> uids) {
  KeysByUid out;
  if (uids.empty()) co_return out;
  auto* keys = &out;
  auto on = [keys, &uids](const Response& response) -> Status {
    const auto parsed = parse_fetch(response);
    if (!parsed) return parsed.error();
    const auto& fetch = *parsed;
    if (!fetch || fetch->body == nullptr || !std::binary_search(uids.begin(), uids.end(), fetch->uid)) return {};
    if (keys->size() < 2 * uids.size()) keys->emplace_back(fetch->uid, content_key(*fetch));
    return {};
  };
  const auto command = "UID FETCH " + make_uid_set(uids) + " " + items;
  auto done = co_await connection->run_ok(command, on);
  if (!done) co_return done.error();
  co_return out;
}

Task<Result<Matched>> match_renumbered(Connection* connection, std::shared_ptr<Account> account, std::vector<MessageKey> known) {
  ByContent old;
  if (account->rows) {
    auto read = co_await add_all(account, known, &old);
    if (!read) co_return read.error();
  }
  Matched out;
  auto* matched = &out;
  auto on = [matched, &old](const Response& response) -> Status {
    const auto parsed = parse_fetch(response);
    if (!parsed) return parsed.error();
    const auto& fetch = *parsed;
    if (!fetch || fetch->body == nullptr || fetch->uid == 0) return {};
    auto found = old.find(content_key(*fetch));
    if (found == old.end()) return {};
    const auto key = found->second;
    old.erase(found);
    const auto flags = fetch->flags.value_or(key.flags);
    matched->delta.rekeyed.push_back({key.id, fetch->uid});
    if (flags != key.flags) matched->delta.flags.push_back({key.id, flags});
    matched->known.push_back({key.id, fetch->uid, flags, key.keywords});
    return {};
  };
  if (!old.empty() && connection->selection().exists > 0) {
    const auto command = std::string("UID FETCH 1:* ") + items;
    auto done = co_await connection->run_ok(command, on);
    if (!done) co_return done.error();
  }
  std::set<GlobalCounter> kept;
  for (const auto& key : out.known) kept.insert(key.id);
  for (const auto& key : known)
    if (!kept.contains(key.id)) out.delta.removed.push_back(key.id);
  sort_by_key(out.known);
  co_return out;
}

Task<Result<std::optional<Matched>>> match_suspect(Connection* connection, std::shared_ptr<Account> account, std::vector<MessageKey> known,
                                                   std::uint32_t uidnext) {
  if (!account->rows || known.empty()) co_return std::optional<Matched>();
  const auto beyond = uidnext == 0 ? known.end() : first_from(known, uidnext);
  const std::span<const MessageKey> given_out(known.begin(), beyond), not_yet(beyond, known.end());
  auto looked = co_await look_at_newest(connection, account, given_out);
  if (!looked) co_return looked.error();
  auto others = std::move(looked->others);
  if (others.empty()) co_return std::optional<Matched>();
  // What has another UID now, or none: those of before that came again, too.
  std::vector<MessageKey> astray = std::move(looked->absent);
  for (const auto& key : given_out)
    if (others.contains(key.id)) astray.push_back(key);
  for (const auto& key : not_yet) {
    astray.push_back(key);
    others.insert(key.id);
  }
  ByContent old;
  auto read = co_await add_all(account, astray, &old);
  if (!read) co_return read.error();
  auto uids = co_await uids_from(connection, looked->lowest, account->options.most_messages);
  if (!uids) co_return uids.error();
  // UIDs of messages that are what they were are theirs.
  std::erase_if(*uids, [&](std::uint32_t uid) {
    const auto found = first_from(known, uid);
    return uid < looked->lowest || (found != known.end() && found->remote_key == uid && !others.contains(found->id));
  });
  Matched out;
  std::map<GlobalCounter, std::uint32_t> new_keys;
  for (std::size_t at = 0; at < uids->size(); at += compared_at_once) {
    const auto end = std::min(uids->size(), at + compared_at_once);
    std::vector<std::uint32_t> part(uids->begin() + static_cast<std::ptrdiff_t>(at), uids->begin() + static_cast<std::ptrdiff_t>(end));
    auto there = co_await keys_of(connection, std::move(part));
    if (!there) co_return there.error();
    for (const auto& [uid, key] : *there)
      if (const auto found = old.find(key); found != old.end()) {
        new_keys[found->second.id] = uid;
        old.erase(found);
      }
  }
  for (auto key : known) {
    if (const auto moved = new_keys.find(key.id); moved != new_keys.end()) {
      key.remote_key = moved->second;
      out.delta.rekeyed.push_back({key.id, key.remote_key});
    } else if (others.contains(key.id)) {
      out.delta.removed.push_back(key.id);
      continue;
    }
    out.known.push_back(key);
  }
  sort_by_key(out.known);
  co_return std::optional<Matched>(std::move(out));
}

}  // namespace mapigate::imap
