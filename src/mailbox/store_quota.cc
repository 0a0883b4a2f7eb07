#include "mailbox/store_quota.h"

#include <algorithm>

#include "base/log.h"
#include "mailbox/object_properties.h"
#include "mailbox/store_overlay.h"

namespace mapigate::mailbox {

namespace {

constexpr auto patience = std::chrono::seconds(5);

constexpr mapi::PropertyTag quota_tags[] = {PidTagStorageQuotaLimit, mapi::PidTagProhibitSendQuota, mapi::PidTagProhibitReceiveQuota,
                                            mapi::PidTagMessageSize, mapi::PidTagMessageSizeExtended};

std::int32_t kilobytes(std::uint64_t bytes) { return static_cast<std::int32_t>(std::min<std::uint64_t>(bytes / 1024, INT32_MAX)); }

}  // namespace

bool names_quota(std::span<const mapi::PropertyTag> tags) {
  return std::any_of(tags.begin(), tags.end(), [](auto tag) {
    return std::any_of(std::begin(quota_tags), std::end(quota_tags), [&](auto one) { return one.id() == tag.id(); });
  });
}

Task<std::optional<Quota>> Mailbox::quota() {
  if (Clock::now() < ask_quota_after_) co_return quota_;
  const auto factories = context_.factories();
  if (factories.empty()) co_return std::nullopt;
  auto found = provider(factories.front().name);
  if (!found) co_return std::nullopt;
  auto keep = providers_[factories.front().name];
  auto asking = keep->quota();
  auto told = co_await io::with_deadline(patience, std::move(asking));
  if (!told && told.error().code != Errc::unsupported) log::info("quota of {}: {}", login_->user, told.error().message);
  quota_ = told ? std::optional(*told) : std::nullopt;
  ask_quota_after_ = Clock::now() + context_.options.refresh_interval;
  co_return quota_;
}

Task<std::shared_ptr<const PropertySource>> with_quota(Mailbox* mailbox, std::shared_ptr<const PropertySource> store) {
  const auto quota = co_await mailbox->quota();
  if (!quota) co_return store;
  mapi::PropertyBag over;
  for (const auto tag : {PidTagStorageQuotaLimit, mapi::PidTagProhibitSendQuota, mapi::PidTagProhibitReceiveQuota})
    over.set_integer(tag, kilobytes(quota->limit));
  over.set_integer(mapi::PidTagMessageSize, static_cast<std::int32_t>(std::min<std::uint64_t>(quota->used, INT32_MAX)));
  over.set(mapi::PidTagMessageSizeExtended, mapi::Value::integer64(static_cast<std::int64_t>(quota->used)));
  co_return std::make_shared<StoreOverlay>(std::move(store), std::move(over));
}

}  // namespace mapigate::mailbox
