#include "daemon/client_watch.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "daemon/output.h"
#include "mapi/properties.h"

namespace mapigate::daemon {

namespace note = wire::notification;
using io::Task;
using wire::NotificationData;

namespace {

constexpr Duration first_pause = std::chrono::seconds(1), longest_pause = std::chrono::seconds(30);
constexpr auto patience = std::chrono::seconds(3);  // for logging off after a signal
constexpr std::uint16_t all_types = note::NewMail | note::ObjectCreated | note::ObjectDeleted | note::ObjectModified |
                                    note::ObjectMoved | note::ObjectCopied | note::SearchComplete;

const char* what_happened(std::uint16_t type) {
  switch (type) {
    case note::NewMail: return "new_mail";
    case note::ObjectCreated: return "created";
    case note::ObjectDeleted: return "deleted";
    case note::ObjectModified: return "modified";
    case note::ObjectMoved: return "moved";
    case note::ObjectCopied: return "copied";
    case note::SearchComplete: return "search_complete";
    default: return nullptr;
  }
}

}  // namespace

MailboxWatch::MailboxWatch(const ClientOptions& options, io::Runtime& runtime, ClientTransport& transport, Print print,
                           upstream::Trace trace)
    : options_(options), runtime_(runtime), transport_(transport), print_(std::move(print)), trace_(std::move(trace)) {}

void MailboxWatch::stop() {
  if (stopping_) return runtime_.stop();  // asked twice
  stopping_ = true;
  woken_.set();
  auto give_up = [](io::Runtime* runtime) -> Task<> {
    co_await io::sleep_for(patience);
    runtime->stop();
  };
  io::spawn(runtime_.executor(), give_up(&runtime_));
}

Task<Status> MailboxWatch::run() {
  for (const int signal : {SIGINT, SIGTERM}) runtime_.on_signal(signal, [this] { stop(); });
  Duration pause = first_pause;
  for (;;) {
    auto client = co_await connect();
    Status ended;
    if (client) {
      pause = first_pause;
      auto keep = *client;
      ended = co_await follow(keep);
      if (ended) co_return ended;
    } else {
      ended = client.error();
    }
    if (done()) co_return Status{};
    // What trying again does not mend: a password that changed, a folder that is gone, an output that nobody reads.
    const auto code = ended.error().code;
    if (!began_ || code == Errc::denied || code == Errc::not_found || code == Errc::limit) co_return ended;
    if (!options_.quiet)
      fmt::print(stderr, "{}; trying again in {} s\n", escape_controls(ended.error().message),
                 std::chrono::duration_cast<std::chrono::seconds>(pause).count());
    woken_.reset();
    co_await woken_.wait_for(pause);
    if (stopping_) co_return Status{};
    pause = std::min(pause * 2, longest_pause);
  }
}

Task<Result<MailboxWatch::Client>> MailboxWatch::connect() {
  auto mailbox = co_await transport_.find();
  if (!mailbox) co_return mailbox.error();
  auto session = co_await transport_.mailbox_session(*mailbox);
  if (!session) co_return session.error();
  auto client = std::make_shared<upstream::MailboxClient>(std::move(*session), std::move(*mailbox), trace_);
  auto logged_on = co_await client->log_on();
  if (!logged_on) co_return std::move(logged_on.error()).within("log on");
  co_return client;
}

Task<Status> MailboxWatch::follow(Client client) {
  mapi::Id folder, looked_at = client->inbox();
  if (!options_.folder.empty()) {
    auto found = co_await client->find_folder(options_.folder);
    if (!found) co_return found.error();
    folder = looked_at = found->id;
  }
  // What a server never read it cannot tell news of: as Outlook does, have it read first.
  auto read = co_await client->messages(looked_at, nullptr, 1, {});
  if (!read) co_return read.error();
  auto named = co_await name_folders(client);
  if (!named) co_return named;
  auto subscribed = co_await client->subscribe(folder, all_types, [this](const NotificationData& event) { take(event); });
  if (!subscribed) co_return subscribed;
  // From here on nothing is missed; scripts wait for this line.
  Event begin;
  begin.name = "watching";
  begin.folder = folder;
  auto outcome = print_(line(begin, nullptr));
  began_ = true;
  while (outcome && !done()) {
    outcome = co_await client->take_events();
    if (outcome) outcome = co_await show(client);
    if (!outcome || done()) break;
    woken_.reset();
    waiting_ = true;
    io::spawn(runtime_.executor(), wait(client));
    while (waiting_ && !stopping_) co_await woken_.wait_for(std::chrono::hours(1));
    if (!stopping_ && !waited_) outcome = waited_.error();
  }
  if (!outcome && !stopping_) co_return outcome;
  auto gone = co_await client->log_off();
  // The server ends the wait then.
  while (waiting_) {
    woken_.reset();
    co_await woken_.wait_for(patience);
  }
  if (!gone && !stopping_) co_return std::move(gone.error()).within("log off");
  co_return Status{};
}

Task<> MailboxWatch::wait(Client client) {
  waited_ = co_await client->wait_for_events();
  waiting_ = false;
  woken_.set();
}

void MailboxWatch::take(const NotificationData& event) {
  const auto* name = what_happened(event.type());
  if (name == nullptr) return;
  Event out;
  const bool message = event.has(NotificationData::M);
  out.name = event.is(note::NewMail | note::SearchComplete) ? name : std::string(message ? "message_" : "folder_") + name;
  out.folder = event.FolderId;
  if (message) out.message = event.MessageId;
  if (event.is(note::ObjectMoved | note::ObjectCopied)) out.old_folder = message ? event.OldFolderId : event.OldParentFolderId;
  out.has_counts = event.has(NotificationData::T) && event.has(NotificationData::U);
  out.total = event.TotalMessageCount;
  out.unread = event.UnreadMessageCount;
  out.shows_message = message && !event.is(note::ObjectDeleted | note::ObjectModified);
  events_.push_back(std::move(out));
}

Task<Status> MailboxWatch::name_folders(Client client) {
  auto folders = co_await client->folders();
  if (!folders) co_return folders.error();
  // Those that are gone keep the name they had: their events come late.
  for (auto& one : *folders) paths_[one.id.value] = std::move(one.path);
  co_return Status{};
}

Task<Status> MailboxWatch::show(Client client) {
  while (!events_.empty() && !done()) {
    const auto event = std::move(events_.front());
    events_.pop_front();
    const bool renamed = event.message.value == 0 && event.name != "folder_modified";
    if (renamed || !paths_.contains(event.folder.value)) {
      auto named = co_await name_folders(client);
      if (!named) co_return named;
      paths_.try_emplace(event.folder.value);  // hidden ones: asked for once
    }
    Result<upstream::MessageDetail> detail = error(Errc::not_found, "not asked");
    if (event.shows_message) detail = co_await client->message(event.folder, event.message);
    // It may be gone again; what happened, happened.
    auto printed = print_(line(event, detail ? &*detail : nullptr));
    if (!printed) co_return printed;
    ++shown_;
  }
  co_return Status{};
}

std::string MailboxWatch::path(mapi::Id folder) const {
  const auto found = paths_.find(folder.value);
  return found == paths_.end() || found->second.empty() ? mapi::to_string(folder) : found->second;
}

std::string MailboxWatch::line(const Event& event, const upstream::MessageDetail* message) const {
  const auto time = to_iso8601(now());
  const auto text = [&](mapi::PropertyTag tag) { return message->properties.string(tag); };
  if (options_.json) {
    nlohmann::ordered_json out{{"time", time}, {"event", event.name}};
    if (event.folder.value != 0) out.update({{"folder", path(event.folder)}, {"folder_id", mapi::to_string(event.folder)}});
    if (event.message.value != 0) out["message"] = to_string(MessageName{event.folder, event.message});
    if (event.old_folder.value != 0) out["from_folder"] = path(event.old_folder);
    if (event.has_counts) out.update({{"total", event.total}, {"unread", event.unread}});
    if (message)
      out.update({{"subject", text(mapi::PidTagSubject)}, {"from", text(mapi::PidTagSentRepresentingEmailAddress)}});
    return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  auto out = time.substr(11, 8) + "  " + fit(event.name, 15);
  if (event.folder.value != 0) out += "  " + escape_controls(path(event.folder));
  if (event.old_folder.value != 0) out += " (from " + escape_controls(path(event.old_folder)) + ")";
  if (event.has_counts) out += fmt::format(": {} messages, {} unread", event.total, event.unread);
  if (event.message.value != 0) out += "  " + to_string(MessageName{event.folder, event.message});
  if (message) out += "  " + escape_controls(text(mapi::PidTagSentRepresentingName)) + ": " + escape_controls(text(mapi::PidTagSubject));
  return out + "\n";
}

}  // namespace mapigate::daemon
