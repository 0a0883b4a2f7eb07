#include "daemon/dump.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "base/text.h"
#include "daemon/dump_files.h"
#include "daemon/output.h"
#include "mapi/properties.h"
#include "wire/blobs/blob.h"
#include "wire/dump.h"
#include "wire/fxics/dump.h"
#include "wire/mapihttp/preamble.h"
#include "wire/ndr/describe.h"
#include "wire/nspi/all_bodies.h"
#include "wire/read_and_tell.h"
#include "wire/rop/trackers.h"
#include "wire/rpc/aux.h"
#include "wire/rpc/capture.h"
#include "wire/rpc/header_ext.h"
#include "wire/rpc/lz77.h"

namespace mapigate::daemon {

namespace http = wire::mapihttp;
namespace rpc = wire::rpc;

namespace {

// All tables have the columns that the user gave.
class GivenColumns final : public wire::ColumnSource {
 public:
  explicit GivenColumns(std::vector<mapi::PropertyTag> tags) : tags_(std::move(tags)) {}
  std::optional<wire::Columns> columns_of(std::uint32_t) const override {
    if (tags_.empty()) return {};
    return wire::Columns(tags_);
  }

 private:
  std::vector<mapi::PropertyTag> tags_;
};

class Dumper {
 public:
  Dumper(const DumpOptions& options, wire::FieldSink& sink, GivenColumns columns)
      : options_(options), sink_(sink), columns_(std::move(columns)) {}

  std::string problem() const { return problem_; }

  void pair_with(View request) {
    View payload = request;
    if (options_.kind == DumpOptions::Kind::body) {
      const auto body = wire::decode<http::Execute::Request>("the paired request", request, arena_, wire::CountWidth::narrow);
      if (!body) return trouble(body.error().message);
      payload = body->RopBuffer;
    }
    if (options_.kind == DumpOptions::Kind::stub) {
      const auto stub = wire::ndr::rops_of_request(options_.method, request, arena_);
      if (!stub) return trouble("the paired request: " + stub.error().message);
      payload = *stub;
    }
    if (options_.kind != DumpOptions::Kind::rops) {
      const auto payloads = rpc::read_extended_buffers(payload, arena_, rpc::request_limits);
      if (!payloads) return trouble("the paired request: " + payloads.error().message);
      if (payloads->empty()) return trouble("the paired request holds no ROP buffer");
      payload = payloads->front();
    }
    auto decoded = wire::decode_requests(payload, arena_);
    if (!decoded) return trouble("the paired request: " + decoded.error().message);
    paired_ = std::make_unique<wire::RopRequestBuffer>(std::move(*decoded));
  }

  void body(View input) {
    Bytes payload;
    if (!options_.is_request && has_preamble(input)) {
      if (!preamble(input, payload)) return;
      input = payload;
    }
    wire::blobs::OffsetSink placed(sink_, options_.json);
    const auto told = http::describe_body(options_.endpoint, options_.request_type, options_.is_request, input, sink_, &placed);
    if (!told) return trouble(told.error().message + (told.error().code == Errc::unsupported ? known_request_types() : ""));
    if (options_.endpoint != http::Endpoint::mailbox || options_.request_type != "Execute") return;
    View buffer;
    if (options_.is_request) {
      const auto decoded = wire::decode<http::Execute::Request>("Execute", input, arena_, wire::CountWidth::narrow);
      if (decoded) buffer = decoded->RopBuffer;
    } else {
      const auto decoded = wire::decode<http::Execute::Response>("Execute", input, arena_, wire::CountWidth::narrow);
      if (decoded) buffer = decoded->RopBuffer;
    }
    chain(buffer);
  }

  void rops(View payload) {
    if (options_.is_request) {
      const auto decoded = wire::decode_requests(payload, arena_);
      if (!decoded) return broken(payload, decoded.error());
      tell_rops(payload, *decoded, static_cast<const wire::LogonSource*>(nullptr));
      if (!decoded->opaque.empty()) rop_trouble(payload, decoded->opaque, decoded->problem);
    } else {
      const auto decoded = wire::decode_responses(payload, arena_, paired_.get(), &columns_);
      if (!decoded) return broken(payload, decoded.error());
      tell_rops(payload, *decoded, paired_.get());
      if (!decoded->opaque.empty()) rop_trouble(payload, decoded->opaque, decoded->problem);
    }
  }

  // Header by header, so that what stands before a broken one is shown.
  void chain(View bytes) {
    sink_.begin_list("buffers", 1);
    for (std::size_t at = 0; at < bytes.size() && problem_.empty();) {
      sink_.begin("buffer");
      at += one_of_chain(bytes, at);
      sink_.end();
    }
    sink_.end_list();
  }

  void lz77(View stream) {
    Bytes plain;
    const auto done = rpc::lz77_decompress(stream, options_.size, plain);
    sink_.number("CompressedSize", stream.size(), 4);
    if (!done) return broken(stream, done.error());
    sink_.number("Size", plain.size(), 4);
    if (options_.json) sink_.bytes("Plain", plain);
    else tail_ = hex_lines(plain);
  }
  void fasttransfer(View stream) {
    wire::blobs::OffsetSink placed(sink_, options_.json);
    if (const auto told = wire::fxics::describe_stream(sink_, placed, placed.start(), stream); !told) trouble(told.error().message);
  }
  const std::string& tail() const { return tail_; }

  // Calls of all connections; ROPs are paired with their requests and have the columns that were set before.
  void capture(View file) {
    const auto streams = rpc::read_capture(file);
    if (!streams) return broken(file, streams.error());
    const auto connections = rpc::rpc_connections(*streams);
    if (connections.empty()) trouble("the capture has no connection of DCE/RPC over TCP");
    wire::LogonTracker logons;
    wire::ColumnTracker columns;
    sink_.begin_list("connections", connections.size());
    for (const auto& connection : connections) {
      sink_.begin("connection");
      sink_.text("client", connection.client);
      sink_.text("server", connection.server);
      sink_.begin_list("calls", connection.calls.size());
      for (const auto& call : connection.calls) this->call(call, logons, columns);
      sink_.end_list();
      if (!connection.problem.empty()) sink_.text("problem", connection.problem);
      sink_.end();
    }
    sink_.end_list();
  }

  // One stub alone, with the ROPs and auxiliary blocks in it.
  void stub(View input) {
    const auto method = wire::ndr::find_method(options_.method);
    if (!method) return trouble(fmt::format("there is no method \"{}\"", options_.method));
    rpc::CapturedCall call;
    call.interface = method->interface;
    call.opnum = method->opnum;
    (options_.is_request ? call.request : call.response) = to_bytes(input);
    const auto rops = stub(call, !options_.is_request, arena_);
    if (!rops.empty()) chain(arena_.copy(rops));
  }

  void object(View input);

  void msg(View input) { trouble(dump_msg(sink_, options_.json, input)); }
  void tnef(View input) { trouble(dump_tnef(sink_, options_.json, input)); }
  void rtf(View input) { trouble(dump_rtf(sink_, options_.json, input)); }
  // With or without RPC_HEADER_EXT: that begins with Version 0, a block with its size.
  void aux(View input) {
    if (input.size() >= 2 && input[0] == 0 && input[1] == 0) chain(input);
    else aux_blocks(input);
  }
  template <class Replica>
  void idset(View input) {
    wire::blobs::OffsetSink placed(sink_, options_.json);
    Cursor cursor(input);
    if (const auto told = wire::fxics::tell_idset<Replica>(placed, placed.start(), "IDSET", cursor); !told) trouble(told.error().message);
  }

 private:
  // ROPs with the offsets of their fields in the payload, the broken one up to the field that is.
  void tell_rops(View payload, const auto& buffer, const auto* beside) {
    wire::blobs::OffsetSink sink(sink_, options_.json);
    wire::tell_rops(sink, sink.start(), payload, buffer, beside);
    wire::describe_rest(sink_, buffer);
  }
  void trouble(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }
  void broken(View rest, const Error& error) {
    sink_.bytes("rest", rest);
    trouble(error.message);
  }
  void rop_trouble(View payload, View opaque, const std::string& problem) {
    trouble(fmt::format("at offset {} of the ROP buffer: {}", opaque.data() - payload.data(), problem));
  }

  void call(const rpc::CapturedCall& call, wire::LogonTracker& logons, wire::ColumnTracker& columns) {
    const auto name = wire::ndr::method_name(call.interface, call.opnum);
    sink_.begin("call");
    sink_.number("call_id", call.call_id, 4);
    sink_.text("interface", name.interface != nullptr ? name.interface : mapi::to_string(call.interface));
    sink_.symbol("opnum", call.opnum, 2, name.method != nullptr ? name.method : "unknown");
    if (call.sealed) {
      sink_.text("stubs", "encrypted");
    } else {
      Arena arena;
      const auto asked = stub(call, false, arena);
      const auto said = call.has_response && call.fault == 0 ? stub(call, true, arena) : View();
      buffers(asked, said, arena, logons, columns);
    }
    if (call.fault != 0) sink_.symbol("fault", call.fault, 4, "fault");
    sink_.end();
  }

  // Tells a stub, and returns the ROP buffers that it carries.
  View stub(const rpc::CapturedCall& call, bool response, Arena& arena) {
    wire::ndr::CarriedBuffers carried;
    const View bytes = response ? call.response : call.request;
    sink_.begin(response ? "response" : "request");
    wire::blobs::OffsetSink placed(sink_, options_.json);
    const auto told = wire::ndr::describe_stub(placed, placed.start(), call.interface, call.opnum, response, bytes,
                                               response ? call.response_big_endian : call.request_big_endian, arena, carried);
    if (!told) {
      sink_.text("problem", told.error().message);
      if (told.error().code == Errc::unsupported) sink_.bytes("stub", bytes);
      else trouble(told.error().message);
    }
    auxiliary(carried.auxiliary);
    sink_.end();
    return carried.rops;
  }
  void auxiliary(View chain) {
    Arena arena;
    const auto payloads = rpc::read_extended_buffers(chain, arena, rpc::auxiliary_limits);
    if (!payloads) return sink_.text("problem", payloads.error().message);
    for (const auto& payload : *payloads) aux_blocks(payload);
  }
  void buffers(View asked, View said, Arena& arena, wire::LogonTracker& logons, wire::ColumnTracker& columns) {
    if (asked.empty()) return;
    const auto requests = rpc::read_extended_buffers(asked, arena, rpc::request_limits);
    if (!requests) return sink_.text("problem", requests.error().message);
    if (requests->empty()) return;
    auto decoded = wire::decode_requests(requests->front(), arena, &logons);
    if (!decoded) return sink_.text("problem", decoded.error().message);
    sink_.begin("ROP requests");
    tell_rops(requests->front(), *decoded, &logons);
    sink_.end();
    if (said.empty()) return;
    const auto responses = rpc::read_extended_buffers(said, arena, rpc::response_limits);
    if (!responses) return sink_.text("problem", responses.error().message);
    for (const auto& payload : *responses) {
      const auto answered = wire::decode_responses(payload, arena, &*decoded, &columns);
      sink_.begin("ROP responses");
      if (answered) tell_rops(payload, *answered, &*decoded);
      else sink_.text("problem", answered.error().message);
      sink_.end();
      if (!answered) return;
      logons.watch(*decoded, *answered);
      columns.watch(*decoded, *answered);
    }
  }

  std::string known_request_types() const {
    std::string out = "; --request-type takes ";
    if (options_.endpoint == http::Endpoint::mailbox) return out + "Connect, Execute, Disconnect or NotificationWait";
    std::string_view separator;
    wire::nspi::any_request_type([&]<class Type>() {
      out.append(separator).append(Type::request_type);
      separator = ", ";
      return false;
    });
    return out;
  }

  static bool has_preamble(View input) {
    const auto text = as_text(input);
    return text.starts_with("PROCESSING\r\n") || text.starts_with("PENDING\r\n") || text.starts_with("DONE\r\n");
  }
  bool preamble(View input, Bytes& payload) {
    http::PreambleLimits limits;
    limits.max_payload = max_input;
    http::PreambleParser parser(limits);
    auto fed = parser.feed(input);
    if (fed) fed = parser.finish();
    sink_.begin("preamble");
    sink_.number("PENDING", parser.pending_count(), 4);
    for (const auto& [name, value] : parser.headers()) sink_.text(name.c_str(), value);
    sink_.end();
    if (!fed) {
      broken(input, fed.error());
      return false;
    }
    payload = parser.take_payload();
    return true;
  }

  // Tells the buffer at `at` and returns its length.
  std::size_t one_of_chain(View bytes, std::size_t at) {
    const auto left = bytes.subspan(at);
    sink_.number("offset", at, 4);
    Cursor cursor(bytes);
    cursor.skip(at);
    wire::FieldReader reader(cursor, arena_);
    wire::blobs::OffsetSink placed(sink_, options_.json);
    wire::FieldTeller teller(reader, placed, placed.start());
    rpc::RPC_HEADER_EXT header;
    rpc::RPC_HEADER_EXT::fields(header, teller);
    if (!cursor.ok()) {
      broken(bytes.subspan(cursor.offset()), cursor.error("RPC_HEADER_EXT"));
      return left.size();
    }
    sink_.text("Flags", flags_of(header.Flags));
    const auto length = std::min(left.size(), rpc::header_ext_size + header.Size);
    // Read by itself, as if the chain ended here.
    auto alone = to_bytes(left.first(length));
    alone[2] |= rpc::Last;
    const auto kept = arena_.copy(View(alone));
    const auto payloads = rpc::read_extended_buffers(kept, arena_, {1, rpc::max_payload_read, rpc::max_payload_read});
    if (!payloads) {
      broken(left.subspan(rpc::header_ext_size), payloads.error());
      return left.size();
    }
    if (!payloads->empty()) payload(payloads->front());
    const bool last = (header.Flags & rpc::Last) != 0;
    if (last && length < left.size()) broken(left.subspan(length), error(Errc::malformed, "bytes are left over behind the buffer flagged Last"));
    else if (!last && length == left.size()) trouble("no buffer is flagged Last");
    return last ? left.size() : length;
  }

  void aux_blocks(View payload) {
    wire::blobs::OffsetSink placed(sink_, options_.json);
    if (const auto told = rpc::tell_aux(placed, placed.start(), payload); !told) trouble(told.error().message);
  }

  void payload(View plain) {
    if (options_.kind == DumpOptions::Kind::body || options_.kind == DumpOptions::Kind::stub) return rops(plain);
    if (options_.kind == DumpOptions::Kind::object) return aux_blocks(plain);
    // What a chain carries is not said in it: shown as ROPs only if it is all ROPs, or as auxiliary blocks if all are known.
    Arena arena;
    const auto as_requests = wire::decode_requests(plain, arena);
    const bool fits = options_.is_request ? as_requests && as_requests->opaque.empty() && !as_requests->rops.empty()
                                          : wire::decode_responses(plain, arena, paired_.get(), &columns_).has_value();
    if (fits) return rops(plain);
    const auto blocks = rpc::read_aux(plain, arena);
    const auto known = [](const rpc::AuxBlock& block) { return block.get<rpc::UnknownAuxBlock>() == nullptr; };
    if (blocks && !blocks->empty() && std::all_of(blocks->begin(), blocks->end(), known)) aux_blocks(plain);
    else sink_.bytes("Payload", plain);
  }

  static std::string flags_of(std::uint16_t flags) {
    std::string out;
    const auto add = [&](bool set, const char* name) {
      if (set) out += (out.empty() ? "" : " | ") + std::string(name);
    };
    add((flags & rpc::Compressed) != 0, "Compressed");
    add((flags & rpc::XorMagic) != 0, "XorMagic");
    add((flags & rpc::Last) != 0, "Last");
    add((flags & ~7) != 0, "unknown");
    return out.empty() ? "none" : out;
  }

  const DumpOptions& options_;
  wire::FieldSink& sink_;
  GivenColumns columns_;
  Arena arena_;
  std::unique_ptr<wire::RopRequestBuffer> paired_;
  std::string problem_;
  std::string tail_;  // text that stands behind what the sink was told
};

// What `object` may name besides the kinds of blob.
struct Object {
  std::string_view name, holds;
  void (Dumper::*tell)(View);
};
constexpr Object objects[] = {
    {"msg", "a .msg file of Outlook", &Dumper::msg},
    {"tnef", "winmail.dat", &Dumper::tnef},
    {"rtf", "PidTagRtfCompressed, with the HTML or text that it was made from", &Dumper::rtf},
    {"aux", "an auxiliary buffer, with or without RPC_HEADER_EXT", &Dumper::aux},
    {"idset", "IDSET or CNSET of a synchronisation state: with REPLGUIDs", &Dumper::idset<mapi::Guid>},
    {"idset-replid", "IDSET of deletions and read states: with REPLIDs", &Dumper::idset<std::uint16_t>},
};

void Dumper::object(View input) {
  for (const auto& object : objects)
    if (object.name == options_.object) return (this->*object.tell)(input);
  const auto* kind = wire::blobs::find_blob_kind(options_.object);
  if (kind == nullptr) return trouble(fmt::format("there is no kind \"{}\"", options_.object));
  wire::blobs::OffsetSink sink(sink_, options_.json);
  const auto told = kind->tell(input, sink, sink.start());
  if (told) return;
  if (*sink.start() < input.size()) sink.bytes("rest", input.subspan(*sink.start()));
  trouble(told.error().message);
}

std::vector<std::string> object_names() {
  std::vector<std::string> names;
  for (const auto& object : objects) names.emplace_back(object.name);
  for (const auto& kind : wire::blobs::blob_kinds()) names.emplace_back(kind.name);
  return names;
}

template <class Sink>
DumpResult dump_to(Sink& sink, const DumpOptions& options, GivenColumns columns, View input, View paired_request) {
  Dumper dumper(options, sink, std::move(columns));
  if (!paired_request.empty()) dumper.pair_with(paired_request);
  switch (options.kind) {
    case DumpOptions::Kind::body: dumper.body(input); break;
    case DumpOptions::Kind::rops: dumper.rops(input); break;
    case DumpOptions::Kind::rpc_ext: dumper.chain(input); break;
    case DumpOptions::Kind::lz77: dumper.lz77(input); break;
    case DumpOptions::Kind::fasttransfer: dumper.fasttransfer(input); break;
    case DumpOptions::Kind::pcap: dumper.capture(input); break;
    case DumpOptions::Kind::stub: dumper.stub(input); break;
    case DumpOptions::Kind::object: dumper.object(input); break;
  }
  if (!dumper.problem().empty()) sink.text("problem", dumper.problem());
  return {sink.take() + dumper.tail(), dumper.problem()};
}

Result<Bytes> input_of(const DumpOptions& options, const std::string& file) {
  auto raw = read_input(file, max_input);
  if (!raw || options.encoding == DumpOptions::Encoding::raw) return raw;
  Bytes out;
  const bool hex = options.encoding == DumpOptions::Encoding::hex;
  if (!(hex ? from_hex(as_text(*raw), out) : from_base64(as_text(*raw), out)))
    return error(Errc::malformed, "{} is not {}", file == "-" ? "standard input" : file, hex ? "hex" : "base64");
  return out;
}

// What to try when raw bytes made no sense; empty when they are no text of another form.
std::string_view encoding_advice(const DumpOptions& options, View input) {
  Bytes out;
  if (options.encoding != DumpOptions::Encoding::raw) return {};
  if (from_hex(as_text(input), out)) return "The input is hex digits: try --hex.";
  out.clear();
  if (from_base64(as_text(input), out)) return "The input looks like base64: try --base64.";
  return {};
}

int fail(std::string_view message, std::string_view advice = {}) {
  fmt::print(stderr, "mapigate dump: {}\n", escape_controls(message));
  if (!advice.empty()) fmt::print(stderr, "{}\n", advice);
  return 1;
}

}  // namespace

std::string hex_lines(View bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    const auto line = bytes.subspan(at, std::min<std::size_t>(16, bytes.size() - at));
    std::string text;
    for (const auto byte : line) text.push_back(byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.');
    out += fmt::format("{:04x}  {:<47}  {}\n", at, to_hex(line, ' '), text);
  }
  return out;
}

DumpResult dump(const DumpOptions& options, View input, View paired_request) {
  std::vector<mapi::PropertyTag> columns;
  for (const auto& name : options.columns) {
    const auto tag = mapi::tag_from_string(name);
    if (!tag) return {"", fmt::format("\"{}\" is no property; give names such as PidTagSubject or numbers such as 0x0037001f", name)};
    columns.push_back(*tag);
  }
  if (options.json) {
    wire::JsonSink sink;
    auto out = dump_to(sink, options, GivenColumns(std::move(columns)), input, paired_request);
    out.text += '\n';
    return out;
  }
  wire::TextSink sink(options.full ? std::numeric_limits<std::size_t>::max() : 64);
  auto out = dump_to(sink, options, GivenColumns(std::move(columns)), input, paired_request);
  out.text = escape_controls(out.text, true);
  return out;
}

std::string object_kinds() {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view holds) { out += fmt::format("  {:<28} {}\n", name, holds); };
  for (const auto& object : objects) add(object.name, object.holds);
  for (const auto& kind : wire::blobs::blob_kinds()) add(kind.name, kind.holds);
  return out;
}

int dump_command(const DumpOptions& options) {
  if (options.kind == DumpOptions::Kind::object) {
    const auto names = object_names();
    if (std::find(names.begin(), names.end(), options.object) == names.end()) {
      const auto near = nearest(options.object, names);
      return fail(fmt::format("there is no kind \"{}\"", options.object),
                  near.empty() ? "`mapigate dump --help` lists the kinds." : fmt::format("Did you mean \"{}\"?", near));
    }
  }
  if (options.kind == DumpOptions::Kind::stub && !wire::ndr::find_method(options.method)) {
    const auto near = nearest(options.method, wire::ndr::method_names());
    return fail(options.method.empty() ? "a stub does not say which method it belongs to" : fmt::format("there is no method \"{}\"", options.method),
                near.empty() ? "Give the method with --method, such as EcDoRpcExt2 or NspiBind." : fmt::format("Did you mean \"{}\"?", near));
  }
  if (options.kind == DumpOptions::Kind::lz77 && options.size == 0)
    return fail("a plain LZ77 stream does not say how many bytes come out", "Give SizeActual of the RPC_HEADER_EXT: --size N.");
  const auto input = input_of(options, options.file);
  if (!input) return fail(input.error().message);
  if (input->empty()) return fail("the input is empty");
  Bytes paired;
  if (!options.paired_request.empty()) {
    auto read = input_of(options, options.paired_request);
    if (!read) return fail(read.error().message);
    paired = std::move(*read);
  }
  const auto result = dump(options, *input, paired);
  if (!print_out(result.text)) return fail("the output could not be written");
  return result.problem.empty() ? 0 : fail(result.problem, encoding_advice(options, *input));
}

}  // namespace mapigate::daemon
