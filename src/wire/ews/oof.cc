#include "wire/ews/oof.h"

#include "base/text.h"
#include "wire/ews/xml.h"

namespace mapigate::wire::ews {

std::string_view to_string(OofState state) {
  return state == OofState::Enabled ? "Enabled" : state == OofState::Scheduled ? "Scheduled" : "Disabled";
}
std::string_view to_string(ExternalAudience audience) {
  return audience == ExternalAudience::All ? "All" : audience == ExternalAudience::Known ? "Known" : "None";
}

std::optional<OofState> oof_state(std::string_view text) {
  for (const auto one : {OofState::Disabled, OofState::Enabled, OofState::Scheduled})
    if (text == to_string(one)) return one;
  return {};
}
std::optional<ExternalAudience> external_audience(std::string_view text) {
  for (const auto one : {ExternalAudience::None, ExternalAudience::Known, ExternalAudience::All})
    if (text == to_string(one)) return one;
  return {};
}

bool is_away(const UserOofSettings& settings, std::int64_t when) {
  return settings.State == OofState::Enabled ||
         (settings.State == OofState::Scheduled && settings.StartTime <= when && when < settings.EndTime);
}

std::string mailbox_of(const pugi::xml_node& request) { return lower_ascii(text(child(request, "Mailbox"), "Address")); }

namespace {
ReplyBody read_reply(const pugi::xml_node& node) {
  return {child(node, "Message").text().get(), node.attribute("xml:lang").value()};
}
void write_reply(pugi::xml_node parent, const char* name, const ReplyBody& reply) {
  auto node = parent.append_child(name);
  if (!reply.lang.empty()) node.append_attribute("xml:lang") = clean(reply.lang).c_str();
  add(node, "t:Message", reply.Message);
}
}  // namespace

Result<UserOofSettings> read_oof_settings(const pugi::xml_node& settings) {
  UserOofSettings out;
  const auto state = oof_state(text(settings, "OofState"));
  if (!state) return error(Errc::malformed, "OofState");
  out.State = *state;
  const auto audience = external_audience(text(settings, "ExternalAudience"));
  if (!audience) return error(Errc::malformed, "ExternalAudience");
  out.Audience = *audience;
  if (const auto duration = child(settings, "Duration")) {
    // Without a zone they are UTC.
    const auto start = parse_date_time(text(duration, "StartTime")), end = parse_date_time(text(duration, "EndTime"));
    if (!start || !end) return error(Errc::malformed, "Duration");
    out.StartTime = start->seconds;
    out.EndTime = end->seconds;
  }
  if (out.State == OofState::Scheduled && out.EndTime <= out.StartTime) return error(Errc::malformed, "Duration");
  out.InternalReply = read_reply(child(settings, "InternalReply"));
  out.ExternalReply = read_reply(child(settings, "ExternalReply"));
  return out;
}

void write_oof_settings(pugi::xml_node settings, const UserOofSettings& value) {
  add(settings, "t:OofState", to_string(value.State));
  add(settings, "t:ExternalAudience", to_string(value.Audience));
  auto duration = settings.append_child("t:Duration");
  add(duration, "t:StartTime", format_utc(value.StartTime));
  add(duration, "t:EndTime", format_utc(value.EndTime));
  write_reply(settings, "t:InternalReply", value.InternalReply);
  write_reply(settings, "t:ExternalReply", value.ExternalReply);
}

}  // namespace mapigate::wire::ews
