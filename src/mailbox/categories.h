// Categories (PidNameKeywords) as keywords of IMAP (RFC 3501 2.3.2), both ways.
//
// A blank is '_', a byte that no keyword may have is '=' and two hex digits, so that what other clients set reads as it
// was typed and what we set comes back as it was. Keywords that begin with '$' speak of other things, but for the five
// labels that Thunderbird gives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mapigate::mailbox {

// Longer ones are refused by servers.
inline constexpr std::size_t longest_keyword = 50;

std::string category_of(std::string_view keyword);    // empty: it is none
std::string keyword_of(std::string_view category);    // empty: it cannot be one
std::vector<std::string> categories_of(std::string_view keywords);  // a blank between two

struct KeywordChange {
  std::vector<std::string> add, remove;
  std::string result;  // all keywords afterwards
  bool empty() const { return add.empty() && remove.empty(); }
};
// What gives a message with the keywords `present` these categories.
KeywordChange keyword_change(std::string_view present, const std::vector<std::string>& categories);
// `categories` after the keywords changed from `before` to `now`: those that are no keywords stay.
std::vector<std::string> merge_categories(std::vector<std::string> categories, std::string_view before, std::string_view now);

}  // namespace mapigate::mailbox
