// A FieldSource of pseudo-random structures, for tests that must not forget a ROP.
#pragma once

#include <random>

#include "wire/describe.h"

namespace mapigate::wire {

class RandomSource final : public FieldSource {
 public:
  explicit RandomSource(std::uint64_t seed) : random_(seed) {}
  // The structure came out such that its own rules refuse it.
  bool failed() const { return failed_; }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  // A column set whose types all can stand in a row.
  std::vector<mapi::PropertyTag> columns() {
    std::vector<mapi::PropertyTag> out(below(6));
    for (auto& one : out) one = tag();
    return out;
  }

  void begin(const char*) override {}
  void end() override {}
  std::size_t begin_list(const char* name) override {
    const auto count = expected().value_or(below(4));
    if (std::string_view(name) == "Values") in_row_ = count;
    return count;
  }
  void end_list() override {}
  std::uint64_t number(const char* name) override {
    const std::string_view field(name);
    if (field == "Flag") return flag_ = static_cast<std::uint8_t>(below(2));
    if (field.find("Tag") != field.npos && field != "TagCount") return tag().value;
    if (field == "RecipientColumns" || field == "StateProperty") return tag().value;
    if (field == "StringType") return below(5);
    if (field == "Kind") return below(3) == 2 ? 0xFF : below(2);
    if (field == "RecipientColumnCount") return below(4);
    if (field == "TagCount") return below(2) == 0 ? 0xFFFF : below(4);
    if (field == "TableEventType") return below(8);
    if (field == "ByteCount" || field == "BufferSize") return below(2) == 0 ? 0xBABE : below(0x10000);
    if (field == "DataOffset") return below(2);
    // Few bits, many bits, all bits: each makes another form of what depends on flags.
    switch (below(4)) {
      case 0: return below(8);
      case 1: return std::uint64_t{1} << below(64);
      default: return random_();
    }
  }
  bool boolean(const char*) override { return below(2) != 0; }
  double real(const char*) override { return static_cast<double>(below(1000)) / 8; }
  std::string text(const char* name) override {
    const std::string_view field(name);
    if (field.ends_with("Guid") || field == "GUID") return guid_text();
    static constexpr std::string_view samples[] = {"", "a", "Inbox", "IPM.Note", "Entw\xC3\xBCrfe", "/o=x/cn=y"};
    return std::string(samples[below(std::size(samples))]);
  }
  Bytes bytes(const char*) override {
    Bytes out(expected().value_or(below(40)));
    for (auto& byte : out) byte = static_cast<std::uint8_t>(random_());
    return out;
  }
  mapi::Value value(const char*, mapi::PropertyType type, Arena& arena) override {
    using mapi::PropertyType;
    // A flagged row may lack values.
    if (std::exchange(in_row_, in_row_ == 0 ? 0 : in_row_ - 1) > 0 && flag_ == 1) {
      if (below(4) == 0) return {};
      if (below(4) == 0) return mapi::Value::error(static_cast<std::uint32_t>(random_()));
    }
    return value_of(type, arena);
  }
  const mapi::Restriction* restriction(const char*, Arena& arena) override {
    return below(4) == 0 ? nullptr : arena.make<mapi::Restriction>(node(arena, 3));
  }
  void fail(const char*, const char*) override { failed_ = true; }
  void expect(std::size_t n) override { expected_ = n; }

 private:
  std::optional<std::size_t> expected() { return std::exchange(expected_, std::nullopt); }
  std::string guid_text() {
    mapi::Guid guid;
    for (auto& byte : guid.bytes) byte = static_cast<std::uint8_t>(random_());
    return mapi::to_string(guid);
  }
  mapi::PropertyTag tag() { return {static_cast<std::uint16_t>(below(0x10000)), type()}; }
  mapi::PropertyType type() {
    using enum mapi::PropertyType;
    static constexpr mapi::PropertyType types[] = {
        PtypInteger16, PtypInteger32, PtypFloating64, PtypCurrency, PtypFloatingTime, PtypBoolean, PtypInteger64,
        PtypString8, PtypString, PtypTime, PtypGuid, PtypBinary, PtypMultipleInteger32, PtypMultipleString,
        PtypMultipleBinary, PtypServerId};
    return types[below(std::size(types))];
  }
  mapi::Value value_of(mapi::PropertyType type, Arena& arena) {
    using mapi::PropertyType;
    using mapi::Value;
    const auto blob = [&] { return arena.copy(View(bytes(""))); };
    const auto utf16 = [&] { return to_utf16(arena, text("")); };
    switch (type) {
      case PropertyType::PtypInteger16: return Value::integer16(static_cast<std::int16_t>(random_()));
      case PropertyType::PtypInteger32: return Value::integer32(static_cast<std::int32_t>(random_()));
      case PropertyType::PtypInteger64: return Value::integer64(static_cast<std::int64_t>(random_()));
      case PropertyType::PtypFloating64:
      case PropertyType::PtypFloatingTime: return {type, real("")};
      case PropertyType::PtypCurrency: return {type, mapi::Currency{static_cast<std::int64_t>(random_())}};
      case PropertyType::PtypBoolean: return Value::boolean(below(2) != 0);
      case PropertyType::PtypString8: return Value::string8(arena.copy(std::string_view("eight")));
      case PropertyType::PtypString: return Value::string(utf16());
      case PropertyType::PtypTime: return Value::time({random_()});
      case PropertyType::PtypGuid: return Value::guid(*mapi::guid_from_string(guid_text()));
      case PropertyType::PtypBinary:
      case PropertyType::PtypServerId: return {type, blob()};
      case PropertyType::PtypMultipleInteger32: {
        auto out = arena.make_span<std::int32_t>(below(4));
        for (auto& n : out) n = static_cast<std::int32_t>(random_());
        return {type, std::span<const std::int32_t>(out)};
      }
      case PropertyType::PtypMultipleString: {
        auto out = arena.make_span<Utf16>(below(3));
        for (auto& one : out) one = utf16();
        return {type, std::span<const Utf16>(out)};
      }
      case PropertyType::PtypMultipleBinary: {
        auto out = arena.make_span<View>(below(3));
        for (auto& one : out) one = blob();
        return {type, std::span<const View>(out)};
      }
      default: failed_ = true; return {};  // a type that no random tag should have had
    }
  }
  mapi::TaggedValue tagged(Arena& arena) {
    const auto any = tag();
    return {any, value_of(any.type(), arena)};
  }
  mapi::Restriction node(Arena& arena, unsigned depth) {
    using mapi::RestrictType;
    mapi::Restriction out;
    out.type = depth == 0 ? RestrictType::ExistRestriction : static_cast<RestrictType>(below(12));
    const auto children = [&](std::size_t count) {
      auto nodes = arena.make_span<mapi::Restriction>(count);
      for (auto& one : nodes) one = node(arena, depth - 1);
      out.children = nodes;
    };
    out.tag = tag();
    switch (out.type) {
      case RestrictType::AndRestriction:
      case RestrictType::OrRestriction: children(below(4)); break;
      case RestrictType::NotRestriction:
      case RestrictType::SubObjectRestriction:
      case RestrictType::CountRestriction: children(1); break;
      case RestrictType::ContentRestriction:
      case RestrictType::PropertyRestriction: out.value = tagged(arena); break;
      case RestrictType::CommentRestriction: {
        auto values = arena.make_span<mapi::TaggedValue>(below(3));
        for (auto& one : values) one = tagged(arena);
        out.values = values;
        children(below(2));
        break;
      }
      default: break;
    }
    out.number = static_cast<std::uint32_t>(random_());
    return out;
  }

  std::mt19937_64 random_;
  std::optional<std::size_t> expected_;
  std::uint8_t flag_ = 0;
  std::size_t in_row_ = 0;
  bool failed_ = false;
};

}  // namespace mapigate::wire
