#include "mapi/value.h"

#include "mapi/restriction.h"

namespace mapigate::mapi {

namespace {

String8 copy_one(Arena& arena, const String8& s) { return {arena.copy(s.text)}; }
Utf16 copy_one(Arena& arena, const Utf16& s) { return {arena.copy(s.bytes)}; }
View copy_one(Arena& arena, const View& s) { return arena.copy(s); }
TaggedValue copy_one(Arena& arena, const TaggedValue& s) { return {s.tag, copy(arena, s.value)}; }
RuleAction copy_one(Arena& arena, const RuleAction& s) {
  auto out = s;
  out.ActionData = arena.copy(s.ActionData);
  return out;
}
Restriction copy_one(Arena& arena, const Restriction& s) { return copy(arena, s); }

template <class T>
std::span<const T> copy_each(Arena& arena, std::span<const T> from) {
  auto to = arena.make_span<T>(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = copy_one(arena, from[i]);
  return to;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Value copy(Arena& arena, const Value& value) {
  Value out = value;
  std::visit(
      Overloaded{
          [&](const String8& s) { out.data = copy_one(arena, s); },
          [&](const Utf16& s) { out.data = copy_one(arena, s); },
          [&](const View& s) { out.data = arena.copy(s); },
          [&](const std::span<const String8>& s) { out.data = copy_each(arena, s); },
          [&](const std::span<const Utf16>& s) { out.data = copy_each(arena, s); },
          [&](const std::span<const View>& s) { out.data = copy_each(arena, s); },
          [&]<class T>(const std::span<const T>& s) { out.data = std::span<const T>(arena.copy(s)); },
          [&](const Restriction* s) {
            if (s != nullptr) out.data = static_cast<const Restriction*>(arena.make<Restriction>(copy(arena, *s)));
          },
          [&](const RuleActions* s) {
            if (s != nullptr)
              out.data = static_cast<const RuleActions*>(arena.make<RuleActions>(copy_each(arena, s->actions)));
          },
          [](const auto&) {},
      },
      value.data);
  return out;
}

Restriction copy(Arena& arena, const Restriction& restriction) {
  auto out = restriction;
  out.children = copy_each(arena, restriction.children);
  out.value = copy_one(arena, restriction.value);
  out.values = copy_each(arena, restriction.values);
  return out;
}

std::string text_of(const Value& value, unsigned code_page) {
  if (const auto* wide = value.get<Utf16>()) return to_utf8(*wide);
  if (const auto* narrow = value.get<String8>()) return from_code_page(narrow->text, code_page);
  return {};
}

std::string collation_key_of(const Value& value) {
  constexpr std::size_t most = 255;
  const auto* wide = value.get<Utf16>();
  if (wide == nullptr && value.get<String8>() == nullptr) return {};
  Bytes converted;
  if (wide == nullptr) converted = to_utf16(text_of(value));
  Utf16 text = wide != nullptr ? *wide : Utf16{converted};
  if (text.empty()) return {};
  text.bytes = text.bytes.first(2 * std::min(text.size(), most));
  return collation_key(text);
}

std::int64_t number_of(const Value& value) {
  return std::visit(Overloaded{
                        [](bool b) -> std::int64_t { return b ? 1 : 0; },
                        [](std::int16_t n) -> std::int64_t { return n; },
                        [](std::int32_t n) -> std::int64_t { return n; },
                        [](std::int64_t n) -> std::int64_t { return n; },
                        [](FileTime t) -> std::int64_t { return static_cast<std::int64_t>(t.ticks); },
                        [](const auto&) -> std::int64_t { return 0; },
                    },
                    value.data);
}

}  // namespace mapigate::mapi
