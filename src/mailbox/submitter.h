// What takes messages to their recipients.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "chain/module.h"
#include "convert/byte_source.h"

namespace mapigate::mailbox {

using io::Task;

struct Envelope {
  std::string id;    // of the submission, for reports
  std::string from;  // empty for reports
  std::vector<std::string> to;
  bool wants_delivery_report = false;
};

struct RecipientOutcome {
  enum class Kind : std::uint8_t { accepted, later, refused } kind = Kind::accepted;
  std::string address;
  std::string status;  // "5.1.1", where the server told one
  std::string text;    // what it said
};

// One user's way out. Lives on the user's executor.
class Submitter {
 public:
  virtual ~Submitter() = default;
  // One outcome for each recipient, in the order of `to`. An error means that nobody got it: retryable ones may pass.
  virtual Task<Result<std::vector<RecipientOutcome>>> submit(Envelope envelope, convert::ByteSource message) = 0;
};

// What a submitter module (modules/smtp) implements.
class SubmitterFactory : public chain::Component {
 public:
  virtual std::shared_ptr<Submitter> open(std::shared_ptr<const chain::Identity> identity, io::Executor executor) = 0;
};

}  // namespace mapigate::mailbox
