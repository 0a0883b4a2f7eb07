// A MAPI client: logs on to a mailbox, lists, reads and searches, over any transport. Used by
// `mapigate client` and by tests; written against the specifications, not against our server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mapi/property_bag.h"
#include "upstream/autodiscover.h"
#include "upstream/session.h"
#include "wire/rop/rops.h"

namespace mapigate::upstream {

// What one Execute gave: views live as long as this.
struct Executed {
  Arena arena;
  Bytes body;  // of the reply
  wire::RopResponseBuffer responses;
  std::vector<View> payloads;

  // The typed response at `index`; its ReturnValue as an error when it failed, is missing or another.
  template <class Rop>
  Result<typename Rop::Response*> response(std::size_t index) const;
};

struct FolderInfo {
  mapi::Id id;
  std::string name;
  std::string path;  // "Inbox/Projects"
  std::uint32_t depth = 0;
  std::string container_class;
  std::uint32_t total = 0, unread = 0;
};

struct MessageInfo {
  mapi::Id id;
  std::string subject, from;
  FileTime received;
  std::uint64_t size = 0;
  bool read = false, flagged = false, has_attachments = false;
};

struct RecipientInfo {
  std::uint8_t type = 0;  // 1 To, 2 Cc, 3 Bcc
  std::string name, address;
};

struct AttachmentInfo {
  std::uint32_t number = 0;
  std::string name, mime_type, content_id;
  std::uint64_t size = 0;
  bool embedded = false;  // a message
};

struct MessageDetail {
  mapi::PropertyBag properties;
  std::vector<RecipientInfo> recipients;
  std::vector<AttachmentInfo> attachments;
};

using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
// Sees each ROP buffer in decoded form, requests (true) and replies (false).
using Trace = std::function<void(bool request, const std::string& text)>;
// What the server tells unasked; views live during the call.
using Notified = std::function<void(const wire::NotificationData& event)>;

class MailboxClient : private wire::ColumnSource {
 public:
  MailboxClient(std::unique_ptr<Session> session, DiscoveredMailbox mailbox, Trace trace = {});
  ~MailboxClient() override;

  Task<Status> log_on();   // Connect and RopLogon
  Task<Status> log_off();  // Disconnect

  // Folders below the IPM subtree, parents before children.
  Task<Result<std::vector<FolderInfo>>> folders();
  // By path ("Inbox", "Projects/2024", any case) or id ("1-2a").
  Task<Result<FolderInfo>> find_folder(std::string name);
  // Newest first. `restriction` may be null; `limit` 0 means all.
  Task<Result<std::vector<MessageInfo>>> messages(mapi::Id folder, const mapi::Restriction* restriction, std::size_t limit,
                                                  Progress progress);
  Task<Result<MessageDetail>> message(mapi::Id folder, mapi::Id message);
  // A property of the message by stream: bodies of any size. `sink` may stop with an error.
  Task<Status> read_property(mapi::Id folder, mapi::Id message, mapi::PropertyTag tag, std::function<Status(View)> sink,
                             Progress progress);
  Task<Status> read_attachment(mapi::Id folder, mapi::Id message, std::uint32_t number, std::function<Status(View)> sink,
                               Progress progress);

  // Notifications ([MS-OXCNOTIF] 3.1): of a folder, or of the whole mailbox for an id of 0; until log_off(). `types` are
  // those of wire::notification.
  Task<Status> subscribe(mapi::Id folder, std::uint16_t types, Notified notified);
  // Returns when there are events (true), or when the server ends the wait without any. Nothing but log_off() may run beside.
  Task<Result<bool>> wait_for_events();
  // Those that are there go to `notified`.
  Task<Status> take_events();

  // One Execute. `handles` is the server object handle table, changed by the reply.
  Task<Result<std::unique_ptr<Executed>>> execute(std::vector<wire::RopRequest> rops, std::vector<std::uint32_t>* handles);

  const DiscoveredMailbox& mailbox() const { return mailbox_; }
  // After log_on(): the handle of the logon, and special folders.
  std::uint32_t logon() const { return logon_; }
  mapi::Id ipm_subtree() const { return folder_ids_[3]; }
  mapi::Id inbox() const { return folder_ids_[4]; }
  mapi::Id outbox() const { return folder_ids_[5]; }
  mapi::Id sent_items() const { return folder_ids_[6]; }

 private:
  std::optional<wire::Columns> columns_of(std::uint32_t handle) const override;
  chain::ClientInfo client_info();
  Task<Status> read_stream(std::vector<wire::RopRequest> open, std::vector<std::uint32_t> handles, std::size_t index,
                           mapi::PropertyTag tag, std::function<Status(View)> sink, Progress progress);
  // Rows of the table that `open` opens, with these columns; `prepare` are ROPs between columns and first row.
  Task<Result<std::vector<mapi::PropertyBag>>> rows(std::vector<wire::RopRequest> open, std::vector<std::uint32_t> handles,
                                                    std::size_t index, std::vector<mapi::PropertyTag> columns,
                                                    std::vector<wire::RopRequest> prepare, std::size_t limit, Progress progress);
  Task<Status> read_recipients(std::uint32_t message, std::size_t count, std::vector<mapi::PropertyTag> columns,
                               std::vector<RecipientInfo>* out);
  Task<Result<std::vector<AttachmentInfo>>> attachment_table(std::uint32_t message);  // releases the message too
  // All but the logon, which lasts until log_off().
  Task<> release(std::vector<std::uint32_t> handles);

  template <class Rop>
  wire::RopRequest rop(std::size_t handle_index, typename Rop::Request body = {});

  DiscoveredMailbox mailbox_;
  std::unique_ptr<Session> session_;
  Trace trace_;
  Notified notified_;
  std::string client_guid_;
  unsigned requests_ = 0;
  Arena arena_;  // request bodies under construction; cleared after each public call
  std::unordered_map<std::uint32_t, std::vector<mapi::PropertyTag>> columns_;
  std::uint32_t logon_ = wire::no_handle;
  wire::LogonFolderIds folder_ids_;
};

}  // namespace mapigate::upstream
