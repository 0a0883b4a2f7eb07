// One Execute at one module, ROP by ROP. Internal to src/chain; see chain.h for the rules.
#pragma once

#include "chain/chain.h"
#include "chain/handle_map.h"

namespace mapigate::chain {

class RopLevel {
 public:
  RopLevel(Chain& chain, Call& call, std::size_t stage, Ahead& ahead);
  RopLevel(const RopLevel&) = delete;

  // Gives the call its reply.
  Task<Status> run();

 private:
  using Request = wire::RopRequest;
  using Response = wire::RopResponse;

  // A request that was walked and not executed yet, or the answer to one that never will be.
  struct Entry {
    Request* request = nullptr;
    bool local = false;
    bool answered = false;  // local: there is a response
    Response response;
  };
  // The handle table as the module sees it.
  struct Seen {
    std::vector<std::uint32_t> handles;
    std::vector<std::uint8_t> own;
  };

  Task<Status> walk();
  Task<Status> visit(Request* request);
  Task<Status> ask(Request* request, bool own);
  // Executes the entries below and takes over what comes back.
  Task<Status> flush(bool last);
  Task<Status> take_changes(const Seen* before, const Seen* after);
  Task<Status> reply_phase();

  bool mapped() const { return map_ != nullptr; }
  void forget_entries();
  bool acts_on_own(const Request& request) const;
  Seen seen() const;
  std::vector<std::uint32_t> table_below() const;
  Response head_of(const Request& request) const;
  void complete(const Request& request, Response& response);
  void relay(Request* request);
  void refuse(Request* request, mapi::ErrorCode code);
  void answer_locally(Request* request, const Response& response);
  void merge(Call& part, bool last);
  void take_table(const std::vector<std::uint32_t>& below, const std::vector<bool>& outputs, bool all);
  bool translate_notification(Response& response);
  void too_small(Response response, std::size_t next, const std::vector<std::size_t>& relayed);
  void push(const Entry& entry);
  void fail_like(Call& part);
  void fail(mapi::ErrorCode code);
  void finish(const Call* like);

  Chain& chain_;
  Chain::Stage& stage_;
  Call& call_;
  std::size_t index_;
  Ahead& ahead_;
  HandleMap* map_ = nullptr;
  wire::RopRequestBuffer* requests_ = nullptr;
  std::uint32_t flags_ = 0;
  std::uint32_t room_ = 0;  // what is left of MaxRopOut

  std::vector<std::uint32_t> table_;       // in the numbers of this level
  std::vector<Entry> entries_;             // since the last flush
  std::vector<std::uint32_t> released_;    // numbers of this level that entries_ release
  std::bitset<256> uses_;                  // handle indices that entries_ to be executed below name,
  std::bitset<256> opens_;                 // and those that they fill
  std::size_t pending_ = 0;                // entries to be executed below
  std::size_t outputs_ = 0;                // handles that they may bring
  bool split_ = false;                     // the call cannot go down as it came
  bool done_ = false;                      // the reply is there: walk no further
  std::size_t parts_ = 0;                  // Executes sent down instead of the call
  Call* last_part_ = nullptr;
  wire::RopResponseBuffer out_;
  std::vector<bool> local_;                // parallel to out_.rops
};

}  // namespace mapigate::chain
