// One Lua state with its limits, and scripts' functions run as coroutines in it.
// Internal to src/chain.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "chain/lua_node.h"
#include "wire/rop/rop.h"

struct lua_State;
struct lua_Debug;

namespace mapigate::chain {

struct LuaOptions {
  std::string script;                  // file name
  std::string name;                    // of the instance, for log and metrics
  std::size_t memory = 0;              // bytes
  std::int64_t instructions = 0;       // of one hook
  std::vector<std::string> arguments;  // mapigate.arguments
};

// Safe for use by several threads: they take turns.
class LuaState {
 public:
  enum class Hook { call, call_reply, rop, rop_reply, opaque };

  // Runs the script, which registers its hooks. Throws std::runtime_error with Lua's message.
  LuaState(LuaOptions options, Metrics& metrics);
  ~LuaState();
  LuaState(const LuaState&) = delete;

  // 0: none. `which` is an operation or a RopId.
  int function(Hook hook, std::size_t which) const { return functions_[static_cast<std::size_t>(hook)][which]; }
  bool barrier() const { return barrier_; }

  // A running function of the script.
  class Run {
   public:
    // `arguments` become the function's; the first, the call, gets the method ahead.
    Run(LuaState& state, int function, const std::vector<Node>& arguments);
    ~Run();
    Run(const Run&) = delete;

    // Goes on until the function ends or works ahead; throws std::runtime_error on an error,
    // memory and instructions included. Empty: the function has ended.
    std::optional<Node> resume(const std::vector<Node>& values);
    const std::vector<Node>& results() const { return results_; }
    // An argument as the function left it.
    Node argument(std::size_t i);

   private:
    struct Start;
    void release();
    LuaState& state_;
    lua_State* thread_ = nullptr;
    int thread_ref_;
    std::vector<int> argument_refs_;
    bool started_ = false;
    std::size_t given_ = 0;
    std::int64_t instructions_;
    std::vector<Node> results_;
  };

 private:
  struct Api;
  friend struct Api;
  bool add(const char* name, std::uint64_t n) noexcept;
  void guarded(int (*function)(lua_State*), void* data);

  LuaOptions options_;
  Metrics& metrics_;
  std::mutex mutex_;
  lua_State* lua_ = nullptr;
  std::size_t used_ = 0;
  std::int64_t instructions_left_ = 0;
  bool loading_ = true;
  bool barrier_ = false;
  std::array<std::array<int, 256>, 5> functions_{};
  std::array<Counter*, 256> counters_{};
  std::vector<std::string> counter_names_;
  std::unique_ptr<Node> kept_;  // what a C function made for Lua, while Lua may still leave it
};

}  // namespace mapigate::chain
