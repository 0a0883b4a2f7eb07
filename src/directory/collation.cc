#include "directory/collation.h"

#include <unicode/coll.h>
#include <unicode/uloc.h>

#include <algorithm>
#include <array>

#include "wire/nspi/nspi.h"

namespace mapigate::directory {

struct Collation::Rules {
  std::unique_ptr<icu::Collator> loose, strict;
};

namespace {
std::unique_ptr<icu::Collator> make(const icu::Locale& locale, icu::Collator::ECollationStrength strength) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::Collator> made(icu::Collator::createInstance(locale, status));
  if (U_FAILURE(status) || !made) {
    status = U_ZERO_ERROR;
    made.reset(icu::Collator::createInstance(icu::Locale::getRoot(), status));
  }
  made->setStrength(strength);
  return made;
}

void append_key(const icu::Collator& collator, const icu::UnicodeString& text, std::string& out) {
  const auto size = collator.getSortKey(text, nullptr, 0);
  const auto at = out.size();
  out.resize(at + static_cast<std::size_t>(size));
  collator.getSortKey(text, reinterpret_cast<std::uint8_t*>(out.data() + at), size);
}
}  // namespace

Collation::Collation(std::uint32_t lcid) : rules_(std::make_unique<Rules>()) {
  char name[ULOC_FULLNAME_CAPACITY] = "";
  UErrorCode status = U_ZERO_ERROR;
  uloc_getLocaleForLCID(lcid, name, sizeof name, &status);
  const auto locale = U_SUCCESS(status) ? icu::Locale(name) : icu::Locale::getRoot();
  rules_->loose = make(locale, icu::Collator::PRIMARY);
  rules_->strict = make(locale, icu::Collator::TERTIARY);
}
Collation::~Collation() = default;

int Collation::compare(std::string_view a, std::string_view b) const {
  UErrorCode status = U_ZERO_ERROR;
  return rules_->loose->compareUTF8({a.data(), static_cast<std::int32_t>(a.size())},
                                    {b.data(), static_cast<std::int32_t>(b.size())}, status);
}

std::string Collation::key(std::string_view utf8) const {
  const auto text = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
  std::string out;
  append_key(*rules_->loose, text, out);  // ends with a zero byte, below all others
  append_key(*rules_->strict, text, out);
  return out;
}

bool is_known_code_page(std::uint32_t code_page) {
  static constexpr auto known = std::to_array<std::uint32_t>({
      37,    437,   708,   720,   737,   775,   850,   852,   855,   857,   858,   860,   861,   862,   863,   864,
      865,   866,   869,   874,   932,   936,   949,   950,   1250,  1251,  1252,  1253,  1254,  1255,  1256,  1257,
      1258,  1361,  10000, 20000, 20127, wire::nspi::CP_TELETEX,
      20866, 20932, 21866, 28591, 28592, 28593, 28594, 28595, 28596, 28597, 28598, 28599, 28603, 28605, 38598, 50220,
      50221, 50222, 51932, 51936, 51949, 54936, 65000, 65001});
  return std::find(known.begin(), known.end(), code_page) != known.end();
}

}  // namespace mapigate::directory
