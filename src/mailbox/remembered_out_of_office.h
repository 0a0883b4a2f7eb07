// Automatic replies with a memory: what was last heard of them, whoever asked, for answers that cannot wait for a server each time.
#pragma once

#include <map>
#include <mutex>

#include "mailbox/out_of_office.h"

namespace mapigate::mailbox {

// Hands on to another factory. From any thread; what it opens belongs to the user's executor.
class RememberedOutOfOffice final : public OutOfOfficeFactory {
 public:
  // `keeper` outlives this.
  explicit RememberedOutOfOffice(OutOfOfficeFactory& keeper) : keeper_(keeper), memory_(std::make_shared<Memory>()) {}

  std::shared_ptr<OutOfOffice> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) override;
  bool reads_for_others() const override { return keeper_.reads_for_others(); }
  std::optional<Heard> last_heard(const std::string& user) const override;

 private:
  class Replies;
  struct Memory {
    std::mutex mutex;
    std::map<std::string, Heard> users;
  };

  OutOfOfficeFactory& keeper_;
  std::shared_ptr<Memory> memory_;
};

}  // namespace mapigate::mailbox
