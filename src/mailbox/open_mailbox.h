// A mailbox as one session has it open: the handles into it and its events. A session has its user's own one, and those of
// others that it logged on to. It lives on the mailbox's executor, which for those of others is not the session's.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <unordered_map>

#include "mailbox/mailbox.h"
#include "mailbox/objects.h"
#include "wire/rop/notification_rops.h"
#include "wire/rop/rop.h"

namespace mapigate::mailbox {

struct SessionOptions {
  unsigned code_page = 1252;    // DefaultCodePage of Connect
  std::uint32_t locale = 0x0409;
  std::uint16_t index = 0;  // what EcDoConnectEx named the session, for RopPending ([MS-OXCRPC] 3.1.4.1, picxr)
};

struct RopCall;
class OpenMailbox;

// What the open mailboxes of a session share. Only the ROP that is being answered uses it, and there is one at a time; but
// `wake`, which is for all threads.
struct SessionShare {
  std::unordered_map<std::uint32_t, OpenMailbox*> handles;
  std::uint32_t next_handle = 1;
  std::size_t tables = 0, messages = 0;
  std::uint64_t zeros = 0;
  std::deque<Clock::time_point> redirections;  // when the client was sent to another server
  std::string first_logon;  // whose mailbox the session logged on to first
  io::Event wake;  // set when events come
};

// One response on its way into the buffer.
struct RopAnswer {
  explicit RopAnswer(Arena& a) : arena(a) {}
  Arena& arena;
  std::vector<std::uint32_t> handles;
  Bytes bytes;                      // the encoded response; empty for RopRelease
  std::vector<std::uint32_t> made;
  std::uint32_t left = 0;
  bool first = true;
  bool too_small = false;
};

// The index of the handle that a ROP works on; RopLogon has none.
std::optional<std::uint8_t> input_index(const wire::RopRequest& request);

class OpenMailbox final : public Listener {
 public:
  // On the mailbox's executor. `guest`: who opens another's mailbox; empty for the owner.
  static std::shared_ptr<OpenMailbox> make(std::shared_ptr<Mailbox> mailbox, SessionOptions options,
                                           std::shared_ptr<SessionShare> share, std::string guest);
  ~OpenMailbox();
  OpenMailbox(const OpenMailbox&) = delete;

  Mailbox& mailbox() { return *mailbox_; }
  const SessionOptions& options() const { return options_; }
  const std::string& owner() const { return owner_; }
  bool is_guest() const { return !guest_.empty(); }
  const std::string& guest() const { return guest_; }

  // -- for the session

  Task<mapi::ErrorCode> answer(const wire::RopRequest& request, RopAnswer& answer, std::size_t budget, bool packed);
  // Tells of the rows that changed in all tables (table_events.cc).
  Task<> tell_tables();
  // As many events as fit.
  Task<> append_events(Bytes* rops, std::size_t limit);
  bool has_events() const { return pending_; }  // from any thread
  // What its client watches, kept fresh while that waits.
  void keep_fresh();
  Task<> release_handles(std::vector<std::uint32_t> handles);
  Task<> release_logon_id(std::uint8_t logon_id);
  Task<> release_all();
  bool is_empty() const { return objects_.empty(); }  // between ROPs

  // -- for handlers

  std::shared_ptr<Object> find(std::uint32_t handle) const;
  // The other open mailbox of the session whose handle it is; null when there is none. It stays while the ROP is answered, and
  // is to be used on its executor.
  OpenMailbox* other_with(std::uint32_t handle) const;
  Result<std::uint32_t> add(std::shared_ptr<Object> object);  // Errc::limit
  void release(std::uint32_t handle);
  // A logon that takes an id in use releases what was opened under it ([MS-OXCROPS] 2.2.3.1.1).
  void release_logon(std::uint8_t logon_id);
  // The client is to be sent to another server. False: it was, too often and just now ([MS-OXCSTOR] 3.2.5.1.1).
  bool may_redirect();
  std::string& first_logon() { return share_->first_logon; }
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
  OpenMailbox(std::shared_ptr<Mailbox> mailbox, SessionOptions options, std::shared_ptr<SessionShare> share, std::string guest);
  Task<mapi::ErrorCode> settle_streams(RopCall& call);
  void queue(std::uint32_t handle, const Object& object, const wire::NotificationData& data,
             std::shared_ptr<const Bytes> row = nullptr);
  // `rows_too`: not only what rows show, also which there are.
  void mark_tables(TableObject::Source source, GlobalCounter folder, bool rows_too);
  void look_again(std::uint32_t handle, TableObject& table);
  void note_pending() { pending_ = !events_.empty() || tables_dirty_; }

  std::shared_ptr<Mailbox> mailbox_;
  const SessionOptions options_;
  std::shared_ptr<SessionShare> share_;
  const std::string owner_, guest_;
  std::map<std::uint32_t, std::shared_ptr<Object>> objects_;
  std::vector<std::weak_ptr<StreamObject>> writing_;
  std::deque<Event> events_;
  bool tables_dirty_ = false;
  bool changing_folders_ = false;  // while a ROP of this client does so
  std::atomic<bool> pending_{false};
};

}  // namespace mapigate::mailbox
