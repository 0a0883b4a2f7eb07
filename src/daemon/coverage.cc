// `mapigate reference --format coverage`: what is decoded, encoded and answered, as the tables of the codecs and of
// the engines say it. tools/make-coverage makes docs/protocol-coverage.md of it.
#include <nlohmann/json.hpp>

#include "daemon/commands.h"
#include "directory/nspi.h"
#include "mailbox/rop_call.h"
#include "mapi/properties.h"
#include "wire/blobs/blob.h"
#include "wire/fxics/markers.h"
#include "wire/nspi/all_bodies.h"
#include "wire/rop/rop.h"
#include "wire/rpc/aux.h"

namespace mapigate::daemon {

namespace {

using Json = nlohmann::ordered_json;

Json rops() {
  Json out = Json::array();
  for (const auto& codec : wire::all_rops()) {
    // Sessions end handles themselves, and send what no request asks for.
    const bool by_session = codec.id == wire::RopId::RopRelease || codec.read_request == nullptr;
    out.push_back({{"id", static_cast<unsigned>(codec.id)},
                   {"name", codec.name},
                   {"request", codec.read_request != nullptr && codec.write_request != nullptr},
                   {"response", codec.has_response && codec.read_response != nullptr && codec.write_response != nullptr},
                   {"dump", codec.describe_request != nullptr && codec.describe_response != nullptr},
                   {"build", codec.build_request != nullptr && codec.build_response != nullptr},
                   {"by_session", by_session},
                   {"handler", mailbox::find_handler(codec.id) != nullptr}});
  }
  return out;
}

// A type is read and written when a value of zeros comes back as the same bytes.
bool passes(mapi::PropertyType type, wire::CountWidth width) {
  using enum mapi::PropertyType;
  Arena arena;
  Bytes zeros(64);
  const bool has_value_byte = mapi::is_multivalue(type) || type == PtypString || type == PtypString8 || type == PtypBinary;
  if (width == wire::CountWidth::address_book && has_value_byte) zeros[0] = 0xFF;
  if (type == PtypUnspecified) zeros[0] = static_cast<std::uint8_t>(PtypInteger16);  // stands before the value
  Cursor cursor(zeros);
  wire::FieldReader reader(cursor, arena, width);
  mapi::Value value;
  reader.value("value", value, type);
  if (!cursor.ok()) return false;
  Bytes again;
  Output output(again);
  wire::FieldWriter writer(output, width);
  writer.value("value", value, type);
  return writer.ok() && equal(again, View(zeros).first(cursor.offset()));
}

Json property_types() {
  Json out = Json::array();
  for (unsigned number = 0; number < 0x2000; ++number) {
    const auto type = static_cast<mapi::PropertyType>(number);
    const auto name = mapi::name_of(type);
    if (name.empty()) continue;
    out.push_back({{"type", number},
                   {"name", name},
                   {"rop", passes(type, wire::CountWidth::narrow)},
                   {"extended", passes(type, wire::CountWidth::wide)},
                   {"address_book", passes(type, wire::CountWidth::address_book)},
                   {"stream", wire::fxics::layout_of(mapi::PropertyTag(0x3001, type)).has_value()}});
  }
  return out;
}

Json nspi_operations() {
  Json out = Json::array();
  wire::nspi::any_request_type([&]<class T>() {
    constexpr bool answered = requires(directory::Nspi nspi, typename T::Request request) { nspi.answer(request); };
    out.push_back({{"name", T::request_type}, {"answered", answered}});
    return false;
  });
  return out;
}

// A block is known when zeros are read as something else than a block that is not.
Json aux_blocks() {
  Json out = Json::array();
  for (unsigned type = 0; type < 0x100; ++type) {
    const auto name = wire::rpc::to_string(static_cast<wire::rpc::AuxType>(type));
    if (name == "unknown") continue;
    Json versions = Json::array();
    for (const unsigned version : {1U, 2U}) {
      Bytes block(256);
      Output(block).patch(0, static_cast<std::uint16_t>(block.size()));
      block[2] = static_cast<std::uint8_t>(version);
      block[3] = static_cast<std::uint8_t>(type);
      Arena arena;
      const auto read = wire::rpc::read_aux(block, arena);
      Bytes again;
      if (read && read->size() == 1 && read->front().get<wire::rpc::UnknownAuxBlock>() == nullptr &&
          wire::rpc::write_aux(*read, again) && again == block)
        versions.push_back(version);
    }
    out.push_back({{"type", type}, {"name", name}, {"versions", versions}});
  }
  return out;
}

Json blobs() {
  Json out = Json::array();
  for (const auto& kind : wire::blobs::blob_kinds())
    out.push_back({{"name", kind.name},
                   {"holds", kind.holds},
                   {"rewrite", kind.rewrite != nullptr},
                   {"tell", kind.tell != nullptr},
                   {"build", kind.build != nullptr}});
  return out;
}

Json stream_elements() {
  Json out = Json::array();
  const auto add = [&](const char* name, std::uint32_t value, bool known) {
    out.push_back({{"name", name}, {"value", value}, {"known", known}});
  };
#define X(name, value) add(#name, value, wire::fxics::is_marker(value));
  MAPIGATE_FAST_TRANSFER_MARKERS(X)
#undef X
#define TAG(name) add(#name, wire::fxics::name.value, wire::fxics::meta_name_of(wire::fxics::name) == #name);
  TAG(MetaTagFXDelProp) TAG(MetaTagEcWarning) TAG(MetaTagNewFXFolder) TAG(MetaTagIncrSyncGroupId)
  TAG(MetaTagIncrementalSyncMessagePartial) TAG(MetaTagDnPrefix) TAG(MetaTagIdsetGiven) TAG(MetaTagCnsetSeen)
  TAG(MetaTagCnsetSeenFAI) TAG(MetaTagCnsetRead) TAG(MetaTagIdsetDeleted) TAG(MetaTagIdsetNoLongerInScope)
  TAG(MetaTagIdsetExpired) TAG(MetaTagIdsetRead) TAG(MetaTagIdsetUnread)
#undef TAG
  return out;
}

}  // namespace

int coverage_command() {
  const Json all{{"rops", rops()},         {"nspi", nspi_operations()},    {"types", property_types()},
                 {"aux", aux_blocks()},    {"stream", stream_elements()},  {"blobs", blobs()}};
  fmt::print("{}\n", all.dump(1));
  return 0;
}

}  // namespace mapigate::daemon
