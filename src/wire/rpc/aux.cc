#include "wire/rpc/aux.h"

#include "wire/describe.h"

namespace mapigate::wire::rpc {
namespace {

struct TypeRow {
  AuxType type;
  std::string_view name;
  void (*read_v1)(FieldReader&, AuxBlock&);
  void (*read_v2)(FieldReader&, AuxBlock&);  // null: there is no second version
};

template <class T>
void read_as(FieldReader& reader, AuxBlock& block) {
  T::fields(block.body.emplace<T>(), reader);
}

#define ROW(type, v1) {AuxType::type, #type, read_as<v1>, nullptr}
#define ROW2(type, v1, v2) {AuxType::type, #type, read_as<v1>, read_as<v2>}
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

AuxBlock read_block(AuxVersion version, AuxType type, View bytes, Arena& arena) {
  AuxBlock block{version, type, UnknownAuxBlock{bytes}, {}};
  const auto* row = find(type);
  const auto read = row == nullptr                          ? nullptr
                    : version == AuxVersion::AUX_VERSION_1 ? row->read_v1
                    : version == AuxVersion::AUX_VERSION_2 ? row->read_v2
                                                            : nullptr;
  if (read == nullptr) return block;
  Cursor cursor(bytes);
  FieldReader reader(cursor, arena);
  read(reader, block);
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
  while (cursor.left() != 0) {
    cursor.set_field("Size");
    const std::size_t size = cursor.scalar<std::uint16_t>();
    const auto version = cursor.scalar<AuxVersion>();
    const auto type = cursor.scalar<AuxType>();
    if (size < aux_header_size) cursor.fail("smaller than the header itself");
    const auto bytes = cursor.bytes(size - aux_header_size);
    if (!cursor.ok()) return cursor.error("AUX_HEADER");
    blocks.push_back(read_block(version, type, bytes, arena));
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

void describe(FieldSink& sink, std::span<const AuxBlock> blocks) {
  FieldDescriber describer(sink);
  sink.begin_list("AuxiliaryBlocks", blocks.size());
  std::size_t offset = 0;
  for (const auto& block : blocks) {
    sink.begin("AuxiliaryBlock");
    sink.number("offset", offset, 4);
    Bytes written;
    if (write_aux({&block, 1}, written)) offset += written.size();
    sink.number("Version", static_cast<std::uint8_t>(block.Version), 1);
    sink.symbol("Type", static_cast<std::uint8_t>(block.Type), 1, to_string(block.Type));
    std::visit([&]<class T>(const T& body) { T::fields(body, describer); }, block.body);
    if (!block.padding.empty()) sink.bytes("Padding", block.padding);
    sink.end();
  }
  sink.end_list();
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
