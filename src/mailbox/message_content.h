// Opened messages and attachments: index row and MIME content as properties.
#pragma once

#include <map>

#include "mailbox/objects.h"

namespace mapigate::mailbox {

// The content of an opened message, fetched and parsed when the cache has let it go.
// Errc::unavailable while the backend is down; not_found when the message is gone there.
Task<Result<Content>> content_of(Mailbox& mailbox, std::shared_ptr<MessageObject> message);

// Ids of the named properties that content carries, by name.
using NamedIds = std::map<mapi::PropertyName, std::uint16_t>;
// Those of `content`; keywords get an id if they have none, headers only use what clients asked for before.
Task<Result<NamedIds>> named_ids(Mailbox& mailbox, Content content);

// The values of them, under those ids.
Task<Result<mapi::PropertyBag>> named_values(Mailbox& mailbox, Content content);
// The same into what was made of the content, and into the messages embedded in it. `data` must live meanwhile.
Task<Status> add_named_values(Mailbox& mailbox, Content content, convert::MessageData* data);

// Bodies are decoded when they are asked for, so get() belongs on a worker.
class ContentSource final : public PropertySource {
 public:
  // `row`: of the index; absent for embedded messages.
  ContentSource(std::shared_ptr<const StoreIdentity> store, std::optional<state::Message> row, Content content, NamedIds named);
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  std::optional<mapi::Value> body(mapi::PropertyTag tag, Arena& arena) const;
  std::optional<mapi::Value> named(mapi::PropertyTag tag, Arena& arena) const;
  bool has_named() const;
  std::unique_ptr<MessageSource> row_;
  Content content_;
  NamedIds named_;
};

class AttachmentSource final : public PropertySource {
 public:
  // `with_data`: PidTagAttachDataBinary is among its properties.
  AttachmentSource(Content content, std::size_t index, bool with_data)
      : content_(std::move(content)), index_(index), with_data_(with_data) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  Content content_;
  std::size_t index_;
  bool with_data_;
};
std::vector<mapi::PropertyTag> attachment_columns();
// PidTagRecordKey of an attachment ([MS-OXCPRPT] 2.2.1.8): tells it from the others of its message.
mapi::Value attachment_key(std::uint32_t number, Arena& arena);

// The raw header fields, for PidTagTransportMessageHeaders.
std::string_view header_block(View message);

}  // namespace mapigate::mailbox
