#include "mailbox/store_out_of_office.h"

#include <algorithm>

#include "base/log.h"
#include "mailbox/store_overlay.h"
#include "mailbox/user_services.h"
#include "mapi/properties.h"

namespace mapigate::mailbox {

namespace {

constexpr auto patience = std::chrono::seconds(5);
// Clients log on several times in a row (row M6), and wait for it.
constexpr auto logon_patience = std::chrono::seconds(2), good_for = std::chrono::seconds(60);

// A guest's session does nothing with the owner's password, should the owner be logged on, too.
std::shared_ptr<const chain::Identity> identity_for(const Mailbox& mailbox, bool guest) {
  if (!guest) return mailbox.login();
  return std::make_shared<const chain::Identity>(chain::Identity{mailbox.login()->user, {}});
}

std::shared_ptr<OutOfOffice> replies_of(Mailbox& mailbox, bool guest) {
  auto* services = mailbox.context().services;
  auto* factory = services ? services->out_of_office() : nullptr;
  return factory ? factory->open(identity_for(mailbox, guest), mailbox.executor()) : nullptr;
}

}  // namespace

bool names_out_of_office(std::span<const mapi::PropertyTag> tags) {
  return std::any_of(tags.begin(), tags.end(), [](auto tag) { return tag.id() == mapi::PidTagOutOfOfficeState.id(); });
}

Task<std::shared_ptr<const PropertySource>> with_out_of_office(Mailbox* mailbox, bool guest, std::shared_ptr<const PropertySource> store) {
  const auto replies = replies_of(*mailbox, guest);
  if (!replies) co_return store;
  auto asked = replies->get();
  auto settings = co_await io::with_deadline(patience, std::move(asked));
  mapi::PropertyBag over;
  std::vector<mapi::PropertyTag> hidden;
  if (settings) {
    over.set_boolean(mapi::PidTagOutOfOfficeState, wire::ews::is_away(*settings, to_unix(now())));
  } else {
    log::warning("out-of-office state of {}: {}", mailbox->login()->user, settings.error().message);
    hidden.push_back(mapi::PidTagOutOfOfficeState);
  }
  co_return std::make_shared<StoreOverlay>(std::move(store), std::move(over), std::move(hidden));
}

Task<bool> is_out_of_office(Mailbox* mailbox, bool guest) {
  const auto set = mailbox->folder_extras(store_object);
  bool away = set && set->number(mapi::PidTagOutOfOfficeState) != 0;
  auto* services = mailbox->context().services;
  auto* factory = services ? services->out_of_office() : nullptr;
  if (factory == nullptr) co_return away;
  const auto user = mailbox->login()->user;
  const auto seconds = to_unix(now());
  auto heard = factory->last_heard(user);
  if (heard && heard->settings) away = wire::ews::is_away(*heard->settings, seconds);
  if (heard && Clock::now() - heard->when < good_for) co_return away;
  // Who came by a ticket or by NTLM left nothing to log in with.
  const auto identity = identity_for(*mailbox, guest);
  if (identity->password.empty() && !factory->reads_for_others()) co_return away;
  const auto replies = factory->open(identity, mailbox->executor());
  auto asked = replies->get();
  auto settings = co_await io::with_deadline(logon_patience, std::move(asked));
  if (settings) away = wire::ews::is_away(*settings, seconds);
  else log::warning("out-of-office state of {}: {}", user, settings.error().message);
  co_return away;
}

Task<mapi::ErrorCode> set_out_of_office(Mailbox* mailbox, bool guest, bool away) {
  const auto replies = replies_of(*mailbox, guest);
  if (!replies) co_return mapi::ecNotSupported;
  auto asked = replies->get();
  auto settings = co_await io::with_deadline(patience, std::move(asked));
  if (!settings) co_return mapi::to_error_code(settings.error());
  if (wire::ews::is_away(*settings, to_unix(now())) == away) co_return mapi::ecNone;
  settings->State = away ? wire::ews::OofState::Enabled : wire::ews::OofState::Disabled;
  auto addresses = mailbox->context().services->other_addresses(mailbox->login()->user);
  auto set = replies->set(std::move(*settings), std::move(addresses));
  auto done = co_await std::move(set);
  if (!done) log::warning("automatic replies of {}: {}", mailbox->login()->user, done.error().message);
  co_return done ? mapi::ecNone : mapi::to_error_code(done.error());
}

}  // namespace mapigate::mailbox
