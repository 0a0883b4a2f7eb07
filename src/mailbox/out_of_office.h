// What answers mail while its recipient is away.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "chain/module.h"
#include "wire/ews/oof.h"

namespace mapigate::mailbox {

using io::Task;

// One user's automatic replies. Lives on the user's executor.
class OutOfOffice {
 public:
  virtual ~OutOfOffice() = default;
  // As they were set; the defaults where they never were. A state that the backend does not keep up any more reads as
  // Disabled.
  virtual Task<Result<wire::ews::UserOofSettings>> get() = 0;
  // `addresses`: other addresses of the user, mail to which is answered as well. Errc::conflict: something else answers
  // the user's mail already; limit: larger than the backend takes. What is not ok has changed nothing.
  virtual Task<Status> set(wire::ews::UserOofSettings settings, std::vector<std::string> addresses) = 0;
};

// What a module that keeps automatic replies (modules/sieve) implements.
class OutOfOfficeFactory : public chain::Component {
 public:
  virtual std::shared_ptr<OutOfOffice> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) = 0;
  // Those of somebody else can be read on behalf of the server: opened with an identity without a password.
  virtual bool reads_for_others() const = 0;

  // What was last heard of somebody's replies, without asking; none: nothing yet, or it is not remembered.
  struct Heard {
    std::optional<wire::ews::UserOofSettings> settings;  // without texts; none: all who asked failed
    Clock::time_point when{};                            // somebody asked or set last, whatever came of it
  };
  virtual std::optional<Heard> last_heard(const std::string&) const { return {}; }
};

}  // namespace mapigate::mailbox
