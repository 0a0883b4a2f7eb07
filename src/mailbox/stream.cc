// Stream ROPs ([MS-OXCPRPT] 3.2.5.12 to 3.2.5.20): property values too large for a reply, read and written piece by piece.
#include <algorithm>

#include "mailbox/message_edit.h"
#include "mailbox/property_writing.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::PropertyType;

constexpr auto StreamAccessDenied = static_cast<ErrorCode>(0x80030005);
constexpr auto StreamSeekError = static_cast<ErrorCode>(0x80030019);
constexpr auto StreamInvalidParam = static_cast<ErrorCode>(0x80030057);
constexpr std::uint8_t best_access = 0x03;
constexpr std::size_t read_stream_fields = 2;  // DataSize

bool can_stream(PropertyType type) {
  return type == PropertyType::PtypString || type == PropertyType::PtypString8 || type == PropertyType::PtypBinary ||
         type == PropertyType::PtypUnspecified;
}

// Runs on a worker. Large values go to a file at once, never whole into memory twice.
Result<convert::ByteSource> value_bytes(const PropertySource& source, PropertyTag tag, const CellOptions& options,
                                        std::size_t memory_limit) {
  Arena arena;
  const auto value = cell(source, tag, arena, options);
  if (value.type == PropertyType::PtypErrorCode) return error(Errc::not_found, "no such property");
  View bytes;
  if (const auto* text = value.get<Utf16>()) bytes = text->bytes;
  else if (const auto* text8 = value.get<mapi::String8>()) bytes = as_view(text8->text);
  else if (const auto* binary = value.get<View>()) bytes = *binary;
  else return error(Errc::unsupported, "a property that is no string and no binary");
  convert::Spool spool(memory_limit);
  if (auto status = spool.append(bytes); !status) return status.error();
  return std::move(spool).finish();
}

Result<convert::ByteSource> attachment_bytes(const convert::MimeMessage& message, std::size_t index, std::size_t memory_limit) {
  convert::Spool spool(memory_limit);
  const auto status = message.read_attachment(index, [&](View part) { return spool.append(part); });
  if (!status) return status.error();
  return std::move(spool).finish();
}

// The value as it is; not_found when there is none.
Task<Result<convert::ByteSource>> bytes_of(RopCall& call, std::shared_ptr<Object> object, PropertyTag tag) {
  const auto memory_limit = call.mailbox.context().options.max_stream_memory;
  const bool data = object->kind == Object::Kind::attachment && tag.id() == mapi::PidTagAttachDataBinary.id();
  if (data) {
    auto attachment = std::static_pointer_cast<AttachmentObject>(object);
    const auto* edit = attachment->edit.get();
    if (!edit && attachment->message->data)
      edit = attachment->message->data->attachment(static_cast<std::uint32_t>(attachment->index));
    if (edit && edit->embedded) co_return error(Errc::not_found, "an embedded message");
    if (edit) co_return edit->data;
    auto content = co_await content_of(call.mailbox, attachment->message);
    if (!content) co_return content.error();
    auto held = *content;
    const auto at = held->attachment_numbered(attachment->index);
    if (!at) co_return error(Errc::not_found, "the attachment is gone");
    const auto index = *at;
    if (held->attachments()[index].kind == convert::Attachment::Kind::embedded) co_return error(Errc::not_found, "an embedded message");
    auto read = [held, index, memory_limit]() { return attachment_bytes(*held, index, memory_limit); };
    co_return co_await io::run_blocking(call.mailbox.context().runtime, read);
  }
  auto source = co_await properties_of(call, object, tag.named(), true);
  if (!source) co_return source.error();
  CellOptions options;
  options.code_page = call.session.options().code_page;
  if (object->kind == Object::Kind::message)
    if (const auto own = static_cast<const MessageObject&>(*object).code_page) options.code_page = own;
  auto held = *source;
  auto read = [held, tag, options, memory_limit]() { return value_bytes(*held, tag, options, memory_limit); };
  co_return co_await io::run_blocking(call.mailbox.context().runtime, read);
}

bool can_write(const Object& object) {
  if (is_read_only(object)) return false;
  return object.kind == Object::Kind::message || object.kind == Object::Kind::attachment || object.kind == Object::Kind::folder;
}

StreamValue value_of(const Object& object, PropertyTag tag) {
  StreamValue value;
  value.property = tag.id();
  const MessageObject* message = nullptr;
  if (object.kind == Object::Kind::folder) value.folder = static_cast<const FolderObject&>(object).id;
  if (object.kind == Object::Kind::message) message = &static_cast<const MessageObject&>(object);
  if (object.kind == Object::Kind::attachment) {
    const auto& attachment = static_cast<const AttachmentObject&>(object);
    message = attachment.message.get();
    value.attachment = static_cast<std::uint32_t>(attachment.index);
  }
  if (message && (message->parent || !message->saved)) value.unsaved = &object;
  else if (message) value.folder = message->folder, value.message = message->id;
  return value;
}

// [MS-OXCPRPT] 3.2.5.21: whose own lock has expired is told so.
ErrorCode may_read(RopCall& call, const StreamObject& stream, std::uint64_t size) {
  const auto& locks = call.mailbox.stream_locks();
  const StreamRegion region{stream.position, size};
  if (locks.expired(stream.value, region, &call.session)) return mapi::ecNetwork;
  return locks.may_read(stream.value, region, &call.session) ? mapi::ecNone : mapi::ecAccessDenied;
}
ErrorCode may_write(RopCall& call, const StreamObject& stream, std::uint64_t offset, std::uint64_t size) {
  const auto& locks = call.mailbox.stream_locks();
  const StreamRegion region{offset, size};
  if (locks.expired(stream.value, region, &call.session)) return mapi::ecNetwork;
  return locks.may_write(stream.value, region, &call.session) ? mapi::ecNone : mapi::ecAccessDenied;
}

std::size_t most_bytes(RopCall& call) { return std::size_t{call.mailbox.context().options.max_submit_kilobytes} * 1024 * 2; }

// Zeros up to there are bytes from now on; false when a session has had enough of that.
bool fill(RopCall& call, StreamObject::Written& written, std::uint64_t to) {
  if (to <= written.bytes.size()) return true;
  if (!call.session.take_zeros(to - written.bytes.size(), most_bytes(call))) return false;
  written.bytes.resize(to);
  return true;
}

// Room for `count` bytes at `at`, which will be written at once.
ErrorCode make_room(RopCall& call, StreamObject::Written& written, std::uint64_t at, std::uint64_t count) {
  if (at > most_bytes(call) || count > most_bytes(call) - at) return mapi::ecTooBig;
  if (!fill(call, written, at)) return mapi::ecTooBig;
  if (written.bytes.size() < at + count) written.bytes.resize(at + count);
  written.size = std::max<std::uint64_t>(written.size, at + count);
  written.dirty = true;
  return mapi::ecNone;
}

Task<ErrorCode> open_stream(RopCall& call, const wire::RopOpenStream::Request& request, wire::RopOpenStream::Response& response) {
  using Rop = wire::RopOpenStream;
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  const auto mode = request.OpenModeFlags & best_access;
  auto tag = request.PropertyTag;
  // The bytes of an object are those of a binary value.
  if (tag.type() == PropertyType::PtypObject && object->kind != Object::Kind::folder) tag = tag.with(PropertyType::PtypBinary);
  if (!can_stream(tag.type())) co_return mapi::ecNotSupported;
  // Permissions are told by their table alone ([MS-OXCPERM] 3.2.5.3).
  if (object->kind == Object::Kind::folder && tag.id() == mapi::PidTagSecurityDescriptorAsXml.id()) co_return mapi::ecNotSupported;
  const bool create = mode == Rop::Create;
  // Best access reads what was not made for writing; a stream costs its bytes otherwise.
  const bool write = create || mode == Rop::ReadWrite || (mode == best_access && can_write(*object));
  if (write && is_read_only(*object)) co_return mapi::ecAccessDenied;
  if (write && !can_write(*object)) co_return mapi::ecNotSupported;
  auto stream = std::make_shared<StreamObject>();
  stream->value = value_of(*object, tag);
  if (!create) {
    auto bytes = co_await bytes_of(call, object, tag);
    if (!bytes) co_return mapi::to_error_code(bytes.error());
    stream->bytes = std::move(*bytes);
  }
  if (write) {
    stream->target = object;
    stream->tag = tag;
    stream->written = std::make_shared<StreamObject::Written>();
    stream->written->bytes = to_bytes(stream->bytes.view());
    stream->written->size = stream->written->bytes.size();
    stream->written->dirty = create;
    stream->bytes = {};
    call.session.note_writing(stream);
  }
  response.StreamSize = static_cast<std::uint32_t>(std::min<std::size_t>(stream->size(), UINT32_MAX));
  co_return call.put(request.OutputHandleIndex, stream);
}

Task<ErrorCode> read_stream(RopCall& call, const wire::RopReadStream::Request& request, wire::RopReadStream::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  const auto left = stream->size() - std::min<std::uint64_t>(stream->position, stream->size());
  const auto room = call.budget > read_stream_fields ? call.budget - read_stream_fields : 0;
  const auto wanted = std::min<std::size_t>(request.wanted(), left);
  if (room == 0 && wanted > 0) {
    call.too_small = true;
    co_return mapi::ecBufferTooSmall;
  }
  const auto n = std::min({wanted, room, std::size_t{UINT16_MAX}});
  if (const auto code = may_read(call, *stream, n); code != mapi::ecNone) co_return code;
  auto data = call.arena.make_span<std::uint8_t>(n);
  stream->read(stream->position, data);
  response.Data = data;
  stream->position += n;
  // Row S6: packed only where the administrator knows the clients.
  if (call.packed && call.mailbox.context().options.chain_streams && n < wanted) call.left = static_cast<std::uint32_t>(wanted - n);
  co_return mapi::ecNone;
}

Task<ErrorCode> seek_stream(RopCall& call, const wire::RopSeekStream::Request& request, wire::RopSeekStream::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  const auto size = static_cast<std::int64_t>(stream->size());
  std::int64_t from = 0;
  if (request.Origin == wire::RopSeekStream::FromCurrent) from = static_cast<std::int64_t>(stream->position);
  else if (request.Origin == wire::RopSeekStream::FromEnd) from = size;
  else if (request.Origin != wire::RopSeekStream::FromStart) co_return StreamInvalidParam;
  // Within [-from, 2^31 - from]: no overflow, and no position that a stream cannot have.
  if (request.Offset < -from || request.Offset > INT32_MAX - from) co_return StreamSeekError;
  stream->position = static_cast<std::uint64_t>(from + request.Offset);
  // A stream that can be written grows to where its position is; what is further than it may ever grow fails with the write.
  if (stream->target && stream->position > stream->size() && stream->position <= most_bytes(call)) {
    stream->written->size = stream->position;
    stream->written->dirty = true;
  }
  response.NewPosition = stream->position;
  co_return mapi::ecNone;
}

Task<ErrorCode> get_stream_size(RopCall& call, const wire::RopGetStreamSize::Request&, wire::RopGetStreamSize::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  response.StreamSize = static_cast<std::uint32_t>(std::min<std::size_t>(stream->size(), UINT32_MAX));
  co_return mapi::ecNone;
}

Task<ErrorCode> clone_stream(RopCall& call, const wire::RopCloneStream::Request& request, wire::RopCloneStream::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  auto copy = std::make_shared<StreamObject>();
  copy->bytes = stream->bytes;
  copy->position = stream->position;
  copy->value = stream->value;
  copy->target = stream->target;
  copy->tag = stream->tag;
  copy->written = stream->written;
  if (copy->target) call.session.note_writing(copy);
  co_return call.put(request.OutputHandleIndex, copy);
}

Task<ErrorCode> write_bytes(RopCall& call, View data, std::size_t* written) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  if (!stream->target) co_return StreamAccessDenied;
  if (const auto code = may_write(call, *stream, stream->position, data.size()); code != mapi::ecNone) co_return code;
  const auto room = make_room(call, *stream->written, stream->position, data.size());
  if (room != mapi::ecNone) co_return room;
  std::copy(data.begin(), data.end(), stream->written->bytes.begin() + static_cast<std::ptrdiff_t>(stream->position));
  stream->position += data.size();
  *written = data.size();
  co_return mapi::ecNone;
}

Task<ErrorCode> write_stream(RopCall& call, const wire::RopWriteStream::Request& request, wire::RopWriteStream::Response& response) {
  std::size_t written = 0;
  const auto code = co_await write_bytes(call, request.Data, &written);
  response.WrittenSize = static_cast<std::uint16_t>(written);
  co_return code;
}
Task<ErrorCode> write_stream_extended(RopCall& call, const wire::RopWriteStreamExtended::Request& request,
                                      wire::RopWriteStreamExtended::Response& response) {
  std::size_t written = 0;
  const auto code = co_await write_bytes(call, request.Data, &written);
  response.WrittenSize = static_cast<std::uint32_t>(written);
  co_return code;
}
Task<ErrorCode> write_and_commit_stream(RopCall& call, const wire::RopWriteAndCommitStream::Request& request,
                                        wire::RopWriteAndCommitStream::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  // Not for folders ([MS-OXCPRPT] 2.2.26).
  if (stream->target && stream->target->kind == Object::Kind::folder) co_return mapi::ecNotSupported;
  std::size_t written = 0;
  const auto code = co_await write_bytes(call, request.Data, &written);
  response.WrittenSize = static_cast<std::uint16_t>(written);
  if (code != mapi::ecNone) co_return code;
  co_return co_await commit(call, stream);
}

Task<ErrorCode> set_stream_size(RopCall& call, const wire::RopSetStreamSize::Request& request, wire::RopSetStreamSize::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  if (!stream->target) co_return StreamAccessDenied;
  if (request.StreamSize > most_bytes(call)) co_return mapi::ecTooBig;
  const auto before = std::uint64_t{stream->size()};
  const auto changed = std::minmax(before, request.StreamSize);
  if (const auto code = may_write(call, *stream, changed.first, changed.second - changed.first); code != mapi::ecNone) co_return code;
  auto& written = *stream->written;
  if (request.StreamSize < written.bytes.size()) written.bytes.resize(request.StreamSize);
  written.size = request.StreamSize;
  written.dirty = true;
  co_return mapi::ecNone;
}

Task<ErrorCode> copy_to_stream(RopCall& call, const wire::RopCopyToStream::Request& request, wire::RopCopyToStream::Response& response) {
  auto from = call.object<StreamObject>();
  if (!from) co_return call.why;
  auto to = call.object<StreamObject>(request.DestHandleIndex);
  response.DestHandleIndex = request.DestHandleIndex;
  if (!to) co_return call.no_destination(request.DestHandleIndex);
  if (!to->target) co_return StreamAccessDenied;
  const auto begin = std::min<std::uint64_t>(from->position, from->size());
  const auto n = std::min<std::uint64_t>(request.ByteCount, from->size() - begin);
  if (n > most_bytes(call)) co_return mapi::ecTooBig;
  if (const auto code = may_read(call, *from, n); code != mapi::ecNone) co_return code;
  if (const auto code = may_write(call, *to, to->position, n); code != mapi::ecNone) co_return code;
  // Zeros that nobody has written would be bytes in the other stream.
  const auto there = from->target ? std::uint64_t{from->written->bytes.size()} : from->size();
  const auto zeros = begin + n - std::min(begin + n, std::max(begin, there));
  if (!call.session.take_zeros(zeros, most_bytes(call))) co_return mapi::ecTooBig;
  Bytes piece(n);
  from->read(begin, piece);
  const auto room = make_room(call, *to->written, to->position, n);
  if (room != mapi::ecNone) co_return room;
  std::copy(piece.begin(), piece.end(), to->written->bytes.begin() + static_cast<std::ptrdiff_t>(to->position));
  from->position = begin + n;
  to->position += n;
  response.ReadByteCount = response.WrittenByteCount = n;
  co_return mapi::ecNone;
}

Task<ErrorCode> lock_region(RopCall& call, const wire::RopLockRegionStream::Request& request, wire::RopLockRegionStream::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  constexpr std::uint32_t others_read = 1;  // any other value: they may not
  const auto outcome = call.mailbox.stream_locks().lock(stream->value, {request.RegionOffset, request.RegionSize},
                                                        request.LockFlags == others_read, &call.session, stream,
                                                        call.mailbox.context().options.stream_lock_time);
  if (outcome == StreamLocks::Outcome::too_many) co_return mapi::ecMemory;
  co_return outcome == StreamLocks::Outcome::granted ? mapi::ecNone : mapi::ecAccessDenied;
}
Task<ErrorCode> unlock_region(RopCall& call, const wire::RopUnlockRegionStream::Request& request, wire::RopUnlockRegionStream::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  call.mailbox.stream_locks().unlock(stream->value, {request.RegionOffset, request.RegionSize}, &call.session);
  co_return mapi::ecNone;
}

// Of a stream that was only read there is nothing to commit; Outlook commits such, too.
Task<ErrorCode> commit_stream(RopCall& call, const wire::RopCommitStream::Request&, wire::RopCommitStream::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  co_return co_await commit(call, stream);
}

}  // namespace

void StreamObject::read(std::uint64_t at, std::span<std::uint8_t> into) const {
  const auto all = target ? View(written->bytes) : bytes.view();
  const auto here = all.subspan(std::min<std::uint64_t>(at, all.size()));
  const auto n = std::min(here.size(), into.size());
  std::copy_n(here.begin(), n, into.begin());
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(n), into.end(), std::uint8_t{0});
}

Task<ErrorCode> commit(RopCall& call, std::shared_ptr<StreamObject> stream) {
  if (!stream->target || !stream->written->dirty) co_return mapi::ecNone;
  auto& mailbox = call.mailbox;
  const auto code_page = call.session.options().code_page;
  const auto written = stream->written;
  if (!fill(call, *written, written->size)) co_return mapi::ecTooBig;
  auto tag = stream->tag;
  if (tag.type() == PropertyType::PtypUnspecified) tag = tag.with(PropertyType::PtypBinary);
  if (stream->target->kind == Object::Kind::attachment) {
    auto attachment = std::static_pointer_cast<AttachmentObject>(stream->target);
    auto ready = co_await edit_attachment(mailbox, attachment);
    if (!ready) co_return mapi::to_error_code(ready.error());
    if (tag.id() == mapi::PidTagAttachDataBinary.id()) {
      convert::Spool spool(mailbox.context().options.max_stream_memory);
      if (auto done = spool.append(written->bytes); !done) co_return mapi::to_error_code(done.error());
      auto held = std::move(spool).finish();
      if (!held) co_return mapi::to_error_code(held.error());
      attachment->edit->data = std::move(*held);
      written->dirty = false;
      co_return mapi::ecNone;
    }
  }
  mapi::Value value = mapi::Value::binary(written->bytes);
  View text = written->bytes;
  if (tag.type() == PropertyType::PtypString) {
    text = text.first(text.size() / 2 * 2);
    while (text.size() >= 2 && text[text.size() - 1] == 0 && text[text.size() - 2] == 0) text = text.first(text.size() - 2);
    value = mapi::Value::string(Utf16{text});
  } else if (tag.type() == PropertyType::PtypString8) {
    while (!text.empty() && text.back() == 0) text = text.first(text.size() - 1);
    value = mapi::Value::string8(as_text(text));
  }
  ErrorCode code = mapi::ecNone;
  if (stream->target->kind == Object::Kind::attachment) {
    Arena arena;
    const auto normal = normal_value(tag, value, arena, code_page);
    std::static_pointer_cast<AttachmentObject>(stream->target)->edit->properties.set(tag, normal);
  } else if (stream->target->kind == Object::Kind::folder) {
    const mapi::TaggedValue values[] = {{tag, value}};
    std::vector<wire::PropertyProblem> problems;
    code = co_await set_on_container(call, stream->target, values, problems);
    if (code == mapi::ecNone && !problems.empty()) code = problems[0].ErrorCode;
  } else {
    auto message = std::static_pointer_cast<MessageObject>(stream->target);
    code = co_await set_property(mailbox, message, tag, value, message->code_page ? message->code_page : code_page);
  }
  if (code == mapi::ecNone) written->dirty = false;
  co_return code;
}

HandlerList stream_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopOpenStream, open_stream>(),
      on<wire::RopReadStream, read_stream>(),
      on<wire::RopSeekStream, seek_stream>(),
      on<wire::RopGetStreamSize, get_stream_size>(),
      on<wire::RopCloneStream, clone_stream>(),
      on<wire::RopWriteStream, write_stream>(),
      on<wire::RopWriteStreamExtended, write_stream_extended>(),
      on<wire::RopWriteAndCommitStream, write_and_commit_stream>(),
      on<wire::RopSetStreamSize, set_stream_size>(),
      on<wire::RopCopyToStream, copy_to_stream>(),
      on<wire::RopCommitStream, commit_stream>(),
      on<wire::RopLockRegionStream, lock_region>(),
      on<wire::RopUnlockRegionStream, unlock_region>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
