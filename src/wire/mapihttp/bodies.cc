#include "wire/mapihttp/bodies.h"

#include "wire/describe.h"
#include "wire/mapihttp/headers.h"
#include "wire/nspi/table_bodies.h"
#include "wire/read_and_tell.h"
#include "wire/rpc/aux.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::wire::mapihttp {
namespace {

// The blocks of an auxiliary buffer that can be read; one that cannot is only bytes.
void describe_auxiliary(View buffer, FieldSink& sink) {
  Arena arena;
  const auto payloads = rpc::read_extended_buffers(buffer, arena, rpc::auxiliary_limits);
  if (!payloads || payloads->empty()) return;
  if (const auto blocks = rpc::read_aux(payloads->front(), arena); blocks) rpc::describe(sink, *blocks);
}

// A body that does not decode: its fields up to the one that failed, then what is left.
template <class T, CountWidth width>
void describe_part(View body, FieldSink& sink) {
  Arena arena;
  Cursor cursor(body);
  FieldReader reader(cursor, arena, width);
  FieldTeller teller(reader, sink);
  T part{};
  T::fields(part, teller);
  if (cursor.offset() < body.size()) sink.bytes("rest", body.subspan(cursor.offset()));
}

template <class T, CountWidth width>
Status describe_as(std::string_view name, View body, FieldSink& sink) {
  Arena arena;
  const auto decoded = decode<T>(name, body, arena, width);
  if (!decoded) {
    describe_part<T, width>(body, sink);
    return decoded.error();
  }
  FieldDescriber describer(sink);
  T::fields(*decoded, describer);
  describe_auxiliary(decoded->AuxiliaryBuffer, sink);
  return {};
}

using Describe = Status (*)(std::string_view name, View body, FieldSink& sink);
struct Row {
  Endpoint endpoint;
  std::string_view request_type;
  Describe request;
  Describe response;
};

template <class T>
constexpr Row mailbox_row(std::string_view request_type) {
  return {Endpoint::mailbox, request_type, describe_as<typename T::Request, CountWidth::narrow>,
          describe_as<typename T::Response, CountWidth::narrow>};
}
template <class T>
constexpr Row address_book_row(std::string_view request_type) {
  return {Endpoint::address_book, request_type, describe_as<typename T::Request, CountWidth::address_book>,
          describe_as<typename T::Response, CountWidth::address_book>};
}

constexpr Row rows[] = {
    mailbox_row<Connect>(request_type::Connect),
    mailbox_row<Execute>(request_type::Execute),
    mailbox_row<Disconnect>(request_type::Disconnect),
    mailbox_row<NotificationWait>(request_type::NotificationWait),
    address_book_row<nspi::Bind>(request_type::Bind),
    address_book_row<nspi::Unbind>(request_type::Unbind),
    address_book_row<nspi::DNToMId>(request_type::DNToMId),
    address_book_row<nspi::GetMatches>(request_type::GetMatches),
    address_book_row<nspi::GetProps>(request_type::GetProps),
    address_book_row<nspi::GetSpecialTable>(request_type::GetSpecialTable),
    address_book_row<nspi::QueryRows>(request_type::QueryRows),
    address_book_row<nspi::ResolveNames>(request_type::ResolveNames),
};

}  // namespace

Status describe_body(Endpoint endpoint, std::string_view request_type, bool is_request, View body, FieldSink& sink) {
  for (const auto& row : rows) {
    if (row.endpoint != endpoint || row.request_type != request_type) continue;
    return (is_request ? row.request : row.response)(row.request_type, body, sink);
  }
  return error(Errc::unsupported, "no body is known for request type '{}'", request_type);
}

}  // namespace mapigate::wire::mapihttp
