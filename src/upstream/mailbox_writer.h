// What a MAPI client writes: folders, messages, flags, submission. Over a MailboxClient that has logged on.
#pragma once

#include "upstream/mailbox_client.h"

namespace mapigate::upstream {

struct OutgoingFile {
  std::string name;
  Bytes data;
};
struct OutgoingMessage {
  std::vector<RecipientInfo> recipients;
  std::string subject, text;
  std::vector<OutgoingFile> files;
};

class MailboxWriter {
 public:
  explicit MailboxWriter(MailboxClient& client) : client_(client) {}

  Task<Result<mapi::Id>> create_folder(mapi::Id parent, std::string name);
  Task<Status> delete_folder(mapi::Id parent, mapi::Id folder);  // with all that is in it
  Task<Status> move_messages(mapi::Id from, std::vector<mapi::Id> messages, mapi::Id to, bool copy);
  Task<Status> delete_messages(mapi::Id folder, std::vector<mapi::Id> messages);
  Task<Status> set_read(mapi::Id folder, std::vector<mapi::Id> messages, bool read);
  Task<Status> set_flag(mapi::Id folder, mapi::Id message, bool flagged);
  // Through the Outbox; a copy stays in Sent Items.
  Task<Status> send(OutgoingMessage message);

 private:
  // Runs the ROPs and wants success of each.
  Task<Status> run(std::vector<wire::RopRequest> rops, std::vector<std::uint32_t>* handles);
  template <class Rop>
  wire::RopRequest rop(std::size_t handle_index, typename Rop::Request body = {});

  MailboxClient& client_;
  Arena arena_;
};

}  // namespace mapigate::upstream
