// Stream ROPs ([MS-OXCPRPT] 3.2.5.12 to 3.2.5.20): property values too large for a reply, read piece by piece.
#include <algorithm>

#include "mailbox/message_content.h"
#include "mailbox/rop_call.h"

namespace mapigate::mailbox {

namespace {

using mapi::PropertyTag;
using mapi::PropertyType;

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

Task<ErrorCode> open_stream(RopCall& call, const wire::RopOpenStream::Request& request, wire::RopOpenStream::Response& response) {
  auto object = call.find();
  if (!object) co_return mapi::ecNullObject;
  if (request.OpenModeFlags != wire::RopOpenStream::ReadOnly && request.OpenModeFlags != best_access) co_return mapi::ecNotSupported;
  const auto tag = request.PropertyTag;
  if (!can_stream(tag.type())) co_return mapi::ecNotSupported;
  const auto& limits = call.mailbox.context().options;
  const auto memory_limit = limits.max_stream_memory;
  Result<convert::ByteSource> bytes = error(Errc::not_found, "no such property");
  const bool data = object->kind == Object::Kind::attachment && tag.id() == mapi::PidTagAttachDataBinary.id();
  if (data) {
    auto attachment = std::static_pointer_cast<AttachmentObject>(object);
    auto content = co_await content_of(call.mailbox, attachment->message);
    if (!content) co_return mapi::to_error_code(content.error());
    auto held = *content;
    const auto index = attachment->index;
    if (held->attachments()[index].kind == convert::Attachment::Kind::embedded) co_return mapi::ecNotFound;
    auto read = [held, index, memory_limit]() { return attachment_bytes(*held, index, memory_limit); };
    bytes = co_await io::run_blocking(call.mailbox.context().runtime, read);
  } else {
    auto source = co_await properties_of(call, object, tag.named(), true);
    if (!source) co_return mapi::to_error_code(source.error());
    CellOptions options;
    options.code_page = call.session.options().code_page;
    if (object->kind == Object::Kind::message)
      if (const auto own = static_cast<const MessageObject&>(*object).code_page) options.code_page = own;
    auto held = *source;
    auto read = [held, tag, options, memory_limit]() { return value_bytes(*held, tag, options, memory_limit); };
    bytes = co_await io::run_blocking(call.mailbox.context().runtime, read);
  }
  if (!bytes) co_return mapi::to_error_code(bytes.error());
  auto stream = std::make_shared<StreamObject>();
  stream->bytes = std::move(*bytes);
  response.StreamSize = static_cast<std::uint32_t>(std::min<std::size_t>(stream->bytes.size(), UINT32_MAX));
  co_return call.put(request.OutputHandleIndex, stream);
}

Task<ErrorCode> read_stream(RopCall& call, const wire::RopReadStream::Request& request, wire::RopReadStream::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  const auto left = stream->bytes.size() - std::min<std::uint64_t>(stream->position, stream->bytes.size());
  const auto room = call.budget > read_stream_fields ? call.budget - read_stream_fields : 0;
  const auto wanted = std::min<std::size_t>(request.wanted(), left);
  if (room == 0 && wanted > 0) {
    call.too_small = true;
    co_return mapi::ecBufferTooSmall;
  }
  const auto n = std::min({wanted, room, std::size_t{UINT16_MAX}});
  response.Data = call.arena.copy(stream->bytes.view().subspan(stream->position > stream->bytes.size() ? 0 : stream->position, n));
  stream->position += n;
  // Row S6: packed only where the administrator knows the clients.
  if (call.packed && call.mailbox.context().options.chain_streams && n < wanted) call.left = static_cast<std::uint32_t>(wanted - n);
  co_return mapi::ecNone;
}

Task<ErrorCode> seek_stream(RopCall& call, const wire::RopSeekStream::Request& request, wire::RopSeekStream::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  const auto size = static_cast<std::int64_t>(stream->bytes.size());
  std::int64_t from = 0;
  if (request.Origin == wire::RopSeekStream::FromCurrent) from = static_cast<std::int64_t>(stream->position);
  else if (request.Origin == wire::RopSeekStream::FromEnd) from = size;
  else if (request.Origin != wire::RopSeekStream::FromStart) co_return mapi::ecInvalidParam;
  // Within [-from, 2^31 - from]: no overflow, and no position that a stream cannot have.
  if (request.Offset < -from || request.Offset > INT32_MAX - from) co_return static_cast<ErrorCode>(0x80030019);  // StreamSeekError
  stream->position = static_cast<std::uint64_t>(from + request.Offset);
  response.NewPosition = stream->position;
  co_return mapi::ecNone;
}

Task<ErrorCode> get_stream_size(RopCall& call, const wire::RopGetStreamSize::Request&, wire::RopGetStreamSize::Response& response) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  response.StreamSize = static_cast<std::uint32_t>(std::min<std::size_t>(stream->bytes.size(), UINT32_MAX));
  co_return mapi::ecNone;
}

Task<ErrorCode> clone_stream(RopCall& call, const wire::RopCloneStream::Request& request, wire::RopCloneStream::Response&) {
  auto stream = call.object<StreamObject>();
  if (!stream) co_return call.why;
  auto copy = std::make_shared<StreamObject>();
  copy->bytes = stream->bytes;
  copy->position = stream->position;
  co_return call.put(request.OutputHandleIndex, copy);
}

// Nothing was written, so there is nothing to commit; Outlook commits what it only read.
Task<ErrorCode> commit_stream(RopCall& call, const wire::RopCommitStream::Request&, wire::RopCommitStream::Response&) {
  co_return call.object<StreamObject>() ? mapi::ecNone : call.why;
}

}  // namespace

HandlerList stream_handlers() {
  static constexpr HandlerEntry list[] = {
      on<wire::RopOpenStream, open_stream>(),
      on<wire::RopReadStream, read_stream>(),
      on<wire::RopSeekStream, seek_stream>(),
      on<wire::RopGetStreamSize, get_stream_size>(),
      on<wire::RopCloneStream, clone_stream>(),
      on<wire::RopCommitStream, commit_stream>(),
  };
  return list;
}

}  // namespace mapigate::mailbox
