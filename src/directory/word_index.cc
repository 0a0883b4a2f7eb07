#include "directory/word_index.h"

#include <algorithm>

namespace mapigate::directory {

std::vector<std::string_view> split_words(std::string_view folded) {
  std::vector<std::string_view> out;
  for (std::size_t start = 0; start < folded.size();) {
    const auto end = std::min(folded.find_first_of(" \t,;()\"<>/", start), folded.size());
    if (end > start) out.push_back(folded.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

void WordIndex::Builder::add(Index object, std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  for (std::size_t i = 0; i < words.size(); ++i) {
    // Sorted, whatever begins with it stands right behind it.
    if (i + 1 < words.size() && words[i + 1].starts_with(words[i])) continue;
    found_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(words[i].size()), object});
    bytes_ += words[i];
  }
}

WordIndex WordIndex::Builder::build() {
  const auto text = [&](const Found& one) { return std::string_view(bytes_).substr(one.at, one.size); };
  std::sort(found_.begin(), found_.end(), [&](const Found& a, const Found& b) {
    const auto order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a.object < b.object;
  });
  WordIndex out;
  out.objects_.reserve(found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (i == 0 || text(found_[i]) != text(found_[i - 1])) {
      if (i != 0) out.objects_at_.push_back(static_cast<std::uint32_t>(i));
      out.bytes_ += text(found_[i]);
      out.word_at_.push_back(static_cast<std::uint32_t>(out.bytes_.size()));
    }
    out.objects_.push_back(found_[i].object);
  }
  if (!found_.empty()) out.objects_at_.push_back(static_cast<std::uint32_t>(found_.size()));
  out.bytes_.shrink_to_fit();
  out.word_at_.shrink_to_fit();
  out.objects_at_.shrink_to_fit();
  return out;
}

std::vector<WordIndex::Index> WordIndex::find(std::string_view beginning) const {
  std::size_t low = 0, high = word_at_.size() - 1;
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    if (word(middle) < beginning) low = middle + 1;
    else high = middle;
  }
  std::vector<Index> out;
  for (auto i = low; i + 1 < word_at_.size() && word(i).starts_with(beginning); ++i)
    out.insert(out.end(), objects_.begin() + objects_at_[i], objects_.begin() + objects_at_[i + 1]);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace mapigate::directory
