#include "wire/mapihttp/headers.h"

#include <charconv>
#include <iterator>

namespace mapigate::wire::mapihttp {

std::string_view to_string(ResponseCode code) {
  static constexpr std::string_view names[] = {
      "Success", "Unknown Failure", "Invalid Verb", "Invalid Path", "Invalid Header", "Invalid Request Type",
      "Invalid Context Cookie", "Missing Header", "Anonymous Not Allowed", "Too Large", "Context Not Found",
      "No Privilege", "Invalid Request Body", "Missing Cookie", "Reserved", "Invalid Sequence", "Endpoint Disabled",
      "Invalid Response", "Endpoint Shutting Down"};
  const auto number = static_cast<std::size_t>(code);
  return number < std::size(names) ? names[number] : "unknown";
}

std::optional<ResponseCode> response_code_from(std::string_view digits) {
  std::uint32_t number = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [after, failure] = std::from_chars(digits.data(), end, number);
  if (failure != std::errc{} || after != end) return std::nullopt;
  return static_cast<ResponseCode>(number);
}

}  // namespace mapigate::wire::mapihttp
