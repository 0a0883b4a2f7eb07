#include "wire/blobs/blob.h"

#include <algorithm>
#include <limits>

#include "wire/blobs/blob_kind.h"

namespace mapigate::wire::blobs {

std::span<const BlobKind> blob_kinds() {
  static const auto all = [] {
    std::vector<BlobKind> out;
    for (const auto part : {calendar_kinds(), entry_id_kinds(), rule_kinds(), folder_kinds()})
      out.insert(out.end(), part.begin(), part.end());
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }();
  return all;
}

const BlobKind* find_blob_kind(std::string_view name) {
  for (const auto& kind : blob_kinds())
    if (kind.name == name) return &kind;
  return nullptr;
}

std::string names_of_bits(std::uint32_t value, std::span<const BitName> names) {
  std::string out;
  const auto add = [&](std::string_view name) { out.append(out.empty() ? "" : " | ").append(name); };
  for (const auto& [bit, name] : names) {
    if ((value & bit) != bit) continue;
    add(name);
    value &= ~bit;
  }
  if (value != 0 || out.empty()) add(fmt::format("0x{:x}", value));
  return out;
}

std::string from_minutes(std::uint32_t minutes) {
  constexpr std::uint32_t never = 0x5AE980DF;
  if (minutes >= never) return "never";
  auto text = to_iso8601(FileTime{std::uint64_t{minutes} * 600'000'000});
  if (!text.empty() && text.back() == 'Z') text.pop_back();
  return text;
}

void OffsetSink::placed(const char* name, auto tell) {
  if (as_structure_) {
    to_.begin(name);
    to_.number("offset", start_, 4);
    tell("value");
    to_.end();
  } else {
    tell(fmt::format("{:04x} {}", start_, name).c_str());
  }
}

void OffsetSink::number(const char* name, std::uint64_t value, unsigned bytes) {
  placed(name, [&](const char* n) { to_.number(n, value, bytes); });
}
void OffsetSink::boolean(const char* name, bool value) {
  placed(name, [&](const char* n) { to_.boolean(n, value); });
}
void OffsetSink::real(const char* name, double value) {
  placed(name, [&](const char* n) { to_.real(n, value); });
}
void OffsetSink::text(const char* name, std::string_view utf8) {
  placed(name, [&](const char* n) { to_.text(n, utf8); });
}
void OffsetSink::bytes(const char* name, View value) {
  placed(name, [&](const char* n) { to_.bytes(n, value); });
}
void OffsetSink::symbol(const char* name, std::uint64_t value, unsigned bytes, std::string_view symbol) {
  placed(name, [&](const char* n) { to_.symbol(n, value, bytes, symbol); });
}

}  // namespace mapigate::wire::blobs
