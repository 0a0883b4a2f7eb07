#include "transport/ntlm_name.h"

#include "base/cursor.h"
#include "base/text.h"

namespace mapigate::transport {

namespace {

constexpr std::string_view signature("NTLMSSP\0", 8);
constexpr std::uint32_t challenge_message = 2, authenticate_message = 3, negotiate_unicode = 1;

// A DER element with this tag at the beginning of `from`, which moves behind it; none when there is another. Definite lengths in
// their shortest form only: what several readers might take for several things is refused.
std::optional<View> element(View& from, std::uint8_t tag) {
  if (from.size() < 2 || from[0] != tag) return {};
  std::size_t length = from[1], head = 2;
  if (length >= 0x80) {
    const std::size_t digits = length & 0x7F;
    if (digits < 1 || digits > 3 || from.size() < 2 + digits) return {};
    length = 0;
    for (std::size_t i = 0; i < digits; ++i) length = length << 8 | from[2 + i];
    head += digits;
    if (length < 0x80 || (digits > 1 && length >> 8 * (digits - 1) == 0)) return {};
  }
  if (from.size() - head < length) return {};
  const auto out = from.subspan(head, length);
  from = from.subspan(head + length);
  return out;
}

// The responseToken of a NegTokenResp; none when it has none. Errc::malformed when it is no NegTokenResp.
Result<View> response_token(View token) {
  const auto bad = [] { return error(Errc::malformed, "the token is no NegTokenResp"); };
  auto choice = element(token, 0xA1);
  if (!choice || !token.empty()) return bad();
  auto fields = element(*choice, 0x30);
  if (!fields || !choice->empty()) return bad();
  View out;
  for (std::uint8_t tag = 0xA0; tag <= 0xA3; ++tag) {  // negState, supportedMech, responseToken, mechListMIC: in this order, if at all
    auto field = element(*fields, tag);
    if (!field || tag != 0xA2) continue;
    const auto octets = element(*field, 0x04);
    if (!octets || !field->empty()) return bad();
    out = *octets;
  }
  if (!fields->empty()) return bad();
  return out;
}

Result<std::string> text_at(View message, std::uint16_t length, std::uint32_t offset) {
  if (offset > message.size() || length > message.size() - offset || length % 2 != 0)
    return error(Errc::malformed, "a name outside of the NTLM message");
  return to_utf8(Utf16{message.subspan(offset, length)});
}

Result<NtlmName> read_authenticate(View message) {
  struct Place {
    std::uint16_t length = 0;
    std::uint32_t offset = 0;
  } places[6];  // LmChallengeResponse, NtChallengeResponse, DomainName, UserName, Workstation, EncryptedRandomSessionKey
  Cursor cursor(message);
  cursor.skip(signature.size() + 4);
  for (auto& place : places) {
    place.length = cursor.scalar<std::uint16_t>();
    cursor.skip(2);  // MaxLen
    place.offset = cursor.scalar<std::uint32_t>();
  }
  const auto flags = cursor.scalar<std::uint32_t>();
  if (!cursor.ok()) return error(Errc::malformed, "the NTLM message is too short");
  if ((flags & negotiate_unicode) == 0) return error(Errc::malformed, "the NTLM message is not in Unicode");
  auto domain = text_at(message, places[2].length, places[2].offset);
  if (!domain) return domain.error();
  auto user = text_at(message, places[3].length, places[3].offset);
  if (!user) return user.error();
  return NtlmName{std::move(*user), std::move(*domain)};
}

// The NTLM message of this type in a token; empty: it is another.
Result<View> message_in(View token, std::uint32_t type) {
  if (token.empty()) return View();
  View message = token;
  if (token[0] == 0xA1) {
    auto inner = response_token(token);
    if (!inner) return inner.error();
    message = *inner;
  }
  Cursor cursor(message);
  const auto head = as_text(cursor.bytes(signature.size()));
  const auto found = cursor.scalar<std::uint32_t>();
  return cursor.ok() && head == signature && found == type ? message : View();
}

}  // namespace

Result<std::optional<bool>> challenges_in_unicode(View token) {
  auto message = message_in(token, challenge_message);
  if (!message) return message.error();
  if (message->empty()) return std::optional<bool>();
  Cursor cursor(*message);
  cursor.skip(signature.size() + 4 + 8);  // … TargetNameFields
  const auto flags = cursor.scalar<std::uint32_t>();
  if (!cursor.ok()) return error(Errc::malformed, "the NTLM challenge is too short");
  return std::optional<bool>((flags & negotiate_unicode) != 0);
}

Result<std::optional<NtlmName>> ntlm_name(View token) {
  auto message = message_in(token, authenticate_message);
  if (!message) return message.error();
  if (message->empty()) return std::optional<NtlmName>();
  auto name = read_authenticate(*message);
  if (!name) return name.error();
  return std::optional<NtlmName>(std::move(*name));
}

}  // namespace mapigate::transport
