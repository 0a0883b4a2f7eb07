// `mapigate client watch`: prints what happens in a mailbox, as the server tells it, until SIGINT or SIGTERM.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/client.h"
#include "daemon/client_transport.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "upstream/mailbox_client.h"

namespace mapigate::daemon {

class MailboxWatch {
 public:
  using Print = std::function<Status(const std::string& line)>;
  // All have to outlive it.
  MailboxWatch(const ClientOptions& options, io::Runtime& runtime, ClientTransport& transport, Print print, upstream::Trace trace);

  // A connection that breaks is made anew, with growing pauses; only the first has to succeed. Ok after a signal or
  // `options.limit` events.
  io::Task<Status> run();

 private:
  struct Event {
    std::string name;
    mapi::Id folder, message, old_folder;
    bool has_counts = false, shows_message = false;
    std::uint32_t total = 0, unread = 0;
  };
  using Client = std::shared_ptr<upstream::MailboxClient>;

  io::Task<Result<Client>> connect();
  io::Task<Status> follow(Client client);
  io::Task<> wait(Client client);
  io::Task<Status> show(Client client);  // what is in events_
  io::Task<Status> name_folders(Client client);
  void take(const wire::NotificationData& event);
  std::string line(const Event& event, const upstream::MessageDetail* message) const;
  std::string path(mapi::Id folder) const;
  void stop();
  bool done() const { return stopping_ || (options_.limit != 0 && shown_ >= options_.limit); }

  const ClientOptions& options_;
  io::Runtime& runtime_;
  ClientTransport& transport_;
  Print print_;
  upstream::Trace trace_;
  std::deque<Event> events_;
  std::map<std::uint64_t, std::string> paths_;
  io::Event woken_;                 // by the end of a wait, or a signal
  bool waiting_ = false;
  Result<bool> waited_{false};
  bool stopping_ = false, began_ = false;
  std::size_t shown_ = 0;
};

}  // namespace mapigate::daemon
