// Ends what a kill, a lost connection or a lost answer left half done, by the journal that every write of two steps keeps.
#include <openssl/evp.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/cursor.h"
#include "base/log.h"
#include "mailbox/mailbox.h"
#include "mailbox/writing_support.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;

namespace {

// What can never be ended must not hold up everything that comes after it. The messages themselves are in the backend,
// where the next refresh finds them.
Status unless_final(Error why) {
  if (!is_final(why)) return why;
  log::warning("mailbox: what was begun before is given up: {}", why.message);
  return {};
}

// The rest of a line, which may hold spaces.
std::string rest_of(std::istream& in) {
  std::string out;
  while (in.peek() == ' ') in.get();
  std::getline(in, out);
  return out;
}

// So many messages with one Message-ID are looked at, the newest first.
constexpr std::size_t most_looked_at = 20;

}  // namespace

std::string content_mark(View message) {
  std::uint8_t hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  std::size_t counted = 0;
  auto* digest = EVP_MD_CTX_new();
  EVP_DigestInit_ex(digest, EVP_sha256(), nullptr);
  while (!message.empty()) {
    const auto line = static_cast<std::size_t>(std::find(message.begin(), message.end(), std::uint8_t{'\r'}) - message.begin());
    EVP_DigestUpdate(digest, message.data(), line);
    counted += line;
    message = message.subspan(std::min(line + 1, message.size()));
  }
  EVP_DigestFinal_ex(digest, hash, &size);
  EVP_MD_CTX_free(digest);
  auto out = fmt::format("{}-", counted);
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", hash[i]);
  return out;
}

// A line that versions before this one read as the whole, and one that they do not look at.
std::string AppendHead::to_string() const {
  return fmt::format("{} {} {} {} {} {}\n{} {}", id, folder, old_key, flags, received.ticks, message_id, mark, newest);
}
AppendHead AppendHead::parse(const std::string& head) {
  AppendHead out;
  std::istringstream in(head);
  in >> out.id >> out.folder >> out.old_key >> out.flags >> out.received.ticks;
  out.message_id = rest_of(in);
  if (!(in >> out.mark >> out.newest)) {
    out.mark.clear();
    out.newest = 0;
  }
  return out;
}

// With the write lock, or before anybody writes.
Task<Status> Mailbox::finish_journal() {
  auto read = [](state::MailboxState& s) -> Result<std::vector<state::JournalEntry>> {
    auto appends = s.journal(append_kind);
    if (!appends) return appends;
    // What went from one place to another counts only when it has arrived.
    for (const char* kind : {move_kind, across_kind, handover_kind}) {
      auto more = s.journal(kind);
      if (!more) return more;
      appends->insert(appends->end(), more->begin(), more->end());
    }
    return appends;
  };
  auto entries = co_await with_state(read);
  if (!entries) co_return entries.error();
  bool kept = false;
  for (auto& entry : *entries) {
    Status done;
    if (entry.kind == handover_kind) {
      auto ended = co_await finish_handover(entry);
      if (!ended) co_return std::move(ended.error()).within("what went to another mailbox");
      kept |= !*ended;
      if (!*ended) continue;
    } else if (entry.kind == append_kind) done = co_await finish_append(entry);
    else if (entry.kind == move_kind) done = co_await finish_move(entry);
    else done = co_await finish_across(entry);
    if (!done && done.error().code != Errc::not_found) co_return std::move(done.error()).within("what was begun before");
    const auto id = entry.id;
    auto drop = [id](state::MailboxState& s) { return s.remove_journal(id); };
    auto dropped = co_await with_state(drop);
    if (!dropped) co_return dropped;
  }
  journal_open_ = kept;
  co_return Status{};
}

Task<Status> Mailbox::settle_journal() {
  if (!journal_open_) co_return Status{};
  auto lock = co_await write_lock();
  if (!lock) co_return lock.error();
  if (!journal_open_) co_return Status{};
  co_return co_await finish_journal();
}

// Where what was begun belongs, and what is to stand beside it; nothing where no backend has the folder any more.
Task<Result<std::optional<Mailbox::Begun>>> Mailbox::begun(GlobalCounter folder_id, std::uint64_t entry) {
  using Found = std::optional<Begun>;
  const auto* row = tree_->find(folder_id);
  if (!row || is_local(*row)) co_return Found();
  Begun out;
  out.folder = *row;
  auto provider = co_await provider_of(out.folder);
  if (!provider) co_return provider.error();
  out.provider = *provider;
  auto load = [entry](state::MailboxState& s) { return s.journal_payload(entry); };
  auto payload = co_await with_state(load);
  if (!payload) co_return payload.error();
  out.payload = std::move(*payload);
  co_return Found(std::move(out));
}

// The newest of the messages `keys` that `is_it` knows by its content.
Task<Result<std::optional<Mailbox::Arrived>>> Mailbox::find_arrived(const Begun* to, std::vector<std::uint64_t> keys,
                                                                    std::function<bool(View)> is_it) {
  using Found = std::optional<Arrived>;
  std::sort(keys.rbegin(), keys.rend());
  if (keys.size() > most_looked_at) keys.resize(most_looked_at);
  for (const auto key : keys) {
    auto mime = co_await to->provider->content(to->folder, key);
    if (!mime && !is_final(mime.error())) co_return mime.error();
    if (!mime) continue;
    auto compare = [&mime, &is_it]() { return is_it(mime->view()); };
    const bool same = co_await io::run_blocking(context_.runtime, compare);
    if (!same) continue;
    Found out;
    out.emplace();
    out->key = key;
    out->mime = std::move(*mime);
    co_return out;
  }
  co_return Found();
}

Task<Result<std::uint64_t>> Mailbox::find_moved(const Begun* to, std::string message_id, std::uint64_t size, const std::set<std::uint64_t>* known) {
  auto found = co_await to->provider->find(to->folder, std::move(message_id));
  if (!found) co_return found.error();
  std::erase_if(*found, [known](const auto key) { return known->contains(key); });
  if (found->empty()) co_return std::uint64_t{0};
  if (found->size() == 1) co_return found->front();
  auto is_it = [size](View content) { return content.size() == size; };
  auto arrived = co_await find_arrived(to, std::move(*found), is_it);
  if (!arrived) co_return arrived.error();
  co_return *arrived ? (*arrived)->key : std::uint64_t{0};
}

Task<Status> Mailbox::finish_append(state::JournalEntry entry) {
  const auto head = AppendHead::parse(entry.head);
  auto place = co_await begun(head.folder, entry.id);
  if (!place) co_return place.error();
  if (!*place) co_return Status{};
  const Begun to = std::move(**place);
  auto found = co_await to.provider->find(to.folder, head.message_id);
  if (!found) co_return unless_final(found.error());
  // Others may have that Message-ID: copies that were here before. They have older ids, or were known, or have other contents; one
  // that a refresh has come upon meanwhile has a newer id.
  const auto folder_id = head.folder;
  auto read = [folder_id](state::MailboxState& s) { return s.message_keys(folder_id); };
  auto keys = co_await with_state(read);
  if (!keys) co_return keys.error();
  const auto& known = *keys;
  std::erase_if(*found, [&](const auto key) {
    if (key <= std::max(head.old_key, head.newest)) return true;
    return std::any_of(known.begin(), known.end(), [&](const auto& k) { return k.remote_key == key && k.id < head.id; });
  });
  if (found->empty()) co_return Status{};  // it never got there
  // Of entries without a mark nothing more is known.
  if (head.mark.empty()) *found = {*std::max_element(found->begin(), found->end())};
  auto is_it = [&head](View content) { return head.mark.empty() || content_mark(content) == head.mark; };
  auto arrived = co_await find_arrived(&to, *found, is_it);
  if (!arrived) co_return arrived.error();
  if (!*arrived) co_return Status{};
  const auto key = (*arrived)->key;
  if (head.old_key != 0) {
    std::vector<std::uint64_t> old{head.old_key};
    auto removed = co_await to.provider->remove(to.folder, old);
    if (!removed && !is_final(removed.error())) co_return removed;
    if (!removed)
      log::warning("mailbox: message {:x} stays in {} beside what was made of it: {}", head.id, to.folder.name, removed.error().message);
  }
  auto extras = wire::parse_property_bag(to.payload ? View(*to.payload) : View());
  if (!extras) co_return unless_final(extras.error());
  log::info("mailbox: message {:x} had been stored before an interruption; it is in its place now", head.id);
  auto stored = co_await store_appended(to.folder, head.id, key, head.flags, head.received, (*arrived)->mime, std::move(*extras), entry.id);
  if (stored && head.old_key != 0) {
    auto& ended = ended_[head.id];
    if (ended.second != head.old_key) ended.first = head.old_key;
    ended.second = key;
  }
  co_return stored;
}

Task<Status> Mailbox::finish_move(state::JournalEntry entry) {
  GlobalCounter folder_id = 0;
  unsigned version = 1;
  std::istringstream head(entry.head);
  head >> folder_id;
  if (!(head >> version)) version = 1;
  auto place = co_await begun(folder_id, entry.id);
  if (!place) co_return place.error();
  if (!*place || !(**place).payload) co_return Status{};
  const Begun to = std::move(**place);
  auto read = [folder_id](state::MailboxState& s) { return s.message_keys(folder_id); };
  auto keys = co_await with_state(read);
  if (!keys) co_return keys.error();
  std::set<std::uint64_t> known;
  for (const auto& one : *keys) known.insert(one.remote_key);
  Cursor in(*to.payload);
  while (in.ok() && in.left() > 0) {
    const auto id = in.scalar<GlobalCounter>();
    const auto flags = version >= 2 ? in.scalar<std::uint32_t>() : 0;
    const auto received = version >= 2 ? FileTime{in.scalar<std::uint64_t>()} : now();
    const auto size = version >= 3 ? in.scalar<std::uint64_t>() : 0;
    const std::string message_id(as_text(in.bytes(in.scalar<std::uint32_t>())));
    auto extras = wire::parse_property_bag(in.bytes(in.scalar<std::uint32_t>()));
    if (!in.ok() || !extras) break;
    auto found = co_await to.provider->find(to.folder, message_id);
    if (!found) co_return unless_final(found.error());
    if (version < 3 && found->size() > 1) *found = {*std::max_element(found->begin(), found->end())};
    std::erase_if(*found, [&known](const auto key) { return known.contains(key); });
    // Those that were there before, and nobody had looked at, differ in size if in anything.
    auto is_it = [version, size](View content) { return version < 3 || content.size() == size; };
    auto arrived = co_await find_arrived(&to, *found, is_it);
    if (!arrived) co_return arrived.error();
    if (!*arrived) continue;
    const auto key = (*arrived)->key;
    auto stored = co_await store_appended(to.folder, id, key, flags, received, (*arrived)->mime, std::move(*extras), 0);
    if (!stored) co_return stored;
    known.insert(key);
  }
  co_return Status{};
}

// The message is stored anew in another folder: does it stand there, then the old one goes.
Task<Status> Mailbox::finish_across(state::JournalEntry entry) {
  GlobalCounter from = 0, old_id = 0, new_id = 0;
  std::uint64_t key = 0;
  std::istringstream(entry.head) >> from >> key >> old_id >> new_id;
  auto read = [new_id](state::MailboxState& s) { return s.message(new_id); };
  auto arrived = co_await with_state(read);
  if (!arrived) co_return arrived.error();
  if (!*arrived || !tree_->find(from)) co_return Status{};
  auto removed = co_await remove_moved(from, key);
  if (!removed) co_return unless_final(removed.error());
  state::FolderDelta gone;
  gone.removed.push_back(old_id);
  gone.journal_done = entry.id;
  co_return co_await apply_locked(from, std::move(gone));
}

}  // namespace mapigate::mailbox
