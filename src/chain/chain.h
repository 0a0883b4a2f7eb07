// The chain: the ordered modules that a user's Calls pass.
//
// Requests go down in the order of the links, replies come up in reverse through
// the modules that passed the request. A Call that no module asked to see is never
// decoded and reaches the last module as the same bytes.
//
// An Execute at the level of ROPs: a module sees each ROP it asked for, in order.
// What it answers or refuses is taken out of the buffer, and its response stands at
// its place in the one reply that the client gets. A module that asked for a
// `barrier`, or that changed the handle table, splits the buffer: the ROPs in
// front go down as an Execute of their own, and the handle table they leave is
// the one the rest begins with.
//
// A whole call that is refused gets an Execute reply with ErrorCode set and no
// ROPs ([MS-OXCMAPIHTTP] 2.2.4.2.2), which says that nothing of the buffer can be relied
// on; a single ROP that is refused gets its own ReturnValue.
#pragma once

#include <bitset>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "chain/module.h"

namespace mapigate::chain {

// One module of a chain. The module outlives the chain.
struct Link {
  Module* module = nullptr;
  std::string name;  // of the instance
  OnError on_error = OnError::closed;
  std::chrono::milliseconds budget{0};  // of one hook; 0: not supervised
};

class Chain {
 public:
  // May throw what Module::interests() throws.
  Chain(std::string name, std::vector<Link> links, Metrics& metrics);
  ~Chain();
  Chain(const Chain&) = delete;

  const std::string& name() const { return name_; }
  std::size_t size() const { return stages_.size(); }

  // On the session's executor, one at a time within a session but for
  // NotificationWait. `call` has to live until the task ends.
  // Errc::unsupported when no module answered; what a module failed with is a reply already.
  Task<Result<Reply>> run(Call& call);
  // Tells every module; to be called once, after the session's last Call has ended.
  Task<> end_session(Session& session);

 private:
  friend class RopLevel;
  friend class AheadOf;

  // A link with what is known of it beforehand.
  struct Stage {
    Link link;
    std::bitset<32> calls;         // by Operation
    std::bitset<256> rops;         // by RopId
    std::bitset<256> rop_replies;  // by RopId
    bool opaque = false;
    bool barrier = false;
    bool owns_handles = false;
    Counter* seen = nullptr;
    Counter* verdicts[3] = {};     // by Verdict
    Counter* errors = nullptr;
    Latency* latency = nullptr;

    bool wants_rops() const { return opaque || owns_handles || rops.any() || rop_replies.any(); }
    bool sees(Operation operation) const {
      return calls.test(static_cast<std::size_t>(operation)) || (operation == Operation::Execute && wants_rops());
    }
  };

  // What became of a hook. A failed one has the verdict that its on_error stands for.
  struct Outcome {
    Verdict verdict = Verdict::relay;
    bool failed = false;
  };

  // Runs a hook under the stage's supervision.
  Task<Outcome> supervise(std::size_t stage, std::function<Task<Verdict>()> hook);
  static Task<Verdict> as_verdict(Task<> hook);
  Outcome failed(std::size_t stage, std::exception_ptr escaped);

  // Gives `call` a reply by the stages from `first` on; answer() is for a Call that starts
  // there, descend() for one that goes on.
  Task<Status> answer(Call* call, std::size_t first);
  Task<Status> descend(Call* call, std::size_t first);
  Task<Status> pass_stage(Call* call, std::size_t stage);

  std::string name_;
  std::vector<Stage> stages_;
  bool tracks_state_ = false;  // some stage decodes Executes
};

}  // namespace mapigate::chain
