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

// Implemented by the modules of a chain that answer the address book. What else reads the directory (Autodiscover,
// the offline address book, web services) asks here, and so sees what the user's clients see.
class AddressBooks {
 public:
  virtual ~AddressBooks() = default;
  // Null until a directory has been read. From any thread.
  virtual std::shared_ptr<const Snapshot> address_book(const std::string& user) = 0;
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
