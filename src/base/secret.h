// A secret in memory: wiped when it goes, never printed, compared in constant time.
#pragma once

#include <string>
#include <string_view>

namespace mapigate {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe();
      text_ = other.text_;
    }
    return *this;
  }
  ~Secret() { wipe(); }

  // The only way to the bytes: easy to find in a review.
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const Secret& other) const {
    unsigned char different = text_.size() != other.text_.size();
    for (std::size_t i = 0; i < text_.size() && i < other.text_.size(); ++i)
      different |= static_cast<unsigned char>(text_[i] ^ other.text_[i]);
    return different == 0;
  }

 private:
  void wipe() {
    volatile char* p = text_.data();
    for (std::size_t i = 0; i < text_.size(); ++i) p[i] = 0;
    text_.clear();
  }
  std::string text_;
};

}  // namespace mapigate
