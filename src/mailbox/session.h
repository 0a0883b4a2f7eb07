// One client session: the mailboxes it has open, and the loop that answers an Execute out of them.
#pragma once

#include "mailbox/open_mailbox.h"

namespace mapigate::mailbox {

// What an Execute comes to: payloads for a chain of extended buffers, or an error of the whole call.
struct ExecuteResult {
  mapi::ErrorCode code = mapi::ecNone;
  std::vector<Bytes> payloads;
};

class Session {
 public:
  Session(std::shared_ptr<Mailbox> mailbox, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;

  // `requests` and `arena` must live until it ends. `flags`: rpc::ExecuteFlags. Calls of one session queue up.
  Task<ExecuteResult> execute(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out, Arena& arena);
  // True at once when events are queued, else when one comes; false after `limit`.
  Task<bool> wait_for_event(Duration limit);
  // Ends waiting: the client has left.
  void close();
  bool has_events() const;

  Mailbox& mailbox() { return own().mailbox(); }
  std::size_t objects() const { return share_->handles.size(); }
  std::size_t mailboxes() const { return open_.size(); }

 private:
  using Open = std::shared_ptr<OpenMailbox>;

  OpenMailbox& own() { return *open_.front(); }
  Task<ExecuteResult> run(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out, Arena& arena);
  Task<mapi::ErrorCode> answer(const wire::RopRequest& request, RopAnswer& answer, std::size_t budget, bool packed);
  Task<Status> chain_more(const wire::RopRequest& request, RopAnswer& last, std::size_t max_rop_out, std::size_t used,
                          std::vector<Bytes>& payloads);
  Task<> release(std::vector<std::uint32_t> handles);
  // The mailbox that a ROP is about: that of the handle it works on; of RopLogon the one it names.
  Task<Open> target_of(const wire::RopRequest& request, const RopAnswer& answer);
  Task<Open> open_other(std::string owner);
  bool may_open(const std::string& owner);
  // Mailboxes of others that this user may not open any more, and those that he has no handle into.
  Task<> close_forbidden();
  void close_empty();

  std::shared_ptr<SessionShare> share_ = std::make_shared<SessionShare>();
  std::vector<Open> open_;  // the own one first
  std::vector<std::uint32_t> nobodys_;  // handles of calls that ended without an answer; the next call releases them
  bool closed_ = false;
  io::Mutex turn_;
};

}  // namespace mapigate::mailbox
