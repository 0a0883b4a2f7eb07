// What brings a directory: modules/directory out of a file, modules/ldap out of LDAP.
#pragma once

#include "chain/module.h"
#include "directory/snapshot.h"

namespace mapigate::directory {

class Source : public chain::Component {
 public:
  // The directory as it is now; null until the source has read one. From any thread.
  virtual std::shared_ptr<const Snapshot> snapshot() = 0;
};

// The newest snapshot, for a source that makes them on one thread and hands them out on all.
class Current {
 public:
  std::shared_ptr<const Snapshot> get() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }
  void set(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace mapigate::directory
