#include "wire/dump.h"

#include <nlohmann/json.hpp>

namespace mapigate::wire {

// --- text

void TextSink::line(const char* name, std::string_view value) {
  out_.append(2 * level_, ' ').append(name).append(": ").append(value).push_back('\n');
}

void TextSink::begin(const char* name) {
  out_.append(2 * level_, ' ').append(name).push_back('\n');
  ++level_;
}

void TextSink::begin_list(const char* name, std::size_t count) {
  line(name, count == 0 ? "none" : fmt::format("{} of", count));
  ++level_;
}

void TextSink::number(const char* name, std::uint64_t value, unsigned bytes) {
  line(name, value < 10 ? fmt::format("{}", value) : fmt::format("{} (0x{:0{}x})", value, value, 2 * bytes));
}

void TextSink::real(const char* name, double value) { line(name, fmt::format("{}", value)); }

void TextSink::text(const char* name, std::string_view utf8) {
  std::string quoted = "\"";
  for (const auto c : utf8) {
    if (c == '\n') quoted += "\\n";
    else if (c == '\r') quoted += "\\r";
    else if (c == '\t') quoted += "\\t";
    else if (c == '"' || c == '\\') (quoted += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else quoted += c;
  }
  line(name, quoted + '"');
}

void TextSink::bytes(const char* name, View value) {
  if (value.empty()) return line(name, "empty");
  if (value.size() <= max_bytes_) return line(name, to_hex(value, ' '));
  line(name, fmt::format("{} ... ({} bytes)", to_hex(value.first(max_bytes_), ' '), value.size()));
}

void TextSink::symbol(const char* name, std::uint64_t, unsigned, std::string_view symbol) { line(name, symbol); }

// --- JSON

using Json = nlohmann::ordered_json;

struct JsonSink::Tree {
  // The structures and lists that are open, outermost first, each with its name in the one before it.
  struct Open {
    std::string name;
    Json value;
  };
  std::vector<Open> open;

  Tree() { open.push_back({"", Json::object()}); }
  void add(std::string name, Json value) {
    auto& parent = open.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return;
    }
    const auto wanted = name;
    for (int n = 2; parent.contains(name); ++n) name = fmt::format("{}_{}", wanted, n);
    parent[name] = std::move(value);
  }
  void push(const char* name, Json value) { open.push_back({name, std::move(value)}); }
  void pop() {
    auto last = std::move(open.back());
    open.pop_back();
    add(std::move(last.name), std::move(last.value));
  }
};

namespace {
Json json_number(std::uint64_t value) {
  constexpr std::uint64_t exact = std::uint64_t{1} << 53;
  return value <= exact ? Json(value) : Json(std::to_string(value));
}
}  // namespace

JsonSink::JsonSink() : tree_(std::make_unique<Tree>()) {}
JsonSink::~JsonSink() = default;

std::string JsonSink::take(int indent) {
  while (tree_->open.size() > 1) tree_->pop();
  return tree_->open.front().value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void JsonSink::begin(const char* name) { tree_->push(name, Json::object()); }
void JsonSink::end() { tree_->pop(); }
void JsonSink::begin_list(const char* name, std::size_t) { tree_->push(name, Json::array()); }
void JsonSink::end_list() { tree_->pop(); }
void JsonSink::number(const char* name, std::uint64_t value, unsigned) { tree_->add(name, json_number(value)); }
void JsonSink::boolean(const char* name, bool value) { tree_->add(name, value); }
void JsonSink::real(const char* name, double value) { tree_->add(name, value); }
void JsonSink::text(const char* name, std::string_view utf8) { tree_->add(name, std::string(utf8)); }
void JsonSink::bytes(const char* name, View value) { tree_->add(name, to_hex(value)); }
void JsonSink::symbol(const char* name, std::uint64_t value, unsigned, std::string_view symbol) {
  tree_->add(name, Json{{"value", json_number(value)}, {"name", std::string(symbol)}});
}

// --- ROP buffers

namespace {

// What follows the ROPs of a buffer of either kind.
template <class Buffer>
void rest_of(FieldSink& sink, const Buffer& buffer) {
  const View opaque = buffer.opaque;
  if (!opaque.empty()) {
    sink.bytes("opaque", opaque);
    sink.text("problem", buffer.problem);
  }
  sink.begin_list("ServerObjectHandleTable", buffer.handles.size());
  for (const auto handle : buffer.handles) {
    if (handle == no_handle) sink.symbol("Handle", handle, 4, "none");
    else sink.number("Handle", handle, 4);
  }
  sink.end_list();
}

}  // namespace

void describe_rest(FieldSink& sink, const RopRequestBuffer& buffer) { rest_of(sink, buffer); }
void describe_rest(FieldSink& sink, const RopResponseBuffer& buffer) { rest_of(sink, buffer); }

void describe(FieldSink& sink, const RopRequestBuffer& buffer) {
  for (const auto& rop : buffer.rops) describe(sink, rop);
  describe_rest(sink, buffer);
}

void describe(FieldSink& sink, const RopResponseBuffer& buffer, const RopRequestBuffer* requests) {
  for (const auto& rop : buffer.rops) describe(sink, rop, context_of(rop, requests));
  describe_rest(sink, buffer);
}

namespace {

template <class Sink, class... Args>
std::string made_by(const Args&... args) {
  Sink sink;
  describe(sink, args...);
  return sink.take();
}

}  // namespace

std::string to_text(const RopRequestBuffer& buffer) { return made_by<TextSink>(buffer); }
std::string to_text(const RopResponseBuffer& buffer, const RopRequestBuffer* requests) {
  return made_by<TextSink>(buffer, requests);
}
std::string to_json(const RopRequestBuffer& buffer) { return made_by<JsonSink>(buffer); }
std::string to_json(const RopResponseBuffer& buffer, const RopRequestBuffer* requests) {
  return made_by<JsonSink>(buffer, requests);
}

namespace {

template <class Sink>
std::string failure(const Error& error) {
  Sink sink;
  sink.text("problem", error.message);
  return sink.take();
}
std::string failure(const Error& error, DumpForm form) {
  return form == DumpForm::text ? failure<TextSink>(error) : failure<JsonSink>(error);
}

}  // namespace

std::string dump_requests(View payload, DumpForm form, const LogonSource* logons) {
  Arena arena;
  const auto buffer = decode_requests(payload, arena, logons);
  if (!buffer) return failure(buffer.error(), form);
  return form == DumpForm::text ? to_text(*buffer) : to_json(*buffer);
}

std::string dump_responses(View payload, DumpForm form, const RopRequestBuffer* requests, const ColumnSource* columns) {
  Arena arena;
  const auto buffer = decode_responses(payload, arena, requests, columns);
  if (!buffer) return failure(buffer.error(), form);
  return form == DumpForm::text ? to_text(*buffer, requests) : to_json(*buffer, requests);
}

}  // namespace mapigate::wire
