#include "chain/lua_node.h"

#include <algorithm>
#include <cstdio>
#include <lua.hpp>

#include "mapi/errors.h"

namespace mapigate::chain {

using mapi::PropertyType;
using mapi::Restriction;
using mapi::RestrictType;

namespace {

constexpr unsigned max_depth = 200;
constexpr std::size_t max_nodes = 250'000;

const Node nothing;

// What to_iso8601() writes. Empty when it is no such time.
std::optional<std::uint64_t> ticks_of(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6) return {};
  std::uint64_t fraction = 0;
  auto at = static_cast<std::size_t>(used);
  if (at < text.size() && text[at] == '.') {
    std::uint64_t unit = 1'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
      fraction += unit * static_cast<std::uint64_t>(text[at] - '0');
  }
  if (text.substr(at) != "Z") return {};
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return {};
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second + unix_epoch_in_seconds;
  if (seconds < 0) return {};
  return static_cast<std::uint64_t>(seconds) * 10'000'000 + fraction;
}

}  // namespace

Node::Node() = default;
Node::Node(Kind k) : kind(k) {}
Node Node::table() { return Node(Kind::table); }
Node Node::of(std::int64_t number) {
  Node out(Kind::integer);
  out.number = number;
  return out;
}
Node Node::of(bool flag) {
  Node out(Kind::boolean);
  out.flag = flag;
  return out;
}
Node Node::of(double real) {
  Node out(Kind::real);
  out.real = real;
  return out;
}
Node Node::of(std::string text) {
  Node out(Kind::string);
  out.text = std::move(text);
  return out;
}

const Node* Node::find(std::string_view name) const {
  for (const auto& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

void Node::set(std::string name, Node value) {
  erase(name);
  fields.push_back({std::move(name), std::move(value)});
}

void Node::erase(std::string_view name) {
  std::erase_if(fields, [&](const NodeField& field) { return field.name == name; });
}

bool Node::operator==(const Node& other) const {
  if (kind != other.kind || flag != other.flag || number != other.number || real != other.real) return false;
  if (text != other.text || items != other.items || fields.size() != other.fields.size()) return false;
  return std::all_of(fields.begin(), fields.end(), [&](const NodeField& field) {
    const auto* same = other.find(field.name);
    return same != nullptr && *same == field.value;
  });
}

// --- NodeSink ---

Node& NodeSink::add(const char* name, Node value) {
  auto& in = *stack_.back();
  if (in.flag) return in.items.emplace_back(std::move(value));  // `flag` marks a list while it is filled
  in.fields.push_back({name, std::move(value)});
  return in.fields.back().value;
}

void NodeSink::begin(const char* name) { stack_.push_back(&add(name, Node::table())); }

void NodeSink::end() {
  auto& node = *stack_.back();
  stack_.pop_back();
  const auto count = node.fields.size();
  if (count == 0 || count > 2 || node.fields[0].name != "PropertyTag") return;
  if (count == 2 && node.fields[1].name != "PropertyValue") return;
  node.fields[0].name = "tag";
  if (count == 2) node.fields[1].name = "value";
}

void NodeSink::begin_list(const char* name, std::size_t) {
  auto& list = add(name, Node::table());
  list.flag = true;
  stack_.push_back(&list);
}

void NodeSink::end_list() {
  stack_.back()->flag = false;
  stack_.pop_back();
}

void NodeSink::number(const char* name, std::uint64_t value, unsigned) { add(name, Node::of(static_cast<std::int64_t>(value))); }
void NodeSink::boolean(const char* name, bool value) { add(name, Node::of(value)); }
void NodeSink::real(const char* name, double value) { add(name, Node::of(value)); }
void NodeSink::text(const char* name, std::string_view utf8) { add(name, Node::of(std::string(utf8))); }
void NodeSink::bytes(const char* name, View value) { add(name, Node::of(std::string(as_text(value)))); }

void NodeSink::symbol(const char* name, std::uint64_t value, unsigned, std::string_view) {
  auto number = Node::of(static_cast<std::int64_t>(value));
  if (std::string_view(name) != "PropertyValue") {
    add(name, std::move(number));
    return;
  }
  auto error = Node::table();  // why a property is not here; anything else would look like its value
  error.set("error", std::move(number));
  add(name, std::move(error));
}

// --- NodeSource ---

void NodeSource::fail(const char* name, const char* why) {
  if (problem_.empty()) problem_ = fmt::format("{}{}{}", name, *name == '\0' ? "" : " ", why);
}

const Node& NodeSource::take(const char* name) {
  auto& [node, next] = stack_.back();
  if (next != 0) return next - 1 < node->items.size() ? node->items[next++ - 1] : nothing;
  const auto* found = node->find(name);
  if (found == nullptr && std::string_view(name) == "PropertyTag") found = node->find("tag");
  if (found == nullptr && std::string_view(name) == "PropertyValue") found = node->find("value");
  return found == nullptr ? nothing : *found;
}

void NodeSource::begin(const char* name) {
  const auto& node = take(name);
  if (node.kind != Node::Kind::table && node.kind != Node::Kind::nil) fail(name, "is not a table");
  stack_.push_back({&node, 0});
}

std::size_t NodeSource::begin_list(const char* name) {
  const auto& node = take(name);
  if (node.kind != Node::Kind::table && node.kind != Node::Kind::nil) fail(name, "is not a list");
  stack_.push_back({&node, 1});
  return node.items.size();
}

std::uint64_t NodeSource::number_of(const Node& node, const char* name) {
  switch (node.kind) {
    case Node::Kind::nil: return 0;
    case Node::Kind::integer: return static_cast<std::uint64_t>(node.number);
    case Node::Kind::boolean: return node.flag ? 1 : 0;
    case Node::Kind::string:
      if (const auto ticks = ticks_of(node.text)) return *ticks;
      [[fallthrough]];
    default: fail(name, "is not an integer"); return 0;
  }
}

std::string NodeSource::text_of(const Node& node, const char* name) {
  if (node.kind != Node::Kind::string && node.kind != Node::Kind::nil) fail(name, "is not a string");
  return node.text;
}

std::uint64_t NodeSource::number(const char* name) { return number_of(take(name), name); }
bool NodeSource::boolean(const char* name) { return number_of(take(name), name) != 0; }

double NodeSource::real(const char* name) {
  const auto& node = take(name);
  return node.kind == Node::Kind::real ? node.real : static_cast<double>(static_cast<std::int64_t>(number_of(node, name)));
}

std::string NodeSource::text(const char* name) {
  const auto& node = take(name);
  if (node.kind == Node::Kind::nil) return {};
  return text_of(node, name);
}

Bytes NodeSource::bytes(const char* name) { return to_bytes(as_view(text_of(take(name), name))); }

bool NodeSource::has(const char* name) { return take(name).kind != Node::Kind::nil; }

mapi::Value NodeSource::value(const char* name, PropertyType type, Arena& arena) {
  return value_of(take(name), name, type, arena);
}

mapi::Value NodeSource::value_of(const Node& node, const char* name, PropertyType type, Arena& arena) {
  if (const auto* code = node.find("error")) return mapi::Value::error(static_cast<std::uint32_t>(number_of(*code, name)));
  const bool empty = node.kind == Node::Kind::nil || (node.kind == Node::Kind::string && node.text.empty());
  const auto multiple = [&]<class T>(T) {
    auto out = arena.make_span<T>(node.items.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto one = value_of(node.items[i], name, mapi::element_type(type), arena);
      if (const auto* got = one.template get<T>()) out[i] = *got;
    }
    return mapi::Value{type, std::span<const T>(out)};
  };
  const auto integer = [&] { return static_cast<std::int64_t>(number_of(node, name)); };
  const auto floating = [&] { return node.kind == Node::Kind::real ? node.real : static_cast<double>(integer()); };
  switch (type) {
    case PropertyType::PtypString: return mapi::Value::string(arena, text_of(node, name));
    case PropertyType::PtypString8: return mapi::Value::string8(arena.copy(to_code_page(text_of(node, name), 1252)));
    case PropertyType::PtypBinary:
    case PropertyType::PtypServerId: return {type, arena.copy(as_view(text_of(node, name)))};
    case PropertyType::PtypRestriction: {
      if (empty) return {type, static_cast<const Restriction*>(nullptr)};
      auto* out = arena.make<Restriction>();
      build(node, *out, arena, 0);
      return {type, static_cast<const Restriction*>(out)};
    }
    case PropertyType::PtypRuleAction: {
      auto actions = arena.make_span<mapi::RuleAction>(node.items.size());
      for (std::size_t i = 0; i < actions.size(); ++i) {
        NodeSource one(node.items[i]);
        actions[i].ActionType = static_cast<std::uint8_t>(one.number("ActionType"));
        actions[i].ActionFlavor = static_cast<std::uint32_t>(one.number("ActionFlavor"));
        actions[i].ActionFlags = static_cast<std::uint32_t>(one.number("ActionFlags"));
        actions[i].ActionData = arena.copy(View(one.bytes("ActionData")));
        if (!one.problem().empty()) fail(name, one.problem().c_str());
      }
      return {type, static_cast<const mapi::RuleActions*>(arena.make<mapi::RuleActions>(mapi::RuleActions{actions}))};
    }
    default: break;
  }
  if (empty) return {PropertyType::PtypUnspecified, {}};
  switch (type) {
    case PropertyType::PtypBoolean: return mapi::Value::boolean(number_of(node, name) != 0);
    case PropertyType::PtypInteger16: return mapi::Value::integer16(static_cast<std::int16_t>(integer()));
    case PropertyType::PtypInteger32: return mapi::Value::integer32(static_cast<std::int32_t>(integer()));
    case PropertyType::PtypInteger64: return mapi::Value::integer64(integer());
    case PropertyType::PtypErrorCode: return mapi::Value::error(static_cast<std::uint32_t>(integer()));
    case PropertyType::PtypTime: return mapi::Value::time({number_of(node, name)});
    case PropertyType::PtypCurrency: return {type, mapi::Currency{integer()}};
    case PropertyType::PtypFloating32: return {type, static_cast<float>(floating())};
    case PropertyType::PtypFloating64:
    case PropertyType::PtypFloatingTime: return {type, floating()};
    case PropertyType::PtypGuid: {
      const auto guid = mapi::guid_from_string(text_of(node, name));
      if (!guid) fail(name, "is not a GUID");
      return mapi::Value::guid(guid.value_or(mapi::Guid{}));
    }
    case PropertyType::PtypMultipleInteger16: return multiple(std::int16_t{});
    case PropertyType::PtypMultipleInteger32: return multiple(std::int32_t{});
    case PropertyType::PtypMultipleInteger64: return multiple(std::int64_t{});
    case PropertyType::PtypMultipleFloating32: return multiple(float{});
    case PropertyType::PtypMultipleFloating64:
    case PropertyType::PtypMultipleFloatingTime: return multiple(double{});
    case PropertyType::PtypMultipleCurrency: return multiple(mapi::Currency{});
    case PropertyType::PtypMultipleTime: return multiple(FileTime{});
    case PropertyType::PtypMultipleGuid: return multiple(mapi::Guid{});
    case PropertyType::PtypMultipleString: return multiple(Utf16{});
    case PropertyType::PtypMultipleString8: return multiple(mapi::String8{});
    case PropertyType::PtypMultipleBinary: return multiple(View{});
    default: fail(name, "has a type that Lua cannot write"); return {type, {}};
  }
}

const Restriction* NodeSource::restriction(const char* name, Arena& arena) {
  const auto& node = take(name);
  if (node.kind == Node::Kind::nil) return nullptr;
  auto* out = arena.make<Restriction>();
  build(node, *out, arena, 0);
  return out;
}

bool NodeSource::build(const Node& node, Restriction& out, Arena& arena, unsigned depth) {
  if (depth > mapi::max_restriction_depth) return fail("Restriction", "is too deep"), false;
  NodeSource in(node);
  const auto tag = [&in](const char* name) { return mapi::PropertyTag(static_cast<std::uint32_t>(in.number(name))); };
  out.type = static_cast<RestrictType>(in.number("RestrictType"));
  out.relop = static_cast<mapi::RelationalOperator>(in.number("RelOp"));
  out.FuzzyLevelLow = static_cast<std::uint16_t>(in.number("FuzzyLevelLow"));
  out.FuzzyLevelHigh = static_cast<std::uint16_t>(in.number("FuzzyLevelHigh"));
  const bool comparing = out.type == RestrictType::ComparePropertiesRestriction;
  const bool tagged = out.type == RestrictType::ContentRestriction || out.type == RestrictType::PropertyRestriction;
  out.tag = tag(comparing ? "PropTag1" : tagged ? "PropertyTag" : "PropTag");
  out.tag2 = tag("PropTag2");
  out.bits_must_be_set = in.number("BitmapRelOp") != 0;
  out.number = static_cast<std::uint32_t>(out.type == RestrictType::BitMaskRestriction      ? in.number("Mask")
                                          : out.type == RestrictType::SizeRestriction       ? in.number("Size")
                                          : out.type == RestrictType::SubObjectRestriction  ? in.number("Subobject")
                                                                                            : in.number("Count"));
  wire::FieldBuilder builder(in, arena);
  if (node.find("TaggedValue") != nullptr) builder.tagged("TaggedValue", out.value);
  if (node.find("TaggedValues") != nullptr) builder.tagged_list("TaggedValues", out.values, 0);
  if (const auto* list = node.find("Restrictions")) {
    auto children = arena.make_span<Restriction>(list->items.size());
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (!build(list->items[i], children[i], arena, depth + 1)) return false;
    }
    out.children = children;
  }
  if (!in.problem().empty()) fail("Restriction", in.problem().c_str());
  return in.problem().empty();
}

// --- Lua ---

void push(lua_State* lua, const Node& node) {
  luaL_checkstack(lua, 4, "structure");
  switch (node.kind) {
    case Node::Kind::nil: lua_pushnil(lua); break;
    case Node::Kind::boolean: lua_pushboolean(lua, node.flag); break;
    case Node::Kind::integer: lua_pushinteger(lua, node.number); break;
    case Node::Kind::real: lua_pushnumber(lua, node.real); break;
    case Node::Kind::string: lua_pushlstring(lua, node.text.data(), node.text.size()); break;
    case Node::Kind::table:
      lua_createtable(lua, static_cast<int>(node.items.size()), static_cast<int>(node.fields.size()));
      for (const auto& field : node.fields) {
        push(lua, field.value);
        lua_setfield(lua, -2, field.name.c_str());
      }
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        push(lua, node.items[i]);
        lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
      }
      break;
  }
}

namespace {

bool read_bounded(lua_State* lua, int index, Node& out, unsigned depth, std::size_t& left) {
  if (left == 0 || depth > max_depth || lua_checkstack(lua, 4) == 0) return false;
  --left;
  index = lua_absindex(lua, index);
  switch (lua_type(lua, index)) {
    case LUA_TNIL: out.kind = Node::Kind::nil; return true;
    case LUA_TBOOLEAN:
      out.kind = Node::Kind::boolean;
      out.flag = lua_toboolean(lua, index) != 0;
      return true;
    case LUA_TNUMBER:
      out.kind = lua_isinteger(lua, index) != 0 ? Node::Kind::integer : Node::Kind::real;
      if (out.kind == Node::Kind::integer) out.number = lua_tointeger(lua, index);
      else out.real = lua_tonumber(lua, index);
      return true;
    case LUA_TSTRING: {
      std::size_t size = 0;
      const char* text = lua_tolstring(lua, index, &size);
      out.kind = Node::Kind::string;
      out.text.assign(text, size);
      return true;
    }
    case LUA_TTABLE: break;
    default: return false;
  }
  out.kind = Node::Kind::table;
  const auto count = lua_rawlen(lua, index);
  for (std::size_t i = 1; i <= count; ++i) {
    lua_rawgeti(lua, index, static_cast<lua_Integer>(i));
    const bool good = read_bounded(lua, -1, out.items.emplace_back(), depth + 1, left);
    lua_pop(lua, 1);
    if (!good) return false;
  }
  for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
    if (lua_type(lua, -2) != LUA_TSTRING || lua_isfunction(lua, -1)) continue;
    auto& field = out.fields.emplace_back();
    std::size_t size = 0;
    const char* name = lua_tolstring(lua, -2, &size);
    field.name.assign(name, size);
    if (read_bounded(lua, -1, field.value, depth + 1, left)) continue;
    lua_pop(lua, 2);
    return false;
  }
  return true;
}

}  // namespace

bool read(lua_State* lua, int index, Node& out) {
  std::size_t left = max_nodes;
  return read_bounded(lua, index, out, 0, left);
}

}  // namespace mapigate::chain
