// The way out of a mailbox. What a client submitted stands in the journal, whole, before the client hears success;
// from there it goes to the submitter until every recipient is accepted or refused for good, then a copy goes where sent
// messages go, and the source is removed. Each step is noted before the next, so that a kill repeats at most the step it
// interrupted; copies and reports are looked for by their Message-ID before they are stored again.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/cursor.h"
#include "base/log.h"
#include "base/text.h"
#include "convert/mime_writer.h"
#include "mailbox/mailbox.h"
#include "mailbox/message_edit.h"
#include "mailbox/outbox.h"
#include "mailbox/submitter.h"
#include "mailbox/writing_support.h"
#include "wire/property_bag_codec.h"

namespace mapigate::mailbox {

using namespace mapi;
using nlohmann::json;

namespace {

constexpr char outbox_kind[] = "outbox";
constexpr std::int64_t give_up_after = 2 * 24 * 3600;  // seconds
constexpr std::int64_t longest_pause = 3600;

struct Entry {
  std::uint64_t journal = 0;
  std::int64_t created = 0, due = 0;
  std::int64_t first_due = 0;  // trying begins
  unsigned attempts = 0;
  bool sent = false;  // nobody is left to send it to
  std::string from, subject;
  std::vector<std::string> to;
  std::vector<convert::FailedRecipient> failed;
  GlobalCounter folder = 0, message = 0;  // the source
  GlobalCounter copy_to = 0;              // 0: no copy
  bool report = false;
  std::uint64_t leaving = 0;  // bytes at the end of the payload: the form that is sent, where it has one of its own
  bool spooled = false;
};

std::string to_head(const Entry& e) {
  json failed = json::array();
  for (const auto& one : e.failed) failed.push_back({one.address, one.status, one.text});
  const json head = {{"created", e.created}, {"first_due", e.first_due}, {"due", e.due},         {"attempts", e.attempts}, {"sent", e.sent},
                     {"from", e.from},       {"subject", e.subject}, {"to", e.to},             {"failed", failed},
                     {"folder", e.folder},   {"message", e.message}, {"copy_to", e.copy_to},   {"report", e.report},
                     {"leaving", e.leaving}, {"spooled", e.spooled}};
  return head.dump(-1, ' ', false, json::error_handler_t::replace);
}

Entry from_head(const state::JournalEntry& stored) {
  Entry e;
  e.journal = stored.id;
  const auto head = json::parse(stored.head, nullptr, false);
  if (!head.is_object()) return e;
  e.created = head.value("created", std::int64_t{0});
  e.due = head.value("due", std::int64_t{0});
  e.first_due = head.value("first_due", e.created);
  e.attempts = head.value("attempts", 0u);
  e.sent = head.value("sent", false);
  e.from = head.value("from", std::string());
  e.subject = head.value("subject", std::string());
  e.to = head.value("to", std::vector<std::string>());
  for (const auto& one : head.value("failed", json::array()))
    if (one.is_array() && one.size() == 3) e.failed.push_back({one[0], one[1], one[2]});
  e.folder = head.value("folder", GlobalCounter{0});
  e.message = head.value("message", GlobalCounter{0});
  e.copy_to = head.value("copy_to", GlobalCounter{0});
  e.report = head.value("report", false);
  e.leaving = head.value("leaving", std::uint64_t{0});
  e.spooled = head.value("spooled", false);
  return e;
}

// A file by which the next start finds the mailboxes that have something to send, without opening all. Blocks.
void mark_waiting(const std::string& state_dir, const std::string& user, bool waiting) {
  if (state_dir.empty()) return;
  std::error_code ignored;
  const auto path = std::filesystem::path(state_dir) / outbox_folder / percent_encode(user);
  if (!waiting) {
    std::filesystem::remove(path, ignored);
    return;
  }
  if (std::filesystem::exists(path, ignored)) return;
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream(path) << user << '\n';
}

std::int64_t seconds_now() { return to_unix(now()); }

// Without the Bcc field, which is nobody else's business.
std::string without_bcc(View mime) {
  const auto text = as_text(mime);
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  bool skipping = false;
  while (at < text.size()) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end == text.npos ? text.npos : end - at + 1);
    if (line == "\r\n" || line == "\n") break;
    const bool continued = line[0] == ' ' || line[0] == '\t';
    if (!continued) skipping = line.size() > 4 && equal_ignoring_ascii_case(line.substr(0, 4), "bcc:");
    if (!skipping) out += line;
    at += line.size();
  }
  return out + std::string(text.substr(at));
}

Result<bool> is_in(state::MailboxState& state, GlobalCounter folder, GlobalCounter message) {
  auto waiting = state.journal(outbox_kind);
  if (!waiting) return waiting.error();
  return message != 0 && std::any_of(waiting->begin(), waiting->end(), [&](const auto& stored) {
    const auto known = from_head(stored);
    return known.folder == folder && known.message == message;
  });
}

}  // namespace

Task<Status> Mailbox::submit(Submission submission) {
  Entry entry;
  entry.created = seconds_now();
  // Not before its time, also not by a part of a second.
  entry.due = submission.not_before.ticks != 0 ? to_unix(FileTime{submission.not_before.ticks + 9'999'999}) : 0;
  entry.first_due = std::max(entry.created, entry.due);
  entry.from = submission.is_report ? std::string() : store_->user;
  entry.to = submission.recipients;
  entry.folder = submission.folder;
  entry.message = submission.message;
  entry.copy_to = submission.copy_to;
  entry.report = submission.wants_delivery_report;
  entry.subject = submission.subject;
  entry.spooled = submission.spooled;
  Bytes payload;
  Output out(payload);
  const auto extras = wire::serialize(submission.extras);
  out.scalar(static_cast<std::uint32_t>(extras.size()));
  out.bytes(extras);
  out.bytes(submission.mime.view());
  out.bytes(submission.leaving.view());
  entry.leaving = submission.leaving.size();
  const auto head = to_head(entry);
  const auto& state_dir = context_.options.state_dir;
  const auto user = store_->user;
  const auto folder = entry.folder, message = entry.message;
  io::Mutex::Lock lock;
  auto find = [folder, message](state::MailboxState& s) { return is_in(s, folder, message); };
  auto is_there = co_await with_state(find);
  if (!is_there) co_return std::move(is_there.error()).within("outbox");
  if (*is_there) {
    // Not while it is being sent.
    auto held = co_await outbox_lock_.lock(context_.options.backend_wait);
    if (!held) co_return std::move(held.error()).within("outbox");
    lock = std::move(*held);
  }
  auto unnoted = unnoted_;
  auto add = [&head, &payload, &state_dir, &user, folder, message, &unnoted](state::MailboxState& s) -> Result<std::uint64_t> {
    auto waiting = s.journal(outbox_kind);
    if (!waiting) return waiting.error();
    std::uint64_t before = 0;
    for (const auto& stored : *waiting) {
      const auto known = from_head(stored);
      if (message == 0 || known.folder != folder || known.message != message) continue;
      if (known.sent || known.attempts > 0 || unnoted.contains(stored.id)) return stored.id;
      before = stored.id;
    }
    mark_waiting(state_dir, user, true);
    auto added = s.add_journal(outbox_kind, head, payload);
    if (!added || before == 0) return added;
    auto removed = s.remove_journal(before);
    if (!removed) return removed.error();
    return added;
  };
  auto added = co_await with_state(add);
  if (!added) co_return std::move(added.error()).within("outbox");
  start_outbox();
  co_return Status{};
}

Task<Status> Mailbox::unmark_submitted(GlobalCounter folder, GlobalCounter message) {
  auto edit = [](const state::Message& current) {
    auto extras = current.extras.clone();
    const auto left = static_cast<std::int32_t>(extras.number(PidTagMessageFlags)) & mfResend;
    extras.remove(PidTagMessageFlags);
    if (left != 0) extras.set_integer(PidTagMessageFlags, left);
    return extras;
  };
  co_return co_await save_extras(folder, message, edit, 0, 0);
}

Task<> Mailbox::take_back(GlobalCounter folder, std::vector<GlobalCounter> messages) {
  if (!outbox_running_) co_return;
  auto read = [](state::MailboxState& s) { return s.journal(outbox_kind); };
  auto entries = co_await with_state(read);
  if (!entries) co_return;
  std::vector<GlobalCounter> waiting;
  for (const auto& stored : *entries) {
    const auto entry = from_head(stored);
    const bool waits = !entry.spooled && entry.message != 0 && entry.folder == folder && entry.due > seconds_now();
    if (waits && std::find(messages.begin(), messages.end(), entry.message) != messages.end()) waiting.push_back(entry.message);
  }
  for (const auto message : waiting) {
    auto stopped = co_await abort_submit(folder, message);
    if (!stopped || *stopped != Abort::stopped) continue;
    auto unmarked = co_await unmark_submitted(folder, message);
    if (!unmarked) log::info("outbox of {}: {}", store_->user, unmarked.error().message);
  }
}

Task<Result<Mailbox::Abort>> Mailbox::abort_submit(GlobalCounter folder, GlobalCounter message) {
  auto lock = co_await outbox_lock_.lock(context_.options.backend_wait);
  if (!lock) co_return lock.error();
  auto unnoted = unnoted_;
  auto remove = [folder, message, &unnoted](state::MailboxState& s) -> Result<Abort> {
    auto entries = s.journal(outbox_kind);
    if (!entries) return entries.error();
    for (const auto& stored : *entries) {
      const auto entry = from_head(stored);
      if (entry.folder != folder || entry.message != message) continue;
      if (entry.sent || entry.attempts > 0 || unnoted.contains(stored.id)) return Abort::on_its_way;
      auto removed = s.remove_journal(stored.id);
      if (!removed) return removed.error();
      return Abort::stopped;
    }
    return Abort::not_there;
  };
  co_return co_await with_state(remove);
}

void Mailbox::start_outbox() {
  outbox_wake_.set();
  if (outbox_running_ || !context_.submitter || !state_) return;
  outbox_running_ = true;
  io::spawn(executor_, run_outbox(shared_from_this()));
}

Task<> Mailbox::run_outbox(std::shared_ptr<Mailbox> self) {
  auto using_it = use();
  for (;;) {
    outbox_wake_.reset();
    auto next = co_await send_due();
    if (!next) log::warning("outbox of {}: {}", store_->user, next.error().message);
    if (next && *next == 0) {
      const auto& state_dir = context_.options.state_dir;
      const auto user = store_->user;
      auto unmark = [&state_dir, &user](state::MailboxState& s) -> Result<bool> {
        auto left = s.journal(outbox_kind);
        if (!left) return left.error();
        if (left->empty()) mark_waiting(state_dir, user, false);
        return left->empty();
      };
      auto done = co_await with_state(unmark);
      if (!done || *done) break;
      continue;
    }
    const auto pause = next ? std::clamp<std::int64_t>(*next - seconds_now(), 1, longest_pause) : 30;
    auto wake = outbox_wake_;
    co_await wake.wait_for(std::chrono::seconds(pause));
  }
  outbox_running_ = false;
  (void)self;
}

// Everything that is due, once. When to come again; 0: nothing is left.
Task<Result<std::int64_t>> Mailbox::send_due() {
  auto read = [](state::MailboxState& s) { return s.journal(outbox_kind); };
  auto stored = co_await with_state(read);
  if (!stored) co_return stored.error();
  std::int64_t next = 0;
  for (const auto& one : *stored) {
    auto lock = co_await outbox_lock_.lock(context_.options.backend_wait);
    if (!lock) co_return lock.error();
    const auto number = one.id;
    auto load = [number](state::MailboxState& s) { return s.journal_payload(number); };
    auto payload = co_await with_state(load);
    if (!payload) co_return payload.error();
    if (!*payload) continue;  // taken back meanwhile
    auto entry = from_head(one);
    if (const auto known = unnoted_.find(number); known != unnoted_.end()) entry = from_head({one.id, one.kind, known->second});
    std::int64_t due = entry.due;
    if (due <= seconds_now()) {
      auto again = co_await send_one(one, std::move(**payload));
      if (!again) log::info("outbox of {}: {}", store_->user, again.error().message);
      // What was refused, a copy in a full mailbox for one, is refused again soon after.
      due = again ? *again : seconds_now() + (again.error().retryable() ? 5 : 300);
    }
    if (due != 0 && (next == 0 || due < next)) next = due;
  }
  co_return next;
}

// When to come again; 0: it is done.
Task<Result<std::int64_t>> Mailbox::send_one(state::JournalEntry stored, Bytes payload) {
  // A full disk must not send a message again and again.
  const auto known = unnoted_.find(stored.id);
  if (known != unnoted_.end()) stored.head = known->second;
  auto entry = from_head(stored);
  const bool filed_before = entry.sent;  // perhaps: an earlier attempt got as far as that
  Cursor in(payload);
  auto extras = wire::parse_property_bag(in.bytes(in.scalar<std::uint32_t>()));
  const auto rest = in.rest();
  const auto own_form = static_cast<std::size_t>(std::min<std::uint64_t>(entry.leaving, rest.size()));
  const auto mime = convert::ByteSource::from_bytes(to_bytes(rest.first(rest.size() - own_form)));
  if (!extras) co_return extras.error();
  const auto number = stored.id;
  const auto note = [&]() {
    auto head = to_head(entry);
    return [number, head](state::MailboxState& s) { return s.update_journal(number, head); };
  };
  if (!entry.sent) {
    auto submitter = submitter_of();
    if (!submitter) co_return submitter.error();
    auto keep = *submitter;
    Envelope envelope;
    envelope.id = fmt::format("{:x}", entry.journal);
    envelope.from = entry.from;
    envelope.to = entry.to;
    envelope.wants_delivery_report = entry.report;
    const auto leaving = own_form != 0 ? convert::ByteSource::from_bytes(to_bytes(rest.last(own_form)))
                                       : convert::ByteSource::from_string(without_bcc(mime.view()));
    auto outcome = co_await keep->submit(envelope, leaving);
    // Whoever is needed for that has not logged on since the start.
    if (!outcome && outcome.error().code == Errc::denied && login_->password.empty()) co_return seconds_now() + longest_pause;
    ++entry.attempts;
    std::vector<std::string> left;
    const bool too_old = seconds_now() - entry.first_due > give_up_after;
    if (!outcome) {
      const bool final = !outcome.error().retryable() && outcome.error().code != Errc::denied && outcome.error().code != Errc::cancelled;
      for (const auto& address : entry.to) {
        if (final || too_old) entry.failed.push_back({address, final ? "5.0.0" : "4.4.7", outcome.error().message});
        else left.push_back(address);
      }
      log::info("outbox of {}: {}", store_->user, outcome.error().message);
    } else {
      for (const auto& one : *outcome) {
        const bool refused = one.kind == RecipientOutcome::Kind::refused;
        if (refused || (one.kind == RecipientOutcome::Kind::later && too_old))
          entry.failed.push_back({one.address, one.status, one.text});
        else if (one.kind == RecipientOutcome::Kind::later) left.push_back(one.address);
      }
    }
    entry.to = std::move(left);
    entry.sent = entry.to.empty();
    constexpr std::int64_t pauses[] = {2, 10, 30, 60, 120, 300, 600, 1800};
    if (!entry.sent)
      entry.due = seconds_now() + (entry.attempts <= std::size(pauses) ? pauses[entry.attempts - 1] : longest_pause);
    auto noted = co_await with_state(note());
    if (!noted) {
      unnoted_[number] = to_head(entry);
      co_return noted.error();
    }
    unnoted_.erase(number);
    if (!entry.sent) co_return entry.due;
  }
  auto copy_to = entry.copy_to;
  if (!filed_before && copy_to != 0 && tree_->find(copy_to)) {
    // Nobody has to look whether it is there already.
    auto kept = co_await deliver(copy_to, mime, state::flag_seen, extras->clone());
    if (!kept) co_return std::move(kept.error()).within("copy of a sent message");
    copy_to = 0;
  }
  auto filed = co_await file_sent(entry.folder, entry.message, copy_to, mime, std::move(*extras));
  if (!filed) co_return filed.error();
  if (!entry.failed.empty() && !entry.from.empty()) {
    convert::NonDelivery report;
    report.to = {{}, entry.from};
    report.host = domain_of(store_->user);
    report.subject = entry.subject;
    report.submitted = from_unix(entry.created);
    report.recipients = entry.failed;
    const auto header = header_block(mime.view());
    report.header = as_view(header);
    report.message_id = fmt::format("<undelivered.{:x}.{}@{}>", entry.journal, mapi::to_string(store_->mailbox), report.host);
    auto told = co_await deliver_once(special_id(FolderRole::inbox), convert::ByteSource::from_string(convert::write_non_delivery(report)), 0,
                                      mapi::PropertyBag());
    if (!told) co_return told.error();
  }
  auto drop = [number](state::MailboxState& s) { return s.remove_journal(number); };
  auto dropped = co_await with_state(drop);
  if (!dropped) co_return dropped.error();
  unnoted_.erase(number);
  co_return 0;
}

Task<Status> Mailbox::file_sent(GlobalCounter folder, GlobalCounter message, GlobalCounter copy_to, convert::ByteSource mime,
                                mapi::PropertyBag extras) {
  if (copy_to != 0 && tree_->find(copy_to)) {
    // Servers that file sent messages themselves change them: there the Message-ID tells. Elsewhere it may be what came to its sender.
    const auto* to = tree_->find(copy_to);
    const bool exact = to && to->role != FolderRole::sent_items;
    auto kept = co_await deliver_once(copy_to, mime, state::flag_seen, std::move(extras), message, exact);
    if (!kept) co_return std::move(kept.error()).within("copy of a sent message");
  }
  if (message == 0) co_return Status{};
  std::vector<GlobalCounter> source{message};
  auto gone = co_await delete_messages(folder, std::move(source), Deletion::hard);
  if (!gone && gone.error().code != Errc::not_found) co_return std::move(gone.error()).within("a message that was sent");
  co_return Status{};
}

Task<Status> Mailbox::deliver_once(GlobalCounter folder_id, convert::ByteSource mime, std::uint32_t flags, mapi::PropertyBag extras,
                                   GlobalCounter source, bool exact) {
  const auto* row = tree_->find(folder_id);
  if (!row) co_return error(Errc::not_found, "the folder is gone");
  Folder folder = *row;
  const auto header = convert::header_properties(mime.view().first(std::min<std::size_t>(mime.size(), 1 << 20)));
  const auto message_id = header.string(PidTagInternetMessageId);
  if (is_local(folder)) {
    auto look = [folder_id, source, &message_id](state::MailboxState& s) -> Result<bool> {
      bool there = false;
      const auto looked = s.each_message(folder_id, [&](const state::Message& message) {
        there = message.id != source && message.properties.string(PidTagInternetMessageId) == message_id;
        return !there;
      });
      if (!looked) return looked.error();
      return there;
    };
    auto there = co_await with_state(look);
    if (!there) co_return there.error();
    if (*there && !message_id.empty()) co_return Status{};
  } else {
    auto to = co_await provider_of(folder);
    if (!to) co_return to.error();
    auto keep = *to;
    auto found = co_await keep->find(folder, message_id);
    if (!found) co_return found.error();
    if (source != 0) {
      auto read = [source](state::MailboxState& s) { return s.message(source); };
      auto before = co_await with_state(read);
      if (!before) co_return before.error();
      if (*before && (*before)->folder == folder_id) std::erase(*found, (*before)->remote_key);
    }
    if (!found->empty() && !exact) co_return Status{};
    if (!found->empty()) {
      Begun place;
      place.folder = folder;
      place.provider = keep;
      const auto mark = content_mark(mime.view());
      auto is_it = [mark](View content) { return content_mark(content) == mark; };
      auto there = co_await find_arrived(&place, std::move(*found), is_it);
      if (!there) co_return there.error();
      if (*there) co_return Status{};
    }
  }
  auto stored = co_await deliver(folder_id, mime, flags, std::move(extras));
  if (!stored) co_return stored.error();
  co_return Status{};
}

Result<std::shared_ptr<Submitter>> Mailbox::submitter_of() {
  if (submitter_) return submitter_;
  auto* factory = context_.submitter ? context_.submitter() : nullptr;
  if (!factory) return error(Errc::unavailable, "no submitter is configured");
  submitter_ = factory->open(login_, executor_);
  return submitter_;
}

bool Mailbox::can_submit() const { return context_.submitter && context_.submitter() != nullptr; }

}  // namespace mapigate::mailbox
