// What brings a directory: modules/directory out of a file, modules/ldap out of LDAP.
#pragma once

#include "chain/module.h"
#include "directory/snapshot.h"

namespace mapigate::directory {

// A change that a client asks for, in the names of entries: "phone", "certificates", "members", "delegates".
struct Change {
  enum class How { replace, add, remove } how = How::replace;
  std::string attribute;
  std::vector<std::string> values;  // text in UTF-8, bytes, or what the source calls other entries (known_as)
};

class Source : public chain::Component {
 public:
  // The directory as it is now; null until the source has read one. From any thread.
  virtual std::shared_ptr<const Snapshot> snapshot() = 0;
  // Changes an entry where it comes from; who may is settled. Errc::denied: not this attribute, or not at all. Blocks:
  // belongs on a worker. The next snapshots show it.
  virtual Status change(const Entry& entry, const std::vector<Change>& changes) {
    (void)entry, (void)changes;
    return error(Errc::denied, "this directory cannot be changed");
  }
};

// Implemented by the modules of a chain that answer the address book. What else reads the directory (Autodiscover,
// the offline address book, web services) asks here, and so sees what the user's clients see.
class AddressBooks {
 public:
  virtual ~AddressBooks() = default;
  // Null until a directory has been read. From any thread.
  virtual std::shared_ptr<const Snapshot> address_book(const std::string& user) = 0;
  // The module of the config behind it, which all users share; empty where each finds only the own entry.
  virtual std::string directory_name() const = 0;
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
