// Properties that somebody else tells, over those that a store or a message has by itself.
#pragma once

#include <algorithm>

#include "mailbox/property_source.h"

namespace mapigate::mailbox {

class StoreOverlay final : public PropertySource {
 public:
  // `hidden`: what the store must not show, because nobody knows better.
  StoreOverlay(std::shared_ptr<const PropertySource> store, mapi::PropertyBag over, std::vector<mapi::PropertyTag> hidden = {})
      : store_(std::move(store)), over_(std::move(over)), hidden_(std::move(hidden)) {}

  std::optional<mapi::Value> get(mapi::PropertyTag tag, Arena& arena) const override {
    if (is_hidden(tag)) return {};
    if (auto value = find_in(over_, tag)) return value;
    return store_->get(tag, arena);
  }
  std::vector<mapi::PropertyTag> list() const override {
    auto tags = store_->list();
    std::erase_if(tags, [&](auto tag) { return is_hidden(tag); });
    for (const auto& value : over_)
      if (std::none_of(tags.begin(), tags.end(), [&](auto tag) { return tag.id() == value.tag.id(); })) tags.push_back(value.tag);
    return tags;
  }

 private:
  bool is_hidden(mapi::PropertyTag tag) const {
    return std::any_of(hidden_.begin(), hidden_.end(), [&](auto one) { return one.id() == tag.id(); });
  }
  std::shared_ptr<const PropertySource> store_;
  mapi::PropertyBag over_;
  std::vector<mapi::PropertyTag> hidden_;
};

}  // namespace mapigate::mailbox
