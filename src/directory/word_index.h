// Which objects have a word that begins so: each word once, sorted, with those that have it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mapigate::directory {

// The words of a text that is folded already.
std::vector<std::string_view> split_words(std::string_view folded);

class WordIndex {
 public:
  using Index = std::uint32_t;

  // Collects; `words` of one object may repeat. A word that begins another of the same object's adds nothing and is left out.
  class Builder {
   public:
    void add(Index object, std::vector<std::string> words);
    WordIndex build();

   private:
    struct Found {
      std::uint32_t at, size;
      Index object;
    };
    std::string bytes_;
    std::vector<Found> found_;
  };

  // In order and each once.
  std::vector<Index> find(std::string_view beginning) const;

 private:
  friend class SnapshotFile;
  std::string_view word(std::size_t i) const { return std::string_view(bytes_).substr(word_at_[i], word_at_[i + 1] - word_at_[i]); }

  std::string bytes_;
  std::vector<std::uint32_t> word_at_{0};     // where each begins; one more for the end
  std::vector<std::uint32_t> objects_at_{0};  // likewise those that have it
  std::vector<Index> objects_;
};

}  // namespace mapigate::directory
