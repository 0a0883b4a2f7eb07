#include "chain/lua_blobs.h"

#include <lua.hpp>
#include <map>

#include "wire/blobs/blob.h"

namespace mapigate::chain {

namespace {

// A name that comes again in one structure gets "_2", "_3" … behind it, as in `mapigate dump --json`.
class NumberedSink final : public wire::FieldSink {
 public:
  explicit NumberedSink(wire::FieldSink& to) : to_(to), counts_(1) {}
  void begin(const char* name) override {
    to_.begin(numbered(name));
    counts_.push_back({});
  }
  void end() override {
    counts_.pop_back();
    to_.end();
  }
  void begin_list(const char* name, std::size_t count) override {
    to_.begin_list(numbered(name), count);
    counts_.push_back({.list = true});
  }
  void end_list() override {
    counts_.pop_back();
    to_.end_list();
  }
  void number(const char* name, std::uint64_t value, unsigned bytes) override { to_.number(numbered(name), value, bytes); }
  void boolean(const char* name, bool value) override { to_.boolean(numbered(name), value); }
  void real(const char* name, double value) override { to_.real(numbered(name), value); }
  void text(const char* name, std::string_view utf8) override { to_.text(numbered(name), utf8); }
  void bytes(const char* name, View value) override { to_.bytes(numbered(name), value); }
  void symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) override {
    to_.symbol(numbered(name), value, bytes, symbol);
  }

 private:
  struct Level {
    bool list = false;
    std::map<std::string, unsigned, std::less<>> seen{};
  };
  const char* numbered(const char* name) {
    auto& level = counts_.back();
    if (level.list) return name;
    const auto times = ++level.seen[name];
    if (times == 1) return name;
    name_ = fmt::format("{}_{}", name, times);
    return name_.c_str();
  }

  wire::FieldSink& to_;
  std::vector<Level> counts_;
  std::string name_;
};

// The three results of decoding, without Lua: it may leave its callers by longjmp.
std::unique_ptr<Node> decoded(const wire::blobs::BlobKind& kind, View bytes) {
  auto root = Node::table();
  NodeSink sink(root);
  NumberedSink numbered(sink);
  const auto told = kind.tell(bytes, numbered, nullptr);
  // The structure stands under its own name; bytes behind it as "rest".
  auto out = std::make_unique<Node>(Node::table());
  auto& items = out->items;
  Node rest = Node::of(std::string());
  for (auto& field : root.fields) {
    if (field.name == "rest" && field.value.kind == Node::Kind::string) rest = std::move(field.value);
    else if (items.empty()) items.push_back(std::move(field.value));
  }
  if (items.empty()) items.push_back(Node::table());
  if (told) {
    items.push_back(std::move(rest));
  } else {
    items.insert(items.begin(), {Node(), Node::of(told.error().message)});
  }
  return out;
}

std::unique_ptr<Node> encoded(const wire::blobs::BlobKind& kind, const Node& fields) {
  NodeSource source(fields);
  const auto bytes = kind.build(source);
  auto out = std::make_unique<Node>(Node::table());
  if (bytes && source.problem().empty()) out->items.push_back(Node::of(std::string(as_text(*bytes))));
  else out->items = {Node(), Node::of(source.problem().empty() ? bytes.error().message : source.problem())};
  return out;
}

int push_items(lua_State* lua, const Node& results) {
  for (const auto& one : results.items) push(lua, one);
  return static_cast<int>(results.items.size());
}

const wire::blobs::BlobKind* kind_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* name = luaL_checklstring(lua, index, &size);
  const auto* kind = wire::blobs::find_blob_kind({name, size});
  if (kind == nullptr) luaL_error(lua, "no kind of blob \"%s\"", name);
  return kind;
}

}  // namespace

int decode_blob(lua_State* lua, std::unique_ptr<Node>& kept) {
  const auto* kind = kind_at(lua, 1);
  std::size_t size = 0;
  const char* bytes = luaL_checklstring(lua, 2, &size);
  if (size > max_script_blob) return luaL_error(lua, "a blob of more than %d bytes", static_cast<int>(max_script_blob));
  try {
    kept = decoded(*kind, as_view({bytes, size}));
  } catch (...) {
    kept.reset();
  }
  if (!kept) return luaL_error(lua, "not enough memory");
  const int count = push_items(lua, *kept);
  kept.reset();
  return count;
}

int encode_blob(lua_State* lua, std::unique_ptr<Node>& kept) {
  const auto* kind = kind_at(lua, 1);
  if (kind->build == nullptr) return luaL_error(lua, "blobs of the kind \"%s\" can only be decoded", lua_tostring(lua, 1));
  luaL_checktype(lua, 2, LUA_TTABLE);
  bool plain = false;
  try {
    kept = std::make_unique<Node>();
    plain = read(lua, 2, *kept);
    if (plain) kept = encoded(*kind, *kept);
  } catch (...) {
    kept.reset();
  }
  if (!kept) return luaL_error(lua, "not enough memory");
  if (!plain) {
    kept.reset();
    return luaL_error(lua, "the fields are too many, too deep or no plain values");
  }
  const int count = push_items(lua, *kept);
  kept.reset();
  return count;
}

}  // namespace mapigate::chain
