// Finding out what changed in a mailbox.
#include <algorithm>
#include <map>

#include "base/log.h"
#include "fetched.h"
#include "io/runtime.h"
#include "matching.h"

namespace mapigate::imap {

using state::FolderDelta;
using state::MessageKey;

Cursor Cursor::parse(std::string_view text) {
  Cursor out;
  unsigned long long modseq = 0;
  if (std::sscanf(std::string(text).c_str(), "1 %u %u %llu %u", &out.uidvalidity, &out.uidnext, &modseq,
                  &out.exists) != 4)
    return {};
  out.highestmodseq = modseq;
  return out;
}

std::string Cursor::to_string() const {
  return fmt::format("1 {} {} {} {}", uidvalidity, uidnext, highestmodseq, exists);
}

namespace {

constexpr std::size_t part_size = 2000;  // changes handed on at once

// A batch on its way into the index: it is converted while the one ahead of it is stored, and then stored.
struct Batch {
  std::vector<Fetched> fetched;
  std::uint64_t done = 0;  // messages, with those of the batches ahead
  Status outcome;
  io::Event converted, ended;

  // To the end in any case, because it uses what the waiting one holds. The index has limits of its own.
  static Task<> reached(io::Event event) {
    bool done = event.is_set();
    while (!done) done = co_await event.wait_for(std::chrono::minutes(1));
  }
  Task<Status> end() {
    co_await reached(ended);
    co_return outcome;
  }
};

class Refresh : public std::enable_shared_from_this<Refresh> {
 public:
  Refresh(std::shared_ptr<Account> account, state::Folder folder, std::vector<MessageKey> known,
          mailbox::DeltaSink sink, mailbox::Progress progress)
      : account_(std::move(account)),
        folder_(std::move(folder)),
        known_(std::move(known)),
        sink_(std::move(sink)),
        progress_(std::move(progress)) {}

  Task<Status> run(Pool::Lease& lease) {
    auto selected = co_await lease->select(folder_.remote_id);
    if (!selected) co_return selected.error();
    now_ = *selected;
    old_ = Cursor::parse(folder_.cursor);
    if (went_back()) {
      // One session sees later than another what that one did; looking again may be all it needs.
      selected = co_await lease->select(folder_.remote_id);
      if (!selected) co_return selected.error();
      now_ = *selected;
    }
    if (old_.uidvalidity != 0 && now_.uidvalidity == 0)
      co_return error(Errc::unavailable, "the IMAP server does not say how mailbox {} is numbered", folder_.remote_id);
    const bool renumbered = old_.uidvalidity != 0 && now_.uidvalidity != old_.uidvalidity;
    if (renumbered && !known_.empty()) {
      log::info("IMAP mailbox {} has new UIDs (UIDVALIDITY {}, was {}): matching its {} messages by content", folder_.remote_id,
                now_.uidvalidity, old_.uidvalidity, known_.size());
      auto matched = co_await match_renumbered(&*lease, account_, known_);
      if (!matched) co_return matched.error();
      auto given = co_await begin_anew(std::move(*matched));
      if (!given) co_return given;
    } else if (went_back()) {
      auto matched = co_await match_suspect(&*lease, account_, known_, now_.uidnext);
      if (!matched) co_return matched.error();
      if (*matched) {
        log::info("IMAP mailbox {} is from before (UIDNEXT {}, was {}): {} messages have other UIDs, {} are gone", folder_.remote_id,
                  now_.uidnext, old_.uidnext, (*matched)->delta.rekeyed.size(), (*matched)->delta.removed.size());
        auto given = co_await begin_anew(std::move(**matched));
        if (!given) co_return given;
        old_ = Cursor();
      } else if (now_.highestmodseq < old_.highestmodseq) {
        old_.highestmodseq = 0;  // what changed since nobody can tell
      }
    }
    if (renumbered) old_ = Cursor();
    auto compared = co_await compare(*lease);
    if (!compared) co_return compared;
    auto fetched = co_await fetch_new(lease);
    co_return fetched;
  }
  bool delivered() const { return delivered_; }

 private:
  bool unchanged() const {
    return old_.uidvalidity != 0 && old_.highestmodseq != 0 && old_.highestmodseq == now_.highestmodseq &&
           old_.uidnext == now_.uidnext && old_.uidnext != 0 && old_.exists == now_.exists &&
           known_.size() == now_.exists;
  }

  // Numbers that only grow are smaller than they were: a suspicion, no more.
  bool went_back() const {
    if (old_.uidvalidity == 0 || now_.uidvalidity != old_.uidvalidity) return false;
    const bool known_beyond = !known_.empty() && known_.back().remote_key >= now_.uidnext;
    return (now_.uidnext != 0 && (now_.uidnext < old_.uidnext || known_beyond)) || (now_.highestmodseq != 0 && now_.highestmodseq < old_.highestmodseq);
  }

  // What was found under new UIDs and what was not, before anything else.
  Task<Status> begin_anew(Matched matched) {
    known_ = std::move(matched.known);
    Cursor begun;  // of the new numbering, and complete in nothing else
    begun.uidvalidity = now_.uidvalidity;
    matched.delta.cursor = begun.to_string();
    delivered_ = true;
    auto taken = co_await sink_(std::move(matched.delta));
    co_return taken;
  }

  // Flags and removals of what we know, and the list of what is new.
  Task<Status> compare(Connection& connection) {
    if (unchanged()) co_return Status();
    const bool by_modseq =
        old_.highestmodseq != 0 && now_.highestmodseq != 0 && old_.uidnext != 0 && connection.condstore();
    if (by_modseq && !known_.empty()) {
      auto exact = co_await compare_changes(connection);
      if (!exact) co_return exact.error();
      if (*exact) co_return Status();
    } else if (known_.empty()) {
      auto listed = co_await list_uids(connection, 1);
      if (!listed) co_return listed.error();
      new_ = std::move(*listed);
      co_return Status();
    }
    auto done = co_await compare_all(connection);
    co_return done;
  }

  // True when the numbers add up: then nothing can have been overlooked.
  Task<Result<bool>> compare_changes(Connection& connection) {
    const auto last = static_cast<std::uint32_t>(known_.back().remote_key);
    std::vector<UidRange> vanished;
    FolderDelta delta;
    bool clear = true;
    auto on = [&](const Response& response) -> Status {
      if (auto ranges = parse_vanished(response))
        vanished.insert(vanished.end(), ranges->begin(), ranges->end());
      auto about = note_flags(response, delta);
      if (!about) return about.error();
      // The next look begins after this one: what is said of nobody, or in a response that nobody knows, may be what was asked for.
      if (response.number && !*about && response.name != "EXISTS" && response.name != "RECENT" && response.name != "EXPUNGE") clear = false;
      return {};
    };
    const char* vanished_too = connection.qresync() ? " VANISHED" : "";
    const auto command =
        fmt::format("UID FETCH 1:{} (FLAGS) (CHANGEDSINCE {}{})", last, old_.highestmodseq, vanished_too);
    auto done = co_await connection.run_ok(command, on);
    if (!done) co_return done.error();
    if (!clear) co_return false;
    if (now_.uidnext == 0 || now_.uidnext > old_.uidnext || last >= old_.uidnext) {
      auto listed = co_await list_uids(connection, std::min(old_.uidnext, last + 1));
      if (!listed) co_return listed.error();
      new_ = std::move(*listed);
      drop_known(new_);
    }
    for (const auto& [first, end] : vanished) {
      auto from =
          std::lower_bound(known_.begin(), known_.end(), first,
                           [](const MessageKey& key, std::uint64_t uid) { return key.remote_key < uid; });
      for (; from != known_.end() && from->remote_key <= end; ++from) delta.removed.push_back(from->id);
    }
    std::sort(delta.removed.begin(), delta.removed.end());
    delta.removed.erase(std::unique(delta.removed.begin(), delta.removed.end()), delta.removed.end());
    const auto arrived = static_cast<std::size_t>(std::count_if(
        new_.begin(), new_.end(), [&](auto uid) { return now_.uidnext == 0 || uid < now_.uidnext; }));
    if (known_.size() - delta.removed.size() + arrived != now_.exists) {
      new_.clear();
      co_return false;
    }
    total_ = known_.size() - delta.removed.size();
    auto given = co_await give(std::move(delta));
    if (!given) co_return given.error();
    co_return true;
  }

  // By the flags of all messages: for servers without CONDSTORE and when numbers do not add up.
  Task<Status> compare_all(Connection& connection) {
    std::vector<bool> seen(known_.size(), false);
    FolderDelta delta;
    const auto most = account_->options.most_messages;
    std::size_t gone = 0;
    auto on = [&](const Response& response) -> Status {
      if (response.name == "EXPUNGE") ++gone;
      if (auto ranges = parse_vanished(response))
        for (const auto& [first, last] : *ranges) gone += last - first + std::size_t(1);
      const auto about = note_flags(response, delta);
      if (!about) return about.error();
      if (const auto& said = *about) {
        if (said->at < seen.size()) seen[said->at] = true;
        else new_.push_back(said->uid);
      }
      if (new_.size() > most) return error(Errc::limit, "more than {} messages", most);
      return {};
    };
    auto done = co_await connection.run_ok("UID FETCH 1:* (FLAGS)", on);
    if (!done) co_return done;
    std::sort(new_.begin(), new_.end());
    new_.erase(std::unique(new_.begin(), new_.end()), new_.end());
    // Messages may go while the answer is under way, but then the server says so. What it leaves out
    // without a word is no reason to delete anything.
    const auto listed = static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true)) + new_.size();
    if (listed + gone < now_.exists)
      co_return error(Errc::unavailable, "the IMAP server lists {} of {} messages of {}", listed, now_.exists,
                      folder_.remote_id);
    for (std::size_t i = 0; i < seen.size(); ++i)
      if (!seen[i]) delta.removed.push_back(known_[i].id);
    total_ = known_.size() - delta.removed.size();
    account_->flags_seen[folder_.remote_id] = Clock::now();
    auto given = co_await give(std::move(delta));
    co_return given;
  }

  // Of whom a response says the flags. `at`: its place in known_, whose size for an unknown one.
  struct Said {
    std::uint32_t uid;
    std::size_t at;
  };
  // nullopt for responses that say nothing of the kind.
  Result<std::optional<Said>> note_flags(const Response& response, FolderDelta& delta) const {
    const auto parsed = parse_fetch(response);
    if (!parsed) return parsed.error();
    const auto& fetch = *parsed;
    if (!fetch || fetch->uid == 0 || !fetch->flags) return std::optional<Said>();
    const auto found =
        std::lower_bound(known_.begin(), known_.end(), fetch->uid,
                         [](const MessageKey& key, std::uint64_t uid) { return key.remote_key < uid; });
    if (found == known_.end() || found->remote_key != fetch->uid) return std::optional(Said{fetch->uid, known_.size()});
    const bool words = found->keywords != state::keyword_hash(fetch->keywords);
    if (found->flags != *fetch->flags || words) {
      delta.flags.push_back({found->id, *fetch->flags});
      if (words) delta.flags.back().keywords = fetch->keywords;
    }
    return std::optional(Said{fetch->uid, static_cast<std::size_t>(found - known_.begin())});
  }

  void drop_known(std::vector<std::uint32_t>& uids) const {
    std::erase_if(uids, [&](std::uint32_t uid) {
      const auto found =
          std::lower_bound(known_.begin(), known_.end(), uid,
                           [](const MessageKey& key, std::uint64_t u) { return key.remote_key < u; });
      return found != known_.end() && found->remote_key == uid;
    });
  }

  // All UIDs from `first` on, ascending.
  Task<Result<std::vector<std::uint32_t>>> list_uids(Connection& connection, std::uint32_t first) {
    if (now_.exists == 0) co_return std::vector<std::uint32_t>();
    std::vector<UidRange> found;
    auto on = [&found](const Response& response) -> Status {
      if (auto ranges = parse_search(response)) found.insert(found.end(), ranges->begin(), ranges->end());
      return {};
    };
    // Not within the awaited expression: g++ 12 destroys temporaries of a conditional there twice.
    std::string command = connection.has("ESEARCH") ? "UID SEARCH RETURN (ALL) " : "UID SEARCH ";
    command += first <= 1 ? "ALL" : fmt::format("UID {}:*", first);
    auto done = co_await connection.run_ok(command, on);
    if (!done) co_return done.error();
    auto uids = expand(found, account_->options.most_messages);
    if (uids)
      std::erase_if(*uids, [&](std::uint32_t uid) { return uid < first; });  // n:* has the last one always
    co_return uids;
  }

  Task<Status> give(FolderDelta delta) {
    // In parts of bounded size.
    while (delta.flags.size() > part_size || delta.removed.size() > part_size) {
      FolderDelta part;
      auto move_tail = [](auto& from, auto& to) {
        const auto count = std::min(from.size(), part_size);
        to.assign(from.end() - static_cast<std::ptrdiff_t>(count), from.end());
        from.resize(from.size() - count);
      };
      move_tail(delta.flags, part.flags);
      move_tail(delta.removed, part.removed);
      delivered_ = true;
      auto taken = co_await sink_(std::move(part));
      if (!taken) co_return taken;
    }
    if (delta.flags.empty() && delta.removed.empty() && delta.rekeyed.empty() && delta.added.empty() &&
        !delta.cursor)
      co_return Status();
    delivered_ = true;
    auto taken = co_await sink_(std::move(delta));
    co_return taken;
  }

  // New messages, newest first. While one batch is stored the next is converted and the one after it received; it is
  // not asked for before the one ahead is here, because servers mix the answers of commands that they have before them
  // (Dovecot does).
  Task<Status> fetch_new(Pool::Lease& lease) {
    if (unchanged()) total_ = known_.size();
    const auto batches = cut_batches();
    auto last_batch = std::make_shared<Batch>();
    last_batch->converted.set();
    last_batch->ended.set();
    auto fetched = co_await fetch_batches(lease, batches, &last_batch);
    // Whatever happened: what is on its way into the index uses what our caller holds.
    auto stored = co_await last_batch->end();
    if (!fetched) co_return fetched;
    if (!stored) co_return stored;
    if (progress_ && !new_.empty()) progress_(new_.size(), new_.size());
    FolderDelta last;
    last.complete = true;
    last.cursor = cursor().to_string();
    delivered_ = true;
    auto taken = co_await sink_(std::move(last));
    co_return taken;
  }

  Task<Status> fetch_batches(Pool::Lease& lease, const std::vector<std::vector<std::uint32_t>>& batches,
                             std::shared_ptr<Batch>* last) {
    const auto items = header_items();
    std::uint64_t done = 0;
    std::string tag;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (i == 0) {
        auto sent = co_await ask_for(*lease, batches[0], items);
        if (!sent) co_return sent.error();
        tag = *sent;
      }
      auto fetched = co_await receive(*lease, tag, batches[i]);
      if (!fetched) co_return fetched.error();
      auto looked = co_await look_into(*lease, &*fetched);
      if (!looked) co_return looked;
      if (i + 1 < batches.size()) {
        auto sent = co_await ask_for(*lease, batches[i + 1], items);
        if (!sent) co_return sent.error();
        tag = *sent;
      }
      done += batches[i].size();
      auto ahead = *last;
      co_await Batch::reached(ahead->converted);
      if (!ahead->outcome) {
        lease.discard();
        co_return ahead->outcome;
      }
      auto batch = std::make_shared<Batch>();
      batch->fetched = std::move(*fetched);
      batch->done = done;
      *last = batch;
      io::spawn(account_->executor, take_in(shared_from_this(), std::move(ahead), std::move(batch)));
    }
    co_return Status();
  }

  static Task<Result<std::string>> ask_for(Connection& connection, std::vector<std::uint32_t> uids,
                                           std::string items) {
    auto command = fmt::format("UID FETCH {} {}", make_uid_set(uids), items);
    auto tag = co_await connection.send(std::move(command));
    co_return tag;
  }

  std::vector<std::vector<std::uint32_t>> cut_batches() const {
    std::vector<std::vector<std::uint32_t>> out;
    // A small first one, so that a view fills at once.
    std::size_t size = std::min<std::size_t>(account_->options.batch, 50);
    for (std::size_t end = new_.size(); end > 0;) {
      const auto begin = end - std::min(end, size);
      out.emplace_back(new_.begin() + static_cast<std::ptrdiff_t>(begin),
                       new_.begin() + static_cast<std::ptrdiff_t>(end));
      end = begin;
      size = account_->options.batch;
    }
    return out;
  }

  Task<Result<std::vector<Fetched>>> receive(Connection& connection, std::string tag,
                                             std::vector<std::uint32_t> asked) {
    std::vector<Fetched> out;
    auto on = [&](const Response& response) -> Status {
      const auto parsed = parse_fetch(response);
      if (!parsed) return parsed.error();
      const auto& fetch = *parsed;
      // Other FETCHes are news about flags; the next refresh sees them.
      if (!fetch || fetch->body == nullptr || !std::binary_search(asked.begin(), asked.end(), fetch->uid))
        return {};
      if (out.size() >= asked.size()) return error(Errc::malformed, "more messages than were asked for");
      Fetched one;
      one.uid = fetch->uid;
      one.flags = fetch->flags.value_or(0);
      one.keywords = fetch->keywords;
      one.received = fetch->internal_date.value_or(FileTime());
      one.size = fetch->size.value_or(0);
      one.header = to_bytes(fetch->body->bytes());
      if (fetch->body_structure != nullptr) one.body = summarize_body(*fetch->body_structure);
      out.push_back(std::move(one));
      return {};
    };
    auto done = co_await connection.finish(std::move(tag), on);
    if (!done) co_return done.error();
    if (!done->ok) co_return done->error("UID FETCH");
    std::sort(out.begin(), out.end(), [](const Fetched& a, const Fetched& b) { return a.uid > b.uid; });
    out.erase(std::unique(out.begin(), out.end(),
                          [](const Fetched& a, const Fetched& b) { return a.uid == b.uid; }),
              out.end());
    co_return out;
  }

  // The beginning of those that say only there what they are, a few at a time. One that the server refuses stays what it looks like.
  Task<Status> look_into(Connection& connection, std::vector<Fetched>* fetched) {
    static constexpr std::size_t at_once = 50, most_bytes = 65536;
    std::vector<Fetched*> asked;
    for (auto& one : *fetched)
      if (has_to_be_read(one)) asked.push_back(&one);
    std::reverse(asked.begin(), asked.end());  // by UID
    for (std::size_t at = 0; at < asked.size(); at += at_once) {
      std::map<std::uint32_t, std::pair<Fetched*, Bytes>> some;
      for (auto i = at; i < std::min(asked.size(), at + at_once); ++i) some[asked[i]->uid].first = asked[i];
      std::vector<std::uint32_t> uids;
      for (const auto& [uid, one] : some) uids.push_back(uid);
      auto on = [&some](const Response& response) -> Status {
        const auto parsed = parse_fetch(response);
        if (!parsed) return parsed.error();
        const auto& fetch = *parsed;
        if (!fetch || fetch->body == nullptr) return {};
        const auto bytes = fetch->body->bytes();
        if (const auto found = some.find(fetch->uid); found != some.end()) found->second.second = to_bytes(bytes.first(std::min(bytes.size(), most_bytes)));
        return {};
      };
      const auto command = fmt::format("UID FETCH {} (UID BODY.PEEK[]<0.{}>)", make_uid_set(uids), most_bytes);
      auto done = co_await connection.run(command, on);
      if (!done) co_return done.error();
      auto read = [&some] {
        for (auto& [uid, one] : some)
          if (!one.second.empty()) read_content(one.second, one.first);
        return true;
      };
      co_await io::run_blocking(account_->runtime, read);
    }
    co_return Status();
  }

  static Task<> take_in(std::shared_ptr<Refresh> self, std::shared_ptr<Batch> ahead, std::shared_ptr<Batch> batch) {
    try {
      batch->outcome = co_await self->convert_and_store(ahead, *batch);
    } catch (const std::exception& problem) {
      batch->outcome = error(Errc::internal, "indexing: {}", problem.what());
    }
    batch->converted.set();
    // Whoever waits for the last one waits for all, however this one ended.
    co_await Batch::reached(ahead->ended);
    batch->ended.set();
  }

  Task<Status> convert_and_store(std::shared_ptr<Batch> ahead, Batch& batch) {
    auto convert = [&batch] { return convert_all(std::exchange(batch.fetched, {})); };
    auto messages = co_await io::run_blocking(account_->runtime, convert);
    batch.converted.set();
    auto stored = co_await ahead->end();
    if (!stored) co_return stored;
    if (progress_ && ahead->done != 0) progress_(ahead->done, new_.size());
    if (messages.empty()) co_return Status();
    total_ += messages.size();
    FolderDelta delta;
    delta.added = std::move(messages);
    delivered_ = true;
    auto taken = co_await sink_(std::move(delta));
    co_return taken;
  }

  Cursor cursor() const {
    Cursor out;
    out.uidvalidity = now_.uidvalidity;
    out.uidnext = now_.uidnext;
    if (out.uidnext == 0) {
      out.uidnext = known_.empty() ? 1 : static_cast<std::uint32_t>(known_.back().remote_key) + 1;
      if (!new_.empty()) out.uidnext = std::max(out.uidnext, new_.back() + 1);
    }
    out.highestmodseq = now_.highestmodseq;
    out.exists = static_cast<std::uint32_t>(total_);
    return out;
  }

  std::shared_ptr<Account> account_;
  state::Folder folder_;
  std::vector<MessageKey> known_;
  mailbox::DeltaSink sink_;
  mailbox::Progress progress_;
  Selected now_;
  Cursor old_;
  std::vector<std::uint32_t> new_;  // ascending
  std::size_t total_ = 0;           // messages in the index after what was given so far
  bool delivered_ = false;
};

}  // namespace

Task<Status> refresh_folder(std::shared_ptr<Account> account, state::Folder folder,
                            std::vector<MessageKey> known, mailbox::DeltaSink sink,
                            mailbox::Progress progress) {
  for (;;) {
    auto lease = co_await account->pool->acquire(folder.remote_id);
    if (!lease) co_return lease.error();
    auto refresh = std::make_shared<Refresh>(account, folder, known, sink, progress);
    auto done = co_await refresh->run(*lease);
    if (!done && lease->stale() && !refresh->delivered()) continue;
    co_return done;
  }
}

}  // namespace mapigate::imap
