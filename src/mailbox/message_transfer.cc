// Messages as FastTransfer elements ([MS-OXCFXICS] "messageContent Element", "attachmentContent Element").
#include <algorithm>

#include "base/log.h"
#include "convert/mime_supplement.h"
#include "mailbox/download.h"
#include "mailbox/message_content.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…
namespace fxics = wire::fxics;
using fxics::Marker;
using fxics::StreamWriter;

namespace {

// Values above this many bytes are put aside and written in pieces.
constexpr std::size_t large_value = 16 * 1024;
constexpr std::size_t piece_size = 32 * 1024;

// What belongs to tables, to changes or to the place of an object and not to its content (rows S2, P11).
constexpr PropertyTag never_content[] = {
    PidTagMid, PidTagInstID, PidTagInstanceNum, PidTagFolderId, PidTagParentFolderId, PidTagEntryId,
    PidTagLongTermEntryIdFromTable, PidTagRecordKey, PidTagParentEntryId, PidTagInstanceKey, PidTagStoreEntryId,
    PidTagStoreRecordKey, PidTagMappingSignature, PidTagObjectType, PidTagRowType, PidTagDepth, PidTagAccess,
    PidTagAccessLevel, PidTagAssociated, PidTagRead, PidTagMessageStatus, PidTagMessageSize, PidTagMessageSizeExtended,
    PidTagChangeNumber, PidTagParentSourceKey, PidTagHasAttachments, PidTagHasNamedProperties, PidTagContentCount,
    PidTagContentUnreadCount, PidTagAssociatedContentCount, PidTagSubfolders, PidTagDisplayType, PidTagStoreSupportMask,
    PidTagHierarchyChangeNumber, PidTagDeletedCountTotal, PidTagFolderFlags, PidTagHierRev};
constexpr PropertyTag change_properties[] = {PidTagSourceKey, PidTagChangeKey, PidTagPredecessorChangeList, PidTagLastModificationTime};
constexpr PropertyTag bodies[] = {PidTagBody, PidTagHtml, PidTagRtfCompressed};

template <std::size_t N>
bool is_one_of(PropertyTag tag, const PropertyTag (&list)[N]) {
  return std::any_of(std::begin(list), std::end(list), [&](auto other) { return other.id() == tag.id(); });
}

View bytes_of(const Value& value) {
  if (const auto* text = value.get<Utf16>()) return text->bytes;
  if (const auto* text = value.get<String8>()) return as_view(text->text);
  if (const auto* bytes = value.get<View>()) return *bytes;
  return {};
}

}  // namespace

bool TransferOptions::wants(PropertyTag tag) const {
  const auto listed = [&](PropertyTag wanted) {
    return std::any_of(tags.begin(), tags.end(), [&](auto other) { return other.id() == wanted.id(); });
  };
  if (only_these) return listed(tag);
  if (tag.id() == PidTagBody.id()) return !(listed(tag) && listed(PidTagHtml));
  return !listed(tag);
}

void write_property(const PropertySource& source, PropertyTag tag, unsigned code_page, bool unicode, StreamWriter& writer) {
  Arena arena;
  CellOptions cells;
  cells.code_page = code_page;
  cells.unicode = unicode;
  const auto value = cell(source, tag.with(PropertyType::PtypUnspecified), arena, cells);
  if (value.type == PropertyType::PtypErrorCode) return;
  (void)writer.property(tag.with(value.type), value);
}

// One message, or attachment, that is being written. Everything blocks: it runs on a worker.
class MessageTransfer {
 public:
  MessageTransfer(std::shared_ptr<const StoreIdentity> store, std::optional<state::Message> row, Content content, NamedIds named,
                  std::map<std::uint16_t, PropertyName> names, std::shared_ptr<const TransferOptions> options, unsigned code_page,
                  std::size_t memory_limit)
      : options_(std::move(options)), code_page_(code_page), memory_limit_(memory_limit),
        top_(std::move(store), std::move(row), content, named), names_(std::move(names)) {
    for (const auto& [name, id] : named) names_.emplace(id, name);
    levels_.push_back({std::move(content), 0});
  }
  // Begins with the properties of the message itself.
  void start_message() { stage_ = Stage::properties; }
  // Only the attachment with that number, without NewAttach and EndAttach.
  void start_attachment(std::size_t index) {
    stage_ = Stage::attachments;
    single_ = true;
    auto& level = levels_.back();
    level.next = level.content->attachment_numbered(index).value_or(level.content->attachments().size());
  }
  const PropertySource& properties() const { return top_; }

  Result<bool> portion(StreamWriter& writer) {
    if (!large_.empty()) return write_piece(writer);
    if (stage_ == Stage::properties) {
      write_message(top_, *levels_.back().content, true, writer);
      stage_ = Stage::attachments;
      return true;
    }
    return next_attachment(writer);
  }

 private:
  enum class Stage : std::uint8_t { properties, attachments };
  struct Level {
    Content content;
    std::size_t next = 0;    // attachment
    bool attachment_open = false;
  };
  struct Large {
    PropertyTag tag;
    std::optional<PropertyName> name;
    convert::ByteSource bytes;
    std::uint32_t terminator = 0;
    std::size_t position = 0;
    bool begun = false;
  };

  Result<bool> write_piece(StreamWriter& writer) {
    static constexpr std::uint8_t zeros[2] = {};
    auto& large = large_.front();
    if (!large.begun) {
      const auto size = static_cast<std::uint32_t>(large.bytes.size()) + large.terminator;
      if (auto begun = writer.begin_value(large.tag, size, large.name ? &*large.name : nullptr); !begun) return begun.error();
      large.begun = true;
    }
    const auto size = std::min(piece_size, large.bytes.size() - large.position);
    if (auto done = writer.piece(large.bytes.view().subspan(large.position, size)); !done) return done.error();
    large.position += size;
    if (large.position == large.bytes.size()) {
      if (auto done = writer.piece(View(zeros, large.terminator)); !done) return done.error();
      large_.pop_front();
    }
    return true;
  }

  // What is large waits in `large_` and stands behind the other properties.
  void write_all(const PropertySource& source, bool top, StreamWriter& writer) {
    auto tags = source.list();
    std::sort(tags.begin(), tags.end());
    const auto native = tag_of_native_body(source);
    for (const auto tag : tags) {
      if (is_one_of(tag, never_content) || (top && !options_->wants(tag))) continue;
      if (is_one_of(tag, change_properties) && !(top && options_->change_keys)) continue;
      if (native && is_one_of(tag, bodies) && options_->best_body && tag.id() != native->id() && !(top && options_->only_these)) continue;
      write_one(source, tag, writer);
    }
  }
  static std::optional<PropertyTag> tag_of_native_body(const PropertySource& source) {
    Arena arena;
    const auto native = source.get(PidTagNativeBody, arena);
    if (!native) return std::nullopt;
    switch (static_cast<convert::NativeBody>(number_of(*native))) {
      case convert::NativeBody::html: return PidTagHtml;
      case convert::NativeBody::rtf: return PidTagRtfCompressed;
      case convert::NativeBody::text: return PidTagBody;
      default: return std::nullopt;
    }
  }
  void write_one(const PropertySource& source, PropertyTag tag, StreamWriter& writer, std::size_t large = large_value) {
    Arena arena;
    CellOptions cells;
    cells.code_page = code_page_;
    cells.unicode = options_->unicode;
    const auto value = cell(source, tag.with(PropertyType::PtypUnspecified), arena, cells);
    if (value.type == PropertyType::PtypErrorCode) return;  // also a multiple value without elements (row S3)
    const PropertyName* name = nullptr;
    if (tag.named()) {
      const auto found = names_.find(tag.id());
      if (found == names_.end()) return;
      name = &found->second;
    }
    const auto bytes = bytes_of(value);
    if (bytes.size() <= large) {
      (void)writer.property(tag.with(value.type), value, name);
      return;
    }
    convert::Spool spool(memory_limit_);
    if (!spool.append(bytes)) return;
    auto kept = std::move(spool).finish();
    if (!kept) return;
    const std::uint32_t terminator = value.type == PropertyType::PtypString ? 2 : value.type == PropertyType::PtypString8 ? 1 : 0;
    large_.push_back({tag.with(value.type), name ? std::optional(*name) : std::nullopt, std::move(*kept), terminator, 0, false});
  }

  // Large values have to stand before the recipients: the caller writes these once they are gone.
  void write_message(const PropertySource& source, const convert::MimeMessage& content, bool top, StreamWriter& writer) {
    write_all(source, top, writer);
    recipients_of_ = &content;
    recipients_top_ = top;
  }

  void write_recipients(StreamWriter& writer) {
    const auto& content = *recipients_of_;
    const bool top = recipients_top_;
    recipients_of_ = nullptr;
    if (top && !options_->subobjects) return;
    if (!top || options_->wants(PidTagMessageRecipients)) {
      if (options_->delete_properties && top) (void)writer.integer32(fxics::MetaTagFXDelProp, static_cast<std::int32_t>(PidTagMessageRecipients.value));
      for (const auto& recipient : content.recipients())
        write_recipient(recipient, static_cast<std::int32_t>(recipient.row), writer);
    }
    if (options_->delete_properties && top && options_->wants(PidTagMessageAttachments))
      (void)writer.integer32(fxics::MetaTagFXDelProp, static_cast<std::int32_t>(PidTagMessageAttachments.value));
  }
  // Row S4: type, names, address and entry id are there, and no property in both string types.
  void write_recipient(const convert::Recipient& recipient, std::int32_t row, StreamWriter& writer) {
    writer.marker(Marker::StartRecip);
    (void)writer.integer32(PidTagRowid, row);
    PropertyBag bag;
    bag.set_all(recipient.properties);
    bag.set_integer(PidTagRecipientType, recipient.type);
    if (!bag.contains(PidTagDisplayName))
      bag.set_string(PidTagDisplayName, recipient.display_name.empty() ? recipient.smtp_address : recipient.display_name);
    if (!bag.contains(PidTagAddressType)) bag.set_string(PidTagAddressType, "SMTP");
    if (!bag.contains(PidTagEmailAddress)) bag.set_string(PidTagEmailAddress, recipient.smtp_address);
    const BagSource source(bag);
    auto tags = source.list();
    std::sort(tags.begin(), tags.end());
    for (const auto tag : tags)
      if (tag.id() != PidTagRowid.id()) write_one(source, tag, writer, SIZE_MAX);
    writer.marker(Marker::EndToRecip);
  }

  Result<bool> next_attachment(StreamWriter& writer) {
    if (recipients_of_ != nullptr) {
      write_recipients(writer);
      return true;
    }
    auto& level = levels_.back();
    if (level.attachment_open) {
      level.attachment_open = false;
      if (single_ && levels_.size() == 1) return false;
      writer.marker(Marker::EndAttach);
      return true;
    }
    const bool wanted = levels_.size() > 1 || single_ || (options_->subobjects && options_->wants(PidTagMessageAttachments));
    if (!wanted || level.next >= level.content->attachments().size()) {
      if (levels_.size() == 1) return false;
      levels_.pop_back();
      writer.marker(Marker::EndEmbed);
      return true;
    }
    return open_attachment(writer);
  }

  // What can fail comes first: an error leaves the stream between two attachments.
  Result<bool> open_attachment(StreamWriter& writer) {
    auto& level = levels_.back();
    const auto index = level.next;
    const bool bare = single_ && levels_.size() == 1;
    Content inner;
    std::optional<convert::ByteSource> data;
    if (level.content->attachments()[index].kind == convert::Attachment::Kind::embedded) {
      auto opened = level.content->embedded(index);
      if (opened) inner = *opened;
      else log::info("mailbox: an embedded message is left out: {}", opened.error().message);
    } else if (!bare || options_->wants(PidTagAttachDataBinary)) {
      convert::Spool spool(memory_limit_);
      const auto read = level.content->read_attachment(index, [&](View part) { return spool.append(part); });
      if (!read) return read.error();
      auto kept = std::move(spool).finish();
      if (!kept) return kept.error();
      data = std::move(*kept);
    }
    ++level.next;
    level.attachment_open = true;
    const AttachmentSource source(level.content, index, false);
    if (!bare) {
      writer.marker(Marker::NewAttach);
      (void)writer.integer32(PidTagAttachNumber,
                             static_cast<std::int32_t>(level.content->attachments()[index].properties.number(PidTagAttachNumber)));
    }
    auto tags = source.list();
    std::sort(tags.begin(), tags.end());
    for (const auto tag : tags)
      if (!is_one_of(tag, never_content) && tag.id() != PidTagAttachNumber.id() && (!bare || options_->wants(tag)))
        write_one(source, tag, writer, SIZE_MAX);  // an embedded message would come before what waits
    if (data) large_.push_back({PidTagAttachDataBinary, {}, std::move(*data), 0, 0, false});
    if (inner) {
      writer.marker(Marker::StartEmbed);
      const ContentSource properties(nullptr, std::nullopt, inner, {});
      levels_.push_back({inner, 0, false});
      write_message(properties, *inner, false, writer);
    }
    return true;
  }

  std::shared_ptr<const TransferOptions> options_;
  unsigned code_page_;
  std::size_t memory_limit_;
  ContentSource top_;
  std::map<std::uint16_t, PropertyName> names_;
  std::vector<Level> levels_;
  std::deque<Large> large_;
  Stage stage_ = Stage::properties;
  const convert::MimeMessage* recipients_of_ = nullptr;  // of a message in levels_, whose recipients are to be written
  bool recipients_top_ = false;
  bool single_ = false;
};

const PropertySource& properties_of(const MessageTransfer& transfer) { return transfer.properties(); }
void transfer_start(MessageTransfer& transfer) { transfer.start_message(); }
void transfer_start(MessageTransfer& transfer, std::size_t attachment) { transfer.start_attachment(attachment); }

Task<Result<std::shared_ptr<MessageTransfer>>> open_transfer(RopCall& call, std::shared_ptr<MessageObject> message,
                                                             std::shared_ptr<const TransferOptions> options) {
  auto content = co_await content_of(call.mailbox, message);
  if (!content) co_return content.error();
  std::optional<state::Message> row;
  if (!message->parent) {
    auto found = co_await call.mailbox.message(message->id);
    if (!found) co_return found.error();
    row = std::move(*found);
  }
  auto named = co_await named_ids(call.mailbox, *content);
  if (!named) co_return named.error();
  std::vector<std::uint16_t> ids;
  for (const auto* bag : {row ? &row->extras : nullptr, row ? &row->properties : nullptr})
    for (const auto& value : bag ? bag->values() : std::span<const TaggedValue>())
      if (value.tag.named()) ids.push_back(value.tag.id());
  if (const auto& supplement = (*content)->supplement()) convert::collect_named(*supplement, ids);
  auto names = co_await call.mailbox.names_of(std::move(ids));
  if (!names) co_return names.error();
  const auto code_page = message->code_page ? message->code_page : call.session.options().code_page;
  auto transfer = std::make_shared<MessageTransfer>(call.mailbox.identity(), std::move(row), *content, std::move(*named),
                                                    std::move(*names), options, code_page, call.mailbox.context().options.max_stream_memory);
  co_return transfer;
}

Task<Result<bool>> write_portion(RopCall& call, std::shared_ptr<MessageTransfer> transfer, StreamWriter& writer) {
  auto* to = &writer;
  auto work = [transfer, to]() { return transfer->portion(*to); };
  co_return co_await io::run_blocking(call.mailbox.context().runtime, work);
}

void write_properties(const PropertySource& source, const TransferOptions& options, const std::map<std::uint16_t, PropertyName>& names,
                      unsigned code_page, StreamWriter& writer) {
  auto tags = source.list();
  std::sort(tags.begin(), tags.end());
  (void)names;
  for (const auto tag : tags) {
    if (tag.named() || is_one_of(tag, never_content) || is_one_of(tag, change_properties) || !options.wants(tag)) continue;
    write_property(source, tag, code_page, options.unicode, writer);
  }
}

namespace {

// messageContent or attachmentContent by itself, for RopFastTransferSourceCopyTo and -CopyProperties.
class ObjectCopy final : public Producer {
 public:
  ObjectCopy(std::shared_ptr<MessageObject> message, std::optional<std::size_t> attachment, TransferOptions options)
      : message_(std::move(message)), attachment_(attachment), options_(std::make_shared<TransferOptions>(std::move(options))) {}
  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) override {
    if (!transfer_) {
      auto opened = co_await open_transfer(call, message_, options_);
      if (!opened) co_return opened.error();
      transfer_ = *opened;
      if (attachment_) transfer_->start_attachment(*attachment_);
      else transfer_->start_message();
    }
    co_return co_await write_portion(call, transfer_, writer);
  }

 private:
  std::shared_ptr<MessageObject> message_;
  std::optional<std::size_t> attachment_;
  std::shared_ptr<const TransferOptions> options_;
  std::shared_ptr<MessageTransfer> transfer_;
};

}  // namespace

std::unique_ptr<Producer> make_message_copy(std::shared_ptr<MessageObject> message, TransferOptions options) {
  return std::make_unique<ObjectCopy>(std::move(message), std::nullopt, std::move(options));
}
std::unique_ptr<Producer> make_attachment_copy(std::shared_ptr<AttachmentObject> attachment, TransferOptions options) {
  auto message = attachment->message;
  return std::make_unique<ObjectCopy>(std::move(message), attachment->index, std::move(options));
}

}  // namespace mapigate::mailbox
