// What the modules of a chain offer its users beside mailbox and address book.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "mailbox/free_busy.h"
#include "mailbox/inbox_rules.h"
#include "mailbox/out_of_office.h"

namespace mapigate::mailbox {

// Somebody whom the directory knows.
struct KnownPerson {
  std::string name, address;
  Bytes entry_id;  // permanent
};

// Implemented by a module of the chain beside its other interfaces (modules/mailbox). From any thread.
class UserServices {
 public:
  virtual ~UserServices() = default;
  virtual OutOfOfficeFactory* out_of_office() = 0;  // null: nobody keeps automatic replies
  virtual FreeBusySource* free_busy() = 0;          // null: nobody knows when people are busy
  // Those besides the own one at which a user gets mail, as the directory knows them.
  virtual std::vector<std::string> other_addresses(const std::string& user) = 0;
  // What the directory calls a user; the address where it does not know one.
  virtual std::string display_name(const std::string& user) { return user; }
  // Who has this address, as the directory of `user` knows it; nullopt when nobody or when it was not read yet. Nothing is waited for.
  virtual std::optional<KnownPerson> who_has(const std::string& user, const std::string& address) {
    (void)user, (void)address;
    return std::nullopt;
  }
  // In whose name `user` (an address) sends as `author`, an address or a distinguished name: the own entry, or one that the directory
  // lets `user` send on behalf of. Errc::denied: nobody's; retryable errors: the directory cannot tell now.
  virtual Result<KnownPerson> author(const std::string& user, const std::string& author) {
    (void)user, (void)author;
    return error(Errc::denied, "there is no directory that says who sends on behalf of whom");
  }
  // Whether the directory lets `user` open the mailbox of `owner` (addresses), and whether that works without the owner's
  // password.
  virtual bool may_open(const std::string& user, const std::string& owner) {
    (void)user, (void)owner;
    return false;
  }
  // The largest message that users may send, in bytes; zero: nobody says.
  virtual std::uint64_t max_submit_size() const { return 0; }
  // Of the user's own mailbox, on the executor of the user's sessions.
  virtual Task<Result<InboxRules>> inbox_rules(std::shared_ptr<const chain::Identity> user, io::Executor executor) {
    (void)user, (void)executor;
    co_return InboxRules();
  }
};

}  // namespace mapigate::mailbox
