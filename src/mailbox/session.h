// One client session with a mailbox: its handles, its events, and the loop that answers an Execute.
#pragma once

#include <deque>
#include <map>

#include "mailbox/mailbox.h"
#include "mailbox/objects.h"
#include "wire/rop/notification_rops.h"
#include "wire/rop/rop.h"

namespace mapigate::mailbox {

struct SessionOptions {
  unsigned code_page = 1252;    // DefaultCodePage of Connect
  std::uint32_t locale = 0x0409;
};

// What an Execute comes to: payloads for a chain of extended buffers, or an error of the whole call.
struct ExecuteResult {
  mapi::ErrorCode code = mapi::ecNone;
  std::vector<Bytes> payloads;
};

struct RopCall;

class Session final : public Listener {
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
  bool has_events() const { return !events_.empty() || tables_dirty_; }

  Mailbox& mailbox() { return *mailbox_; }
  const SessionOptions& options() const { return options_; }

  // -- for handlers
  std::shared_ptr<Object> find(std::uint32_t handle) const;
  Result<std::uint32_t> add(std::shared_ptr<Object> object);  // Errc::limit
  void release(std::uint32_t handle);
  // A logon that takes an id in use releases what was opened under it ([MS-OXCROPS] 2.2.3.1.1).
  void release_logon(std::uint8_t logon_id);
  std::size_t objects() const { return objects_.size(); }
  // A stream that can be written, whose value other ROPs are to see.
  void note_writing(const std::shared_ptr<StreamObject>& stream);
  // Bytes of streams that a client asks for without sending them: as many in all as one value may have.
  bool take_zeros(std::uint64_t count, std::uint64_t most);

  // Tells of the rows that changed in a table, and brings these up to date (table_events.cc).
  Task<mapi::ErrorCode> tell_rows(std::uint32_t handle, std::shared_ptr<TableObject> table);

  void on_event(const MailboxEvent& event) override;
  std::vector<GlobalCounter> watched() const override;

 private:
  struct Event {
    std::uint32_t handle;
    std::uint8_t logon_id;
    wire::NotificationData data;  // its views point to static storage, or into `row`
    std::shared_ptr<const Bytes> row;
  };
  struct Answer;
  Task<ExecuteResult> run(const wire::RopRequestBuffer& requests, std::uint32_t flags, std::size_t max_rop_out, Arena& arena);
  Task<mapi::ErrorCode> answer(const wire::RopRequest& request, Answer& answer, std::size_t budget, bool packed);
  Task<mapi::ErrorCode> settle_streams(RopCall& call);
  Task<Status> chain_more(const wire::RopRequest& request, Answer& last, std::size_t max_rop_out, std::size_t used,
                          std::vector<Bytes>& payloads);
  void append_events(Bytes& rops, std::size_t limit, Arena& arena);
  void queue(std::uint32_t handle, const Object& object, const wire::NotificationData& data,
             std::shared_ptr<const Bytes> row = nullptr);
  // `rows_too`: not only what rows show, also which there are.
  void mark_tables(TableObject::Source source, GlobalCounter folder, bool rows_too);
  void look_again(std::uint32_t handle, TableObject& table);
  Task<> tell_tables();

  std::shared_ptr<Mailbox> mailbox_;
  SessionOptions options_;
  std::map<std::uint32_t, std::shared_ptr<Object>> objects_;
  std::uint32_t next_handle_ = 1;
  std::size_t tables_ = 0, messages_ = 0;
  std::vector<std::weak_ptr<StreamObject>> writing_;
  std::uint64_t zeros_ = 0;
  std::deque<Event> events_;
  io::Event wake_;
  bool closed_ = false;
  bool tables_dirty_ = false;
  io::Mutex turn_;
};

}  // namespace mapigate::mailbox
