// The order of names in a locale ([MS-OXNSPI] 3.1.4.3.4 "String Sorting"): after Unicode's collation
// with the locale's own rules. Case, width and accents make no difference in a comparison.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mapigate::directory {

class Collation {
 public:
  // Of a Windows LCID; one that is unknown sorts by the root rules.
  explicit Collation(std::uint32_t lcid);
  ~Collation();
  Collation(const Collation&) = delete;

  int compare(std::string_view a, std::string_view b) const;  // negative, zero, positive
  // Sorts with memcmp as compare() orders; names that compare equal are told apart by accents and case.
  std::string key(std::string_view utf8) const;

 private:
  struct Rules;
  std::unique_ptr<Rules> rules_;
};

// Windows code pages that clients may ask strings in ([MS-OXNSPI] 3.1.4.2 "Required Code Page Support").
bool is_known_code_page(std::uint32_t code_page);

}  // namespace mapigate::directory
