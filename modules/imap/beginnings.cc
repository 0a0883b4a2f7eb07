// What texts of messages begin with: the first bytes of all of them in one FETCH, and more bytes of those few whose text stands
// further behind. Whole messages from the first byte on, and not parts that BODYSTRUCTURE names: so the text is taken from them by
// the same rules as when they are opened, and nobody has to be asked twice.
#include <algorithm>
#include <map>

#include "convert/text_beginning.h"
#include "io/runtime.h"
#include "provider.h"

namespace mapigate::imap {

namespace {

// Header fields of mail that passed a few servers, and the head of an HTML document, fit into the first.
struct Step {
  std::size_t bytes, at_once;  // of a message; messages in one FETCH
};
constexpr Step steps[] = {{std::size_t{24} << 10, 200}, {std::size_t{256} << 10, 10}};

using BytesByUid = std::map<std::uint32_t, convert::ByteSource>;

Task<Result<BytesByUid>> fetch_bytes(std::shared_ptr<Account> account, state::Folder folder, std::vector<std::uint32_t> uids, std::size_t most) {
  const auto command = fmt::format("UID FETCH {} (UID BODY.PEEK[]<0.{}>)", make_uid_set(uids), most);
  for (bool again = false;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto& connection = **lease;
    auto entered = co_await enter(&connection, folder, uids.back());
    if (!entered && lease->stale()) continue;
    if (!entered) co_return entered.error();
    BytesByUid out;
    auto on = [&out, &uids, most](const Response& response) -> Status {
      const auto parsed = parse_fetch(response);
      if (!parsed) return parsed.error();
      const auto& fetch = *parsed;
      if (!fetch || fetch->body == nullptr || !std::binary_search(uids.begin(), uids.end(), fetch->uid)) return {};
      if (fetch->body->kind != Value::Kind::spooled && fetch->body->kind != Value::Kind::string) return {};
      const auto bytes = fetch->body->bytes();
      out[fetch->uid] = convert::ByteSource::from_bytes(to_bytes(bytes.first(std::min(bytes.size(), most))));
      return {};
    };
    auto done = co_await connection.run(command, on);
    if (!done && lease->stale()) continue;
    if (!done) co_return done.error();
    // One message that the server cannot read does not take the others with it.
    if (!done->ok && out.empty() && select_again(*lease, &again)) continue;
    if (!done->ok && out.empty()) co_return done->error("UID FETCH");
    co_return out;
  }
}

struct Asked {
  std::shared_ptr<Account> account;
  state::Folder folder;
  std::size_t characters = 0;
};

// Of `uids`, ascending, those that these bytes do not tell for certain; of them what is in the bytes, if anything. `out` must live
// while the caller waits.
Task<Result<std::vector<std::uint32_t>>> look_into(const Asked* asked, std::vector<std::uint32_t> uids, std::size_t most,
                                                   std::map<std::uint32_t, mailbox::MessageBeginning>* out) {
  auto fetched = co_await fetch_bytes(asked->account, asked->folder, std::move(uids), most);
  if (!fetched) co_return fetched.error();
  const auto* bytes = &*fetched;
  const auto characters = asked->characters;
  auto read = [bytes, most, characters, out] {
    std::vector<std::uint32_t> open;
    for (const auto& [uid, one] : *bytes) {
      auto found = convert::text_beginning(one, one.size() < most, characters);
      auto& told = (*out)[uid];
      told.remote_key = uid;
      told.text.reset();
      if (found.certain || !found.text.empty()) told.text = std::move(found.text);
      if (!found.certain) open.push_back(uid);
    }
    return open;
  };
  co_return co_await io::run_blocking(asked->account->runtime, read);
}

}  // namespace

Task<Result<std::vector<mailbox::MessageBeginning>>> ImapProvider::beginnings(state::Folder folder, std::vector<std::uint64_t> remote_keys,
                                                                              std::size_t characters) {
  const Asked asked{account_, std::move(folder), characters};
  std::vector<std::uint32_t> uids;
  for (const auto key : remote_keys) uids.push_back(static_cast<std::uint32_t>(key));
  std::sort(uids.begin(), uids.end());
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  std::map<std::uint32_t, mailbox::MessageBeginning> found;
  for (const auto& step : steps) {
    std::vector<std::uint32_t> open;
    for (std::size_t at = 0; at < uids.size(); at += step.at_once) {
      const auto part = std::span(uids).subspan(at, std::min(step.at_once, uids.size() - at));
      std::vector<std::uint32_t> some(part.begin(), part.end());
      auto left = co_await look_into(&asked, std::move(some), step.bytes, &found);
      if (!left) co_return left.error();
      open.insert(open.end(), left->begin(), left->end());
    }
    uids = std::move(open);
  }
  std::vector<mailbox::MessageBeginning> out;
  for (auto& [uid, one] : found) out.push_back(std::move(one));
  co_return out;
}

}  // namespace mapigate::imap
