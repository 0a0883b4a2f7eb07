// Out-of-office settings ([MS-OXWOOF] 2.2.4, 3.1.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace pugi {
class xml_node;
}

namespace mapigate::wire::ews {

enum class OofState : std::uint8_t { Disabled, Enabled, Scheduled };
enum class ExternalAudience : std::uint8_t { None, Known, All };
std::string_view to_string(OofState state);
std::string_view to_string(ExternalAudience audience);
std::optional<OofState> oof_state(std::string_view text);
std::optional<ExternalAudience> external_audience(std::string_view text);

struct ReplyBody {
  std::string Message;  // as the client wrote it, HTML as a rule
  std::string lang;
  bool operator==(const ReplyBody&) const = default;
};

struct UserOofSettings {
  OofState State = OofState::Disabled;
  ExternalAudience Audience = ExternalAudience::None;
  std::int64_t StartTime = 0, EndTime = 0;  // seconds since 1970; both 0: never told
  ReplyBody InternalReply, ExternalReply;
  bool operator==(const UserOofSettings&) const = default;
};

// Whether mail is answered at that moment (seconds since 1970).
bool is_away(const UserOofSettings& settings, std::int64_t when);

// The address within Mailbox of either request.
std::string mailbox_of(const pugi::xml_node& request);

// Errc::malformed names what is wrong: state, audience, or the duration of Scheduled.
Result<UserOofSettings> read_oof_settings(const pugi::xml_node& settings);
// As children; with every element, because Outlook takes a missing one for an error (row A5).
void write_oof_settings(pugi::xml_node settings, const UserOofSettings& value);

}  // namespace mapigate::wire::ews
