// What the network, a backend or a user can cause comes back as a Result;
// exceptions are for bugs and for start-up.
#pragma once

#include <fmt/format.h>

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace mapigate {

enum class Errc {
  malformed,     // the peer's bytes break their specification
  limit,         // well-formed, but over a limit that a setting holds
  unsupported,   // understood and not offered
  denied,        // credentials or rights are missing
  not_found,
  conflict,      // somebody else changed it, or it exists already
  unavailable,   // a backend is down or lost; the same call may succeed later
  timeout,       // like unavailable, after a wait that ended
  cancelled,     // the caller went away
  internal,      // our own fault
  full,          // no room is left where it should go: a quota of a backend
};

std::string_view to_string(Errc code);

// An error says what happened and where; whoever passes it on adds its own
// place in front with within().
struct Error {
  Errc code = Errc::internal;
  std::string message;

  bool retryable() const { return code == Errc::unavailable || code == Errc::timeout; }
  Error within(std::string_view where) && { return {code, fmt::format("{}: {}", where, message)}; }
};

template <class... Args>
Error error(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
using Result = boost::system::result<T, Error>;
using Status = Result<void>;

// Thrown by Result::value() on an error: only where an error is a bug.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace mapigate
