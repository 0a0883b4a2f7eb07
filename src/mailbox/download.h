// FastTransfer downloads ([MS-OXCFXICS] 3.2.5.8.1): what RopFastTransferSourceGetBuffer reads from. A producer
// writes the stream portion by portion, only as far ahead as the next buffer needs.
#pragma once

#include <map>

#include "mailbox/rop_call.h"
#include "mailbox/sync_state.h"
#include "wire/fxics/stream_writer.h"

namespace mapigate::mailbox {

class Producer {
 public:
  virtual ~Producer() = default;
  // Writes the next portion; false: there is nothing more. After an error, which leaves the stream at the border of
  // an element, it may be called again.
  virtual Task<Result<bool>> produce(RopCall& call, wire::fxics::StreamWriter& writer) = 0;
  virtual std::uint32_t steps_done() const { return 0; }
  virtual std::uint32_t steps() const { return 1; }
};

struct DownloadObject final : Object {
  static constexpr auto its_kind = Kind::download;
  DownloadObject() : Object(its_kind) {}
  std::unique_ptr<Producer> producer;  // null until the first buffer is asked for, if it is of a synchronisation
  std::shared_ptr<SyncContext> sync;   // null for copies
  wire::fxics::StreamWriter writer;
  bool ended = false;  // the producer has nothing more
};

// What a producer needs to know of the request that began it.
struct TransferOptions {
  std::vector<mapi::PropertyTag> tags;  // left out, or the only ones
  bool only_these = false;
  bool best_body = true;        // bodies as they came, not as compressed RTF
  bool unicode = true;
  bool subobjects = true;       // recipients, attachments, messages, folders
  bool subfolders = true;
  bool delete_properties = false;  // MetaTagFXDelProp before recipients and attachments
  bool change_keys = false;     // SourceKey and the like are part of messages
  bool skip_unreadable = true;  // row S5; else a message that cannot be read fails the download

  // Row S1: leaving out the plain text alone leaves out nothing.
  bool wants(mapi::PropertyTag tag) const;
};

// A message on its way into a stream: its properties, recipients and attachments, embedded messages within
// them. Large values wait in files and go out in pieces.
class MessageTransfer;
Task<Result<std::shared_ptr<MessageTransfer>>> open_transfer(RopCall& call, std::shared_ptr<MessageObject> message,
                                                             std::shared_ptr<const TransferOptions> options);
// Writes a portion; false when the message is complete. Only an error of the content ends it early.
Task<Result<bool>> write_portion(RopCall& call, std::shared_ptr<MessageTransfer> transfer, wire::fxics::StreamWriter& writer);
const PropertySource& properties_of(const MessageTransfer& transfer);
void transfer_start(MessageTransfer& transfer);                           // with the properties
void transfer_start(MessageTransfer& transfer, std::size_t attachment);   // this attachment alone

// Properties of `source` in the order of their tags, without those that belong to tables and to changes.
void write_properties(const PropertySource& source, const TransferOptions& options, const std::map<std::uint16_t, mapi::PropertyName>& names,
                      unsigned code_page, wire::fxics::StreamWriter& writer);
// One property as the source has it; nothing when it has none.
void write_property(const PropertySource& source, mapi::PropertyTag tag, unsigned code_page, bool unicode, wire::fxics::StreamWriter& writer);

std::unique_ptr<Producer> make_contents_sync(std::shared_ptr<SyncContext> context);
std::unique_ptr<Producer> make_hierarchy_sync(std::shared_ptr<SyncContext> context);
std::unique_ptr<Producer> make_state_download(SyncState state, bool contents);
std::unique_ptr<Producer> make_message_copy(std::shared_ptr<MessageObject> message, TransferOptions options);
std::unique_ptr<Producer> make_attachment_copy(std::shared_ptr<AttachmentObject> attachment, TransferOptions options);
// A message of a copy: one of those that the folder shows, or a hidden one.
struct StreamedMessage {
  GlobalCounter id = 0;
  bool associated = false;
};
std::unique_ptr<Producer> make_message_list(GlobalCounter folder, std::vector<StreamedMessage> messages, TransferOptions options);
// `top`: wrapped into StartTopFld and EndFolder.
std::unique_ptr<Producer> make_folder_copy(GlobalCounter folder, bool top, TransferOptions options);

}  // namespace mapigate::mailbox
