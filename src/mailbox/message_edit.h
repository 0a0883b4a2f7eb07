// Messages that are being written: which property goes where, and their properties as long as they are not saved.
#pragma once

#include "convert/mime_writer.h"
#include "mailbox/message_content.h"
#include "mapi/errors.h"
#include "mapi/message_flags.h"

namespace mapigate::mailbox {

// Made by the store: ids, counts, sizes. Setting one is answered with ecComputed.
bool is_computed(mapi::PropertyTag tag);
// A message as it goes into a backend: its MIME, and what stands beside it. Blocks.
struct StoredForm {
  convert::ByteSource mime;
  mapi::PropertyBag extras;
};
Result<StoredForm> stored_form(convert::MessageData& message, const convert::MimeWriteOptions& options);
// What `extras` keep for the MIME; null when there is nothing.
std::shared_ptr<const convert::Supplement> supplement_in(const mapi::PropertyBag& extras);
// Lays `extras` over what the MIME of their message gave.
void add_extras(convert::MessageData& message, const mapi::PropertyBag& extras);

// Of all properties of a message those that neither its MIME nor its flags hold.
mapi::PropertyBag beside_mime(const mapi::PropertyBag& properties);

// Opened for reading alone: a message, what is in one that was, or an attachment of such.
bool is_read_only(const Object& object);
// Makes the message's `data`, from the backend where it is not here. Everything can be changed then.
Task<Status> make_editable(Mailbox& mailbox, std::shared_ptr<MessageObject> message);
Task<mapi::ErrorCode> set_property(Mailbox& mailbox, std::shared_ptr<MessageObject> message, mapi::PropertyTag tag,
                                   mapi::Value value, unsigned code_page);
Task<mapi::ErrorCode> delete_property(Mailbox& mailbox, std::shared_ptr<MessageObject> message, mapi::PropertyTag tag);
// What RopSaveChangesMessage does. Errc::conflict: somebody else changed it since it was opened.
// `guest`: who saves it, in the mailbox of another.
Task<Status> save(Mailbox& mailbox, std::shared_ptr<MessageObject> message, bool force, std::string guest = {});

// What a new message has before it is saved. The language is its writer's; of the usual one nothing is kept.
constexpr std::uint32_t usual_locale = 0x0409;
void initialize(mapi::PropertyBag& properties, std::uint32_t locale = usual_locale);
// The flags that the properties of a new message tell.
std::uint32_t flags_of_new(const mapi::PropertyBag& properties);

// Unicode strings and the types that the engine keeps.
mapi::Value normal_value(mapi::PropertyTag& tag, const mapi::Value& value, Arena& arena, unsigned code_page);

// A message that is data. `row` once it is saved.
class DataSource final : public PropertySource {
 public:
  DataSource(std::shared_ptr<const StoreIdentity> store, std::optional<state::Message> row,
             std::shared_ptr<const convert::MessageData> data, GlobalCounter folder, bool associated, std::uint32_t flags);
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  std::optional<mapi::Value> made(mapi::PropertyTag tag, Arena& arena) const;
  std::shared_ptr<const StoreIdentity> store_;
  std::optional<state::Message> row_;
  std::shared_ptr<const convert::MessageData> data_;
  GlobalCounter folder_;
  bool associated_;
  std::uint32_t flags_;
};

class AttachmentDataSource final : public PropertySource {
 public:
  // Keeps `owner` alive, which holds `attachment`.
  AttachmentDataSource(std::shared_ptr<const void> owner, const convert::MessageData::Attachment* attachment, bool with_data)
      : owner_(std::move(owner)), attachment_(attachment), with_data_(with_data) {}
  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override;
  std::vector<mapi::PropertyTag> list() const override;

 private:
  std::shared_ptr<const void> owner_;
  const convert::MessageData::Attachment* attachment_;
  bool with_data_;
};

}  // namespace mapigate::mailbox
