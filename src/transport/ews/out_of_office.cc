// GetUserOofSettings and SetUserOofSettings ([MS-OXWOOF] 3.1.4).
#include "base/log.h"
#include "transport/ews/operation.h"

namespace mapigate::transport::ews {

namespace {

using namespace wire::ews;

std::int64_t this_hour() { return to_unix(now()) / 3600 * 3600; }

io::Task<Status> get_settings(Call* call) {
  auto response = call->body.append_child("m:GetUserOofSettingsResponse");
  auto message = response.append_child("m:ResponseMessage");
  if (!call->is_own(mailbox_of(call->content()))) {
    write_response_message(message, "ErrorAccessDenied", "These settings are somebody else's.");
    co_return Status();
  }
  auto* factory = call->out_of_office();
  UserOofSettings settings;
  if (factory != nullptr) {
    auto replies = factory->open(call->identity, call->gateway.executor_of(call->user()));
    auto known = co_await replies->get();
    if (!known) {
      log::warning("out-of-office settings of {}: {}", call->user(), known.error().message);
      write_response_message(message, code_of(known.error()), "The settings cannot be read now.");
      co_return Status();
    }
    settings = std::move(*known);
  }
  // What Outlook proposes when nothing was ever told.
  if (settings.EndTime == 0) {
    settings.StartTime = this_hour();
    settings.EndTime = settings.StartTime + 86400;
  }
  write_response_message(message, "NoError");
  write_oof_settings(response.append_child("t:OofSettings"), settings);
  add(response, "m:AllowExternalOof", factory == nullptr ? "None" : "All");
  co_return Status();
}

io::Task<Status> set_settings(Call* call) {
  auto message = call->body.append_child("m:SetUserOofSettingsResponse").append_child("m:ResponseMessage");
  if (!call->is_own(mailbox_of(call->content()))) {
    write_response_message(message, "ErrorAccessDenied", "These settings are somebody else's.");
    co_return Status();
  }
  auto settings = read_oof_settings(child(call->content(), "UserOofSettings"));
  if (!settings) {
    const bool duration = settings.error().message == "Duration";
    write_response_message(message, duration ? "ErrorInvalidScheduledOofDuration" : "ErrorInvalidUserOofSettings",
                           duration ? "The absence does not end after its start." : "The settings are not complete.");
    co_return Status();
  }
  auto* factory = call->out_of_office();
  if (factory == nullptr) {
    write_response_message(message, "ErrorInvalidOperation", "This server keeps no automatic replies.");
    co_return Status();
  }
  auto replies = factory->open(call->identity, call->gateway.executor_of(call->user()));
  const auto state = settings->State;
  auto addresses = call->route.services->other_addresses(call->user());
  auto done = co_await replies->set(std::move(*settings), std::move(addresses));
  if (done) {
    log::info("{} sets automatic replies: {}", call->user(), to_string(state));
    write_response_message(message, "NoError");
    co_return Status();
  }
  log::warning("automatic replies of {}: {}", call->user(), done.error().message);
  const bool mendable = done.error().code == Errc::conflict || done.error().code == Errc::limit;
  write_response_message(message, mendable ? "ErrorInvalidUserOofSettings" : code_of(done.error()), done.error().message);
  co_return Status();
}

constexpr Operation operations[] = {{"GetUserOofSettingsRequest", get_settings}, {"SetUserOofSettingsRequest", set_settings}};

}  // namespace

std::span<const Operation> out_of_office_operations() { return operations; }

}  // namespace mapigate::transport::ews
