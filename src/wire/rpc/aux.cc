#include "wire/rpc/aux.h"

#include <algorithm>

#include "wire/read_and_tell.h"

namespace mapigate::wire::rpc {
namespace {

struct TypeRow {
  AuxType type;
  std::string_view name;
  // Reads a body with either visitor.
  struct Body {
    void (*read)(FieldReader&, AuxBlock&);
    void (*tell)(FieldTeller&, AuxBlock&);
  };
  Body v1;
  Body v2;  // null: there is no second version
};

template <class T>
constexpr TypeRow::Body body_of{[](FieldReader& v, AuxBlock& block) { T::fields(block.body.emplace<T>(), v); },
                                [](FieldTeller& v, AuxBlock& block) { T::fields(block.body.emplace<T>(), v); }};

#define ROW(type, v1) {AuxType::type, #type, body_of<v1>, {nullptr, nullptr}}
#define ROW2(type, v1, v2) {AuxType::type, #type, body_of<v1>, body_of<v2>}
constexpr TypeRow types[] = {
    ROW(AUX_TYPE_PERF_REQUESTID, AUX_PERF_REQUESTID),
    ROW(AUX_TYPE_PERF_CLIENTINFO, AUX_PERF_CLIENTINFO),
    ROW(AUX_TYPE_PERF_SERVERINFO, AUX_PERF_SERVERINFO),
    ROW2(AUX_TYPE_PERF_SESSIONINFO, AUX_PERF_SESSIONINFO, AUX_PERF_SESSIONINFO_V2),
    ROW(AUX_TYPE_PERF_DEFMDB_SUCCESS, AUX_PERF_DEFMDB_SUCCESS),
    ROW(AUX_TYPE_PERF_DEFGC_SUCCESS, AUX_PERF_DEFGC_SUCCESS),
    ROW2(AUX_TYPE_PERF_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_FAILURE, AUX_PERF_FAILURE, AUX_PERF_FAILURE_V2),
    ROW(AUX_TYPE_CLIENT_CONTROL, AUX_CLIENT_CONTROL),
    // The specification knows it in version 2 alone; there has been one structure only, so version 1 is read as the same.
    ROW2(AUX_TYPE_PERF_PROCESSINFO, AUX_PERF_PROCESSINFO, AUX_PERF_PROCESSINFO),
    ROW(AUX_TYPE_PERF_BG_DEFMDB_SUCCESS, AUX_PERF_DEFMDB_SUCCESS),
    ROW(AUX_TYPE_PERF_BG_DEFGC_SUCCESS, AUX_PERF_DEFGC_SUCCESS),
    ROW2(AUX_TYPE_PERF_BG_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_BG_GC_SUCCESS, AUX_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_BG_FAILURE, AUX_PERF_FAILURE, AUX_PERF_FAILURE_V2),
    ROW(AUX_TYPE_PERF_FG_DEFMDB_SUCCESS, AUX_PERF_DEFMDB_SUCCESS),
    ROW(AUX_TYPE_PERF_FG_DEFGC_SUCCESS, AUX_PERF_DEFGC_SUCCESS),
    ROW2(AUX_TYPE_PERF_FG_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS, AUX_PERF_MDB_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_FG_GC_SUCCESS, AUX_PERF_GC_SUCCESS, AUX_PERF_GC_SUCCESS_V2),
    ROW2(AUX_TYPE_PERF_FG_FAILURE, AUX_PERF_FAILURE, AUX_PERF_FAILURE_V2),
    ROW(AUX_TYPE_OSVERSIONINFO, AUX_OSVERSIONINFO),
    ROW(AUX_TYPE_EXORGINFO, AUX_EXORGINFO),
    ROW(AUX_TYPE_PERF_ACCOUNTINFO, AUX_PERF_ACCOUNTINFO),
    ROW(AUX_TYPE_SERVER_CAPABILITIES, AUX_SERVER_CAPABILITIES),
    ROW(AUX_TYPE_ENDPOINT_CAPABILITIES, AUX_ENDPOINT_CAPABILITIES),
    ROW(AUX_CLIENT_CONNECTION_INFO, rpc::AUX_CLIENT_CONNECTION_INFO),
    ROW(AUX_SERVER_SESSION_INFO, rpc::AUX_SERVER_SESSION_INFO),
    ROW(AUX_PROTOCOL_DEVICE_IDENTIFICATION, rpc::AUX_PROTOCOL_DEVICE_IDENTIFICATION),
};
#undef ROW
#undef ROW2

const TypeRow* find(AuxType type) {
  for (const auto& row : types) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

struct AUX_HEADER {
  std::uint16_t Size = 0;  // with the header
  AuxVersion Version{};
  AuxType Type{};
  static void fields(auto& s, auto& v) {
    v("Size", s.Size);
    v.check(s.Size >= aux_header_size, "smaller than the header itself");
    v("Version", s.Version);
    type(v, s.Type);
  }
  static void type(FieldReader& v, AuxType& x) { v("Type", x); }
  static void type(FieldTeller& v, AuxType& x) {
    v.named("Type", x, [](AuxType of) { return to_string(of); });
  }
};

// Null when it is not known.
const TypeRow::Body* body_row(const AUX_HEADER& header) {
  const auto* row = find(header.Type);
  if (row == nullptr) return nullptr;
  const auto* body = header.Version == AuxVersion::AUX_VERSION_1   ? &row->v1
                     : header.Version == AuxVersion::AUX_VERSION_2 ? &row->v2
                                                                    : nullptr;
  return body == nullptr || body->read == nullptr ? nullptr : body;
}

AuxBlock read_block(const AUX_HEADER& header, View bytes, Arena& arena) {
  AuxBlock block{header.Version, header.Type, UnknownAuxBlock{bytes}, {}};
  const auto* body = body_row(header);
  if (body == nullptr) return block;
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena);
  body->read(reader, block);
  if (reader.ok()) block.padding = cursor.rest();
  else block.body = UnknownAuxBlock{bytes};
  return block;
}

}  // namespace

std::string_view to_string(AuxType type) {
  const auto* row = find(type);
  return row == nullptr ? "unknown" : row->name;
}

Result<std::vector<AuxBlock>> read_aux(View payload, Arena& arena) {
  std::vector<AuxBlock> blocks;
  Cursor cursor(payload);
  FieldReader reader(cursor, arena);
  while (cursor.left() != 0) {
    AUX_HEADER header;
    AUX_HEADER::fields(header, reader);
    cursor.set_field("block");
    const auto bytes = cursor.bytes(header.Size - aux_header_size);
    if (!cursor.ok()) return cursor.error("AUX_HEADER");
    blocks.push_back(read_block(header, bytes, arena));
  }
  return blocks;
}

Status write_aux(std::span<const AuxBlock> blocks, Bytes& out) {
  Output output(out);
  FieldWriter writer(output);
  for (const auto& block : blocks) {
    const auto start = writer.size();
    writer("Size", std::uint16_t{0});
    writer("Version", block.Version);
    writer("Type", block.Type);
    std::visit([&]<class T>(const T& body) { T::fields(body, writer); }, block.body);
    writer.rest("padding", block.padding);
    const auto size = writer.size() - start;
    writer.check(size <= 0xFFFF, "Size");
    if (!writer.ok()) return error(Errc::internal, "AUX_HEADER: {} does not fit", writer.problem());
    output.patch(start, static_cast<std::uint16_t>(size));
  }
  return {};
}

// Blocks by their sizes, with one that breaks off.
static std::size_t count_blocks(View payload) {
  std::size_t count = 0;
  for (Cursor cursor(payload); cursor.ok() && cursor.left() != 0; ++count) {
    const std::size_t size = cursor.scalar<std::uint16_t>();
    if (size < aux_header_size) return count + 1;
    cursor.skip(size - sizeof(std::uint16_t));
  }
  return count;
}

Status tell_aux(FieldSink& sink, std::size_t* start, View payload) {
  Arena arena;
  Status status;
  const auto broken = [&](const Cursor& cursor, const char* what, View rest) {
    if (start != nullptr) *start = cursor.offset();
    if (!rest.empty()) sink.bytes("rest", rest);
    if (status) status = cursor.error(what);
  };
  sink.begin_list("AuxiliaryBlocks", count_blocks(payload));
  for (std::size_t at = 0; at < payload.size();) {
    sink.begin("AuxiliaryBlock");
    Cursor head(payload);
    head.skip(at);
    FieldReader head_reader(head, arena);
    FieldTeller head_teller(head_reader, sink, start);
    AUX_HEADER header;
    AUX_HEADER::fields(header, head_teller);
    if (!head.ok()) {
      broken(head, "AUX_HEADER", payload.subspan(head.offset()));
      sink.end();
      break;
    }
    const auto end = std::min(at + header.Size, payload.size());
    Cursor cursor(payload.first(end));
    cursor.skip(head.offset());
    FieldReader reader(cursor, arena);
    FieldTeller teller(reader, sink, start);
    AuxBlock block;
    const auto* body = body_row(header);
    if (body != nullptr) body->tell(teller, block);
    View rest;
    if (cursor.ok() && (cursor.left() != 0 || body == nullptr)) teller.rest(body == nullptr ? "Payload" : "Padding", rest);
    if (cursor.ok() && end < at + header.Size) cursor.set_field("block"), cursor.fail("truncated");
    if (!cursor.ok()) broken(cursor, std::string(to_string(header.Type)).c_str(), payload.first(end).subspan(cursor.offset()));
    at += header.Size;
    sink.end();
  }
  sink.end_list();
  return status;
}

std::vector<AuxBlock> server_aux_blocks(std::uint32_t OrgFlags, std::uint32_t EnableFlags, std::uint32_t ExpiryTime,
                                        std::uint32_t EndpointCapabilityFlags) {
  return {{AuxVersion::AUX_VERSION_1, AuxType::AUX_TYPE_EXORGINFO, AUX_EXORGINFO{OrgFlags}, {}},
          {AuxVersion::AUX_VERSION_1, AuxType::AUX_TYPE_CLIENT_CONTROL, AUX_CLIENT_CONTROL{EnableFlags, ExpiryTime}, {}},
          {AuxVersion::AUX_VERSION_1, AuxType::AUX_TYPE_ENDPOINT_CAPABILITIES,
           AUX_ENDPOINT_CAPABILITIES{EndpointCapabilityFlags}, {}}};
}

Utf16 aux_string(View data, std::size_t fixed_size, std::uint16_t offset) {
  if (offset < fixed_size || offset - fixed_size >= data.size()) return {};
  const auto from = data.subspan(offset - fixed_size);
  Arena unused;
  Cursor cursor(from);
  FieldReader reader(cursor, unused);
  Utf16 text;
  reader.sz("String", text);
  return cursor.ok() ? text : Utf16{};
}

}  // namespace mapigate::wire::rpc
