#include "wire/mapihttp/bodies.h"

#include "wire/blobs/blob.h"
#include "wire/describe.h"
#include "wire/mapihttp/headers.h"
#include "wire/nspi/all_bodies.h"
#include "wire/read_and_tell.h"
#include "wire/rpc/aux.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::wire::mapihttp {
namespace {

// The blocks of an auxiliary buffer. One that cannot be read is no error of the body where nobody asked for offsets.
Status describe_auxiliary(View buffer, FieldSink& sink, blobs::OffsetSink* placed) {
  Arena arena;
  const auto payloads = rpc::read_extended_buffers(buffer, arena, rpc::auxiliary_limits);
  if (!payloads || payloads->empty()) return {};
  if (placed != nullptr) return rpc::tell_aux(*placed, placed->start(), payloads->front());
  (void)rpc::tell_aux(sink, nullptr, payloads->front());
  return {};
}

// The fields as they are read; of a body that does not decode those up to the one that failed, then what is left.
template <class T, CountWidth width>
void describe_part(View body, FieldSink& sink, blobs::OffsetSink* placed) {
  Arena arena;
  Cursor cursor(body);
  FieldReader reader(cursor, arena, width);
  FieldTeller teller(reader, placed != nullptr ? *placed : sink, placed != nullptr ? placed->start() : nullptr);
  T part{};
  T::fields(part, teller);
  if (cursor.offset() < body.size()) sink.bytes("rest", body.subspan(cursor.offset()));
}

template <class T, CountWidth width>
Status describe_as(std::string_view name, View body, FieldSink& sink, blobs::OffsetSink* placed) {
  Arena arena;
  const auto decoded = decode<T>(name, body, arena, width);
  if (!decoded || placed != nullptr) describe_part<T, width>(body, sink, placed);
  if (!decoded) return decoded.error();
  if (placed == nullptr) {
    FieldDescriber describer(sink);
    T::fields(*decoded, describer);
  }
  return describe_auxiliary(decoded->AuxiliaryBuffer, sink, placed);
}

template <class T, CountWidth width>
Status describe_one(std::string_view request_type, bool is_request, View body, FieldSink& sink, blobs::OffsetSink* placed) {
  return is_request ? describe_as<typename T::Request, width>(request_type, body, sink, placed)
                    : describe_as<typename T::Response, width>(request_type, body, sink, placed);
}

using Describe = Status (*)(std::string_view request_type, bool is_request, View body, FieldSink& sink, blobs::OffsetSink* placed);

Describe of_mailbox(std::string_view request_type) {
  if (request_type == mapihttp::request_type::Connect) return describe_one<Connect, CountWidth::narrow>;
  if (request_type == mapihttp::request_type::Execute) return describe_one<Execute, CountWidth::narrow>;
  if (request_type == mapihttp::request_type::Disconnect) return describe_one<Disconnect, CountWidth::narrow>;
  if (request_type == mapihttp::request_type::NotificationWait) return describe_one<NotificationWait, CountWidth::narrow>;
  return nullptr;
}

Describe of_address_book(std::string_view request_type) {
  Describe found = nullptr;
  nspi::any_request_type([&]<class T>() {
    if (request_type == T::request_type) found = describe_one<T, CountWidth::address_book>;
    return found != nullptr;
  });
  return found;
}

}  // namespace

Status describe_body(Endpoint endpoint, std::string_view request_type, bool is_request, View body, FieldSink& sink,
                     blobs::OffsetSink* placed) {
  const auto describe = endpoint == Endpoint::mailbox ? of_mailbox(request_type) : of_address_book(request_type);
  if (describe != nullptr) return describe(request_type, is_request, body, sink, placed);
  return error(Errc::unsupported, "no body is known for request type '{}'", request_type);
}

}  // namespace mapigate::wire::mapihttp
