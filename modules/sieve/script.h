// The Sieve script of ours (RFC 5228) that answers mail: vacation (RFC 5230), dates (RFC 5260), the user's own script behind
// it (RFC 6609). What was set stands in its comments, so that it reads back as it was.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/ews/oof.h"

namespace mapigate::sieve {

struct Remembered {
  wire::ews::UserOofSettings settings;
  std::string previous;  // the script that was active before ours; empty: none
};

struct Plan {
  Remembered remembered;
  std::vector<std::string> addresses;         // all of the user's own
  std::vector<std::string> internal_domains;  // who writes from there gets the internal reply
  unsigned days = 1;                          // within which nobody gets a second reply
  bool can_include = true, can_envelope = true;
  std::string previous_text;                  // of the script `previous`, where it cannot be included
};

std::string make_script(const Plan& plan);
// None: it is not one of ours.
std::optional<Remembered> read_script(std::string_view script);

// The script calls a command of this name, outside of comments and strings.
bool calls(std::string_view script, std::string_view command);
// Where its leading require commands, and the comments among them, end.
std::size_t end_of_requires(std::string_view script);

// A string of the language.
std::string string_of(std::string_view text);

}  // namespace mapigate::sieve
