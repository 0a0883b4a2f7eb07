// FastTransfer ROPs of downloads ([MS-OXCFXICS] 3.2.5.8.1): copies of folders, messages and attachments, and the
// buffers of these and of synchronisations.
#include <algorithm>

#include "base/log.h"
#include "mailbox/download.h"
#include "mailbox/message_content.h"
#include "mailbox/object_properties.h"

namespace mapigate::mailbox {

using namespace mapi;  // PidTag…
namespace fxics = wire::fxics;
using fxics::Marker;
using fxics::StreamWriter;

namespace {

constexpr std::size_t get_buffer_fields = 9;      // of the response, without the data
constexpr std::size_t least_room = 4096;          // less than this is not worth a buffer when more was asked for
constexpr std::size_t default_buffer = 0x7BC0;    // when the client leaves the size to us
constexpr Duration longest_wait = std::chrono::seconds(20);  // what is there by then goes out

enum CopyFlag : std::uint32_t { copy_to_best_body = 0x2000, messages_best_body = 0x10, send_entry_id = 0x20, copy_subfolders = 0x10 };
// With Move and those that are called unused ([MS-OXCFXICS] 2.2.3.1.1).
constexpr std::uint32_t copy_to_flags = 0x0000260F;
constexpr std::uint8_t copy_properties_flags = 0x0F, copy_messages_flags = 0x3F, copy_folder_flags = 0x1F;

// messageList: messages one after the other.
class MessageWriter {
 public:
  MessageWriter(GlobalCounter folder, std::vector<StreamedMessage> messages, std::shared_ptr<const TransferOptions> options)
      : folder_(folder), messages_(std::move(messages)), options_(std::move(options)) {}
  std::size_t done() const { return next_; }
  std::size_t size() const { return messages_.size(); }

  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) {
    if (transfer_) {
      auto more = co_await write_portion(call, transfer_, writer);
      if (!more) co_return more.error();
      if (!*more) {
        transfer_ = nullptr;
        writer.marker(Marker::EndMessage);
      }
      co_return true;
    }
    if (next_ == messages_.size()) co_return false;
    auto message = std::make_shared<MessageObject>();
    message->folder = folder_;
    message->id = messages_[next_].id;
    message->associated = messages_[next_].associated;
    auto opened = co_await open_transfer(call, message, options_);
    if (!opened && opened.error().retryable()) co_return opened.error();
    ++next_;
    if (!opened) {
      log::info("mailbox: message {:x} is left out of a copy: {}", message->id, opened.error().message);
      co_return true;
    }
    transfer_ = *opened;
    transfer_start(*transfer_);
    writer.marker(message->associated ? Marker::StartFAIMsg : Marker::StartMessage);
    // The message id comes first and is always there ([MS-OXCFXICS] messageContent).
    (void)writer.property(PidTagMid, mapi::Value::integer64(static_cast<std::int64_t>(call.id(message->id).value)));
    co_return true;
  }

 private:
  GlobalCounter folder_;
  std::vector<StreamedMessage> messages_;
  std::shared_ptr<const TransferOptions> options_;
  std::size_t next_ = 0;
  std::shared_ptr<MessageTransfer> transfer_;
};

class ListOfMessages final : public Producer {
 public:
  ListOfMessages(GlobalCounter folder, std::vector<StreamedMessage> messages, TransferOptions options)
      : writer_(folder, std::move(messages), std::make_shared<TransferOptions>(std::move(options))) {}
  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) override { return writer_.produce(call, writer); }
  std::uint32_t steps_done() const override { return static_cast<std::uint32_t>(writer_.done()); }
  std::uint32_t steps() const override { return static_cast<std::uint32_t>(writer_.size()); }

 private:
  MessageWriter writer_;
};

// topFolder or folderContent, with messages and folders below.
class FolderCopy final : public Producer {
 public:
  FolderCopy(GlobalCounter folder, bool top, TransferOptions options)
      : top_(top), options_(std::make_shared<TransferOptions>(std::move(options))) {
    open_.push_back({folder});
  }

  Task<Result<bool>> produce(RopCall& call, StreamWriter& writer) override {
    if (open_.empty()) co_return false;
    auto& place = open_.back();
    const bool is_root = open_.size() == 1;
    const auto tree = call.mailbox.tree();
    const auto* folder = tree->find(place.id);
    switch (place.stage) {
      case Stage::start: {
        if (folder == nullptr) co_return error(Errc::not_found, "the folder is gone");
        auto hidden = co_await list_messages(call, place.id, wants_hidden(is_root), true);
        if (!hidden) co_return hidden.error();
        auto listed = co_await list_messages(call, place.id, folder->selectable && wants_messages(is_root), false);
        if (!listed) co_return listed.error();
        if (!is_root) writer.marker(Marker::StartSubFld);
        else if (top_) writer.marker(Marker::StartTopFld);
        write_folder(call, FolderSource({call.mailbox.identity(), tree, folder, 0, call.mailbox.folder_extras(folder->id)}), is_root, writer);
        if (wants_folders(is_root))
          for (const auto* child : tree->children(place.id)) place.children.push_back(child->id);
        if (delete_properties() && wants_hidden(is_root)) delete_property(PidTagFolderAssociatedContents, writer);
        place.hidden = std::make_unique<MessageWriter>(place.id, std::move(*hidden), message_options());
        place.messages = std::make_unique<MessageWriter>(place.id, std::move(*listed), message_options());
        place.stage = Stage::hidden;
        co_return true;
      }
      case Stage::hidden: {
        auto more = co_await place.hidden->produce(call, writer);
        if (!more) co_return more.error();
        if (*more) co_return true;
        place.hidden = nullptr;
        place.stage = Stage::messages;
        if (delete_properties() && wants_messages(is_root)) delete_property(PidTagContainerContents, writer);
        co_return true;
      }
      case Stage::messages: {
        auto more = co_await place.messages->produce(call, writer);
        if (!more) co_return more.error();
        if (*more) co_return true;
        place.messages = nullptr;
        place.stage = Stage::children;
        if (delete_properties() && wants_folders(is_root)) delete_property(PidTagContainerHierarchy, writer);
        co_return true;
      }
      case Stage::children:
        if (place.next < place.children.size()) {
          const auto child = place.children[place.next++];
          open_.push_back({child});
          co_return true;
        }
        if (!is_root || top_) writer.marker(Marker::EndFolder);
        open_.pop_back();
        co_return !open_.empty();
    }
    co_return false;
  }

 private:
  enum class Stage : std::uint8_t { start, hidden, messages, children };
  struct Place {
    GlobalCounter id = 0;
    Stage stage = Stage::start;
    std::unique_ptr<MessageWriter> hidden{}, messages{};
    std::vector<GlobalCounter> children{};
    std::size_t next = 0;
  };

  bool delete_properties() const { return !top_; }
  bool wants_messages(bool is_root) const {
    return options_->subobjects && (!is_root || top_ || options_->wants(PidTagContainerContents));
  }
  bool wants_hidden(bool is_root) const {
    return options_->subobjects && (!is_root || top_ || options_->wants(PidTagFolderAssociatedContents));
  }
  bool wants_folders(bool is_root) const {
    return options_->subobjects && options_->subfolders && (!is_root || top_ || options_->wants(PidTagContainerHierarchy));
  }
  static void delete_property(PropertyTag tag, StreamWriter& writer) {
    (void)writer.integer32(fxics::MetaTagFXDelProp, static_cast<std::int32_t>(tag.value));
  }
  std::shared_ptr<const TransferOptions> message_options() const {
    TransferOptions out;
    out.best_body = options_->best_body;
    out.unicode = options_->unicode;
    return std::make_shared<TransferOptions>(std::move(out));
  }

  Task<Result<std::vector<StreamedMessage>>> list_messages(RopCall& call, GlobalCounter folder, bool wanted, bool associated) {
    std::vector<StreamedMessage> out;
    if (!wanted) co_return out;
    if (!associated) {
      auto indexed = co_await call.mailbox.wait_indexed(folder, call.mailbox.context().options.first_index_wait);
      if (!indexed) co_return indexed.error();
    }
    const auto contents = associated ? state::associated_of(folder) : folder;
    auto list = [contents](state::MailboxState& s) { return s.message_ids(contents, {state::SortKey::id, false}); };
    auto ids = co_await call.mailbox.with_state(list);
    if (!ids) co_return ids.error();
    for (const auto id : *ids) out.push_back({id, associated});
    co_return out;
  }

  void write_folder(RopCall& call, const FolderSource& source, bool is_root, StreamWriter& writer) {
    const auto code_page = call.session.options().code_page;
    TransferOptions others;
    others.unicode = options_->unicode;
    if (is_root && !top_) {
      others.tags = options_->tags;
      others.only_these = options_->only_these;
    }
    // These three begin a folder, but not one that StartTopFld begins.
    if (!(is_root && top_)) {
      for (const auto tag : {PidTagFolderId, PidTagDisplayName, PidTagComment})
        if (!is_root || options_->wants(tag)) write_property(source, tag, code_page, options_->unicode, writer);
      if (others.only_these) std::erase_if(others.tags, [](auto tag) { return tag.id() == PidTagDisplayName.id() || tag.id() == PidTagComment.id(); });
      else others.tags.insert(others.tags.end(), {PidTagDisplayName, PidTagComment});
    }
    write_properties(source, others, {}, code_page, writer);
  }

  bool top_;
  std::shared_ptr<const TransferOptions> options_;
  std::vector<Place> open_;
};

bool has_unknown(std::uint8_t send_options) { return (send_options & ~wire::send_options::known) != 0; }
bool wants_unicode(std::uint8_t send_options) {
  return (send_options & (wire::send_options::Unicode | wire::send_options::ForceUnicode | wire::send_options::UseCpid)) != 0;
}

ErrorCode put_download(RopCall& call, std::uint8_t index, std::unique_ptr<Producer> producer) {
  auto download = std::make_shared<DownloadObject>();
  download->producer = std::move(producer);
  return call.put(index, download);
}

std::unique_ptr<Producer> copy_of(RopCall& call, TransferOptions options) {
  auto object = call.find();
  if (!object) {
    call.why = ecNullObject;
    return nullptr;
  }
  switch (object->kind) {
    case Object::Kind::message: return make_message_copy(std::static_pointer_cast<MessageObject>(object), std::move(options));
    case Object::Kind::attachment: return make_attachment_copy(std::static_pointer_cast<AttachmentObject>(object), std::move(options));
    case Object::Kind::folder: return make_folder_copy(static_cast<const FolderObject&>(*object).id, false, std::move(options));
    default: break;
  }
  call.why = ecNotSupported;
  return nullptr;
}

Task<ErrorCode> copy_to(RopCall& call, const wire::RopFastTransferSourceCopyTo::Request& request, wire::RopFastTransferSourceCopyTo::Response&) {
  if ((request.CopyFlags & ~copy_to_flags) || has_unknown(request.SendOptions)) co_return ecInvalidParam;
  TransferOptions options;
  options.tags.assign(request.PropertyTags.begin(), request.PropertyTags.end());
  options.best_body = (request.CopyFlags & copy_to_best_body) != 0;
  options.unicode = wants_unicode(request.SendOptions);
  options.subobjects = request.Level == 0;
  options.delete_properties = true;
  options.change_keys = true;
  auto producer = copy_of(call, std::move(options));
  if (!producer) co_return call.why;
  co_return put_download(call, request.OutputHandleIndex, std::move(producer));
}

Task<ErrorCode> copy_properties(RopCall& call, const wire::RopFastTransferSourceCopyProperties::Request& request,
                                wire::RopFastTransferSourceCopyProperties::Response&) {
  if ((request.CopyFlags & ~copy_properties_flags) || has_unknown(request.SendOptions)) co_return ecInvalidParam;
  TransferOptions options;
  options.tags.assign(request.PropertyTags.begin(), request.PropertyTags.end());
  options.only_these = true;
  options.best_body = false;
  options.unicode = wants_unicode(request.SendOptions);
  options.subobjects = request.Level == 0;
  options.delete_properties = true;
  options.change_keys = true;
  auto producer = copy_of(call, std::move(options));
  if (!producer) co_return call.why;
  co_return put_download(call, request.OutputHandleIndex, std::move(producer));
}

Task<ErrorCode> copy_messages(RopCall& call, const wire::RopFastTransferSourceCopyMessages::Request& request,
                              wire::RopFastTransferSourceCopyMessages::Response&) {
  if ((request.CopyFlags & ~copy_messages_flags) || has_unknown(request.SendOptions)) co_return ecInvalidParam;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  if (request.MessageIds.empty()) co_return ecInvalidParam;
  std::vector<StreamedMessage> messages;
  for (const auto id : request.MessageIds) {
    const auto counter = RopCall::counter(id);
    auto row = co_await call.mailbox.message(counter);
    if (!row && row.error().code != Errc::not_found) co_return to_error_code(row.error());
    if (!row || state::folder_of(row->folder) != folder->id) co_return ecNotFound;
    messages.push_back({counter, state::is_associated(row->folder)});
  }
  TransferOptions options;
  options.best_body = (request.CopyFlags & messages_best_body) != 0;
  options.change_keys = (request.CopyFlags & send_entry_id) != 0;
  options.unicode = wants_unicode(request.SendOptions);
  co_return put_download(call, request.OutputHandleIndex, make_message_list(folder->id, std::move(messages), std::move(options)));
}

Task<ErrorCode> copy_folder(RopCall& call, const wire::RopFastTransferSourceCopyFolder::Request& request,
                            wire::RopFastTransferSourceCopyFolder::Response&) {
  if ((request.CopyFlags & ~copy_folder_flags) || has_unknown(request.SendOptions)) co_return ecInvalidParam;
  auto folder = call.object<FolderObject>();
  if (!folder) co_return call.why;
  TransferOptions options;
  options.best_body = false;
  options.unicode = wants_unicode(request.SendOptions);
  options.subfolders = (request.CopyFlags & copy_subfolders) != 0;
  co_return put_download(call, request.OutputHandleIndex, make_folder_copy(folder->id, true, std::move(options)));
}

std::uint16_t scaled(std::uint64_t part, std::uint64_t whole) {
  return static_cast<std::uint16_t>(whole <= UINT16_MAX ? part : part * UINT16_MAX / whole);
}

Task<ErrorCode> get_buffer(RopCall& call, const wire::RopFastTransferSourceGetBuffer::Request& request,
                           wire::RopFastTransferSourceGetBuffer::Response& response) {
  using Rop = wire::RopFastTransferSourceGetBuffer;
  auto download = call.object<DownloadObject>();
  if (!download) co_return call.why;
  if (!download->producer && download->sync && !download->sync->collector) {
    download->sync->started = true;
    download->producer = download->sync->contents ? make_contents_sync(download->sync) : make_hierarchy_sync(download->sync);
  }
  if (!download->producer) co_return ecNotSupported;
  const auto asked = request.wanted();
  const std::size_t wanted = asked == 0 ? default_buffer : asked;
  const auto room = call.budget > get_buffer_fields ? call.budget - get_buffer_fields : 0;
  if (room < wanted && room < least_room) {
    call.too_small = true;
    co_return ecBufferTooSmall;
  }
  const auto size = std::min(wanted, room);
  auto& writer = download->writer;
  const auto until = Clock::now() + longest_wait;
  while (!download->ended && writer.available() < size) {
    if (writer.available() != 0 && Clock::now() > until) break;
    auto more = co_await download->producer->produce(call, writer);
    if (!more) {
      // What is whole goes out; the next request runs into the trouble again, or not.
      if (writer.available() != 0) break;
      log::info("mailbox: a download stops: {}", more.error().message);
      co_return to_error_code(more.error());
    }
    download->ended = !*more;
  }
  Bytes buffer;
  if (writer.take(size, buffer) == 0 && writer.available() != 0) co_return ecBufferTooSmall;
  const bool done = download->ended && writer.available() == 0;
  response.TransferStatus = done ? Rop::Done : Rop::Partial;
  const auto steps = std::max<std::uint32_t>(download->producer->steps(), 1);
  response.TotalStepCount = scaled(steps, steps);
  response.InProgressCount = done ? response.TotalStepCount : scaled(std::min(download->producer->steps_done(), steps), steps);
  response.TransferBuffer = call.arena.copy(View(buffer));
  co_return ecNone;
}

// Says which server the data came from; here it makes no difference.
Task<ErrorCode> tell_version(RopCall& call, const wire::RopTellVersion::Request&, wire::RopTellVersion::Response&) {
  co_return call.object<DownloadObject>() ? ecNone : call.why;
}

}  // namespace

std::unique_ptr<Producer> make_message_list(GlobalCounter folder, std::vector<StreamedMessage> messages, TransferOptions options) {
  return std::make_unique<ListOfMessages>(folder, std::move(messages), std::move(options));
}
std::unique_ptr<Producer> make_folder_copy(GlobalCounter folder, bool top, TransferOptions options) {
  return std::make_unique<FolderCopy>(folder, top, std::move(options));
}

HandlerList fast_transfer_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopFastTransferSourceCopyTo, copy_to>(),
      on<wire::RopFastTransferSourceCopyProperties, copy_properties>(),
      on<wire::RopFastTransferSourceCopyMessages, copy_messages>(),
      on<wire::RopFastTransferSourceCopyFolder, copy_folder>(),
      on<wire::RopFastTransferSourceGetBuffer, get_buffer>(),
      on<wire::RopTellVersion, tell_version>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
