#include "chain/lua_state.h"

#include <cstdlib>
#include <lua.hpp>
#include <stdexcept>

#include "base/log.h"
#include "chain/call.h"
#include "chain/lua_blobs.h"

namespace mapigate::chain {

namespace {

// How many instructions pass between two looks at the budget.
constexpr int look_every = 1000;

std::string message_at_top(lua_State* lua) {
  const char* text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "an error that is no string";
  return text;
}

}  // namespace

// What Lua calls. A function here may be left by longjmp wherever it calls Lua: it has
// no object with a destructor alive then. And no C++ exception may leave it.
struct LuaState::Api {
  static LuaState& self(lua_State* lua) { return **static_cast<LuaState**>(lua_getextraspace(lua)); }

  static void* allocate(void* owner, void* block, std::size_t old_size, std::size_t size) {
    auto& state = *static_cast<LuaState*>(owner);
    const auto before = block == nullptr ? 0 : old_size;
    if (size == 0) {
      std::free(block);
      state.used_ -= before;
      return nullptr;
    }
    if (size > before && state.used_ - before + size > state.options_.memory) return nullptr;
    void* out = std::realloc(block, size);
    if (out != nullptr) state.used_ = state.used_ - before + size;
    return out;
  }

  static void count(lua_State* lua, lua_Debug*) {
    auto& left = self(lua).instructions_left_;
    left -= look_every;
    if (left > 0) return;
    // From now on at every instruction, so that no pcall around it can go on.
    lua_sethook(lua, count, LUA_MASKCOUNT, 1);
    luaL_error(lua, "used up its instructions");
  }

  // mapigate.on("RopOpenFolder", function(call, rop) … end), on_reply, on_call, on_call_reply
  static int on(lua_State* lua) {
    const auto hook = static_cast<Hook>(lua_tointeger(lua, lua_upvalueindex(1)));
    auto& state = self(lua);
    const char* name = luaL_checkstring(lua, 1);
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    if (!state.loading_) return luaL_error(lua, "hooks are registered while the script is loaded");
    std::size_t which = 0;
    if (hook == Hook::call || hook == Hook::call_reply) {
      const auto operation = operation_from_string(name);
      if (!operation) return luaL_error(lua, "no operation \"%s\"", name);
      which = static_cast<std::size_t>(*operation);
    } else {
      const auto* codec = wire::find_rop(std::string_view(name));
      if (codec == nullptr) return luaL_error(lua, "no ROP \"%s\"", name);
      if (hook == Hook::rop && codec->read_request == nullptr) return luaL_error(lua, "only servers send %s", name);
      which = static_cast<std::size_t>(codec->id);
    }
    auto& place = state.functions_[static_cast<std::size_t>(hook)][which];
    if (place != 0) return luaL_error(lua, "%s has a hook already", name);
    lua_settop(lua, 2);
    place = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
  }

  static int on_opaque(lua_State* lua) {
    auto& state = self(lua);
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    if (!state.loading_) return luaL_error(lua, "hooks are registered while the script is loaded");
    lua_settop(lua, 1);
    state.functions_[static_cast<std::size_t>(Hook::opaque)][0] = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
  }

  static int barrier(lua_State* lua) {
    if (!self(lua).loading_) return luaL_error(lua, "a barrier is asked for while the script is loaded");
    self(lua).barrier_ = true;
    return 0;
  }

  static int write_log(lua_State* lua) {
    auto& state = self(lua);
    const char* text = luaL_tolstring(lua, 1, nullptr);
    try {
      log::info("{}: {}", state.options_.name, text);
    } catch (...) {
    }
    return 0;
  }

  static int count_metric(lua_State* lua) {
    auto& state = self(lua);
    std::size_t size = 0;
    const char* name = luaL_checklstring(lua, 1, &size);
    const auto n = luaL_optinteger(lua, 2, 1);
    luaL_argcheck(lua, size > 0 && size <= 64, 1, "1 to 64 characters");
    for (std::size_t i = 0; i < size; ++i) {
      const char c = name[i];
      const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
      luaL_argcheck(lua, good, 1, "letters, digits, '_', '-' and '.' only");
    }
    luaL_argcheck(lua, n >= 0, 2, "counters never go down");
    if (!state.add(name, static_cast<std::uint64_t>(n))) return luaL_error(lua, "more than 256 counters");
    return 0;
  }

  static int decode(lua_State* lua) { return decode_blob(lua, self(lua).kept_); }
  static int encode(lua_State* lua) { return encode_blob(lua, self(lua).kept_); }

  static int ahead(lua_State* lua) {
    luaL_checktype(lua, 2, LUA_TTABLE);
    if (self(lua).loading_ || lua_isyieldable(lua) == 0) return luaL_error(lua, "ahead works within a hook only");
    lua_settop(lua, 2);
    return lua_yield(lua, 1);
  }

  // Finalizers run where no hook counts their instructions: scripts get none.
  static int set_metatable(lua_State* lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (!lua_isnoneornil(lua, 2)) {
      luaL_checktype(lua, 2, LUA_TTABLE);
      lua_pushliteral(lua, "__gc");
      if (lua_rawget(lua, 2) != LUA_TNIL) return luaL_error(lua, "__gc is not available");
      lua_pop(lua, 1);
    }
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL) return luaL_error(lua, "the metatable is protected");
    lua_settop(lua, 2);
    lua_setmetatable(lua, 1);
    return 1;
  }

  static int open(lua_State* lua) {
    auto& state = *static_cast<LuaState*>(lua_touserdata(lua, 1));
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 1);
    luaL_requiref(lua, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 1);
    luaL_requiref(lua, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    for (const char* name : {"dofile", "loadfile", "load", "require", "collectgarbage", "warn"}) {
      lua_pushnil(lua);
      lua_setglobal(lua, name);
    }
    lua_getglobal(lua, LUA_STRLIBNAME);
    lua_pushnil(lua);
    lua_setfield(lua, -2, "dump");
    lua_pushcfunction(lua, set_metatable);
    lua_setglobal(lua, "setmetatable");
    lua_pushcfunction(lua, write_log);
    lua_setglobal(lua, "print");

    lua_newtable(lua);
    static constexpr struct {
      const char* name;
      Hook hook;
    } hooks[] = {{"on", Hook::rop}, {"on_reply", Hook::rop_reply}, {"on_call", Hook::call}, {"on_call_reply", Hook::call_reply}};
    for (const auto& [name, hook] : hooks) {
      lua_pushinteger(lua, static_cast<lua_Integer>(hook));
      lua_pushcclosure(lua, on, 1);
      lua_setfield(lua, -2, name);
    }
    static constexpr luaL_Reg rest[] = {{"on_opaque", on_opaque}, {"barrier", barrier}, {"log", write_log}, {"count", count_metric},
                                        {"decode", decode}, {"encode", encode}, {nullptr, nullptr}};
    luaL_setfuncs(lua, rest, 0);
    lua_newtable(lua);
    for (std::size_t i = 0; i < state.options_.arguments.size(); ++i) {
      lua_pushlstring(lua, state.options_.arguments[i].data(), state.options_.arguments[i].size());
      lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
    }
    lua_setfield(lua, -2, "arguments");
    lua_setglobal(lua, "mapigate");

    // "t": text only; precompiled code can break out of the virtual machine.
    if (luaL_loadfilex(lua, state.options_.script.c_str(), "t") != LUA_OK) return lua_error(lua);
    lua_sethook(lua, count, LUA_MASKCOUNT, look_every);
    lua_call(lua, 0, 0);
    lua_sethook(lua, nullptr, 0, 0);
    return 0;
  }
};

LuaState::LuaState(LuaOptions options, Metrics& metrics) : options_(std::move(options)), metrics_(metrics) {
  lua_ = lua_newstate(&Api::allocate, this);
  if (lua_ == nullptr) throw std::runtime_error("Lua: not enough memory for an empty state");
  *static_cast<LuaState**>(lua_getextraspace(lua_)) = this;
  instructions_left_ = options_.instructions;
  try {
    guarded(&Api::open, this);
  } catch (...) {
    lua_close(lua_);
    throw;
  }
  loading_ = false;
}

LuaState::~LuaState() { lua_close(lua_); }

// Calls `function` with `data` where Lua may raise errors; throws them.
void LuaState::guarded(int (*function)(lua_State*), void* data) {
  lua_pushcfunction(lua_, function);
  lua_pushlightuserdata(lua_, data);
  if (lua_pcall(lua_, 1, 0, 0) == LUA_OK) return;
  const auto why = message_at_top(lua_);
  lua_settop(lua_, 0);
  lua_sethook(lua_, nullptr, 0, 0);
  throw std::runtime_error("Lua: " + why);
}

// False when there are too many. Called by Lua: lets no exception out.
bool LuaState::add(const char* name, std::uint64_t n) noexcept {
  try {
    std::size_t i = 0;
    while (i < counter_names_.size() && counter_names_[i] != name) ++i;
    if (i == counters_.size()) return false;
    if (i == counter_names_.size()) {
      counters_[i] = &metrics_.counter("mapigate_lua_total", "What scripts count",
                                       fmt::format("module=\"{}\",name=\"{}\"", options_.name, name));
      counter_names_.emplace_back(name);
    }
    counters_[i]->add(n);
    return true;
  } catch (...) {
    return false;
  }
}

// --- Runs ---

struct LuaState::Run::Start {
  Run& run;
  int function;
  const std::vector<Node>& arguments;

  static int go(lua_State* lua) {
    auto& start = *static_cast<Start*>(lua_touserdata(lua, 1));
    start.run.thread_ = lua_newthread(lua);
    start.run.thread_ref_ = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, start.function);
    const auto count = start.arguments.size();
    for (std::size_t i = 0; i < count; ++i) {
      push(lua, start.arguments[i]);
      if (i == 0) {
        lua_pushcfunction(lua, &Api::ahead);
        lua_setfield(lua, -2, "ahead");
      }
      lua_pushvalue(lua, -1);
      start.run.argument_refs_[i] = luaL_ref(lua, LUA_REGISTRYINDEX);
    }
    if (lua_checkstack(start.run.thread_, static_cast<int>(count) + 4) == 0) return luaL_error(lua, "not enough memory");
    lua_xmove(lua, start.run.thread_, static_cast<int>(count) + 1);
    start.run.given_ = count;
    return 0;
  }
  static int give(lua_State* lua) {
    auto& start = *static_cast<Start*>(lua_touserdata(lua, 1));
    if (lua_checkstack(start.run.thread_, static_cast<int>(start.arguments.size()) + 4) == 0) return luaL_error(lua, "not enough memory");
    for (std::size_t i = 0; i < start.arguments.size(); ++i) push(lua, start.arguments[i]);
    lua_xmove(lua, start.run.thread_, static_cast<int>(start.arguments.size()));
    start.run.given_ = start.arguments.size();
    return 0;
  }
};

LuaState::Run::Run(LuaState& state, int function, const std::vector<Node>& arguments)
    : state_(state), thread_ref_(LUA_NOREF), argument_refs_(arguments.size(), LUA_NOREF), instructions_(state.options_.instructions) {
  const std::lock_guard lock(state_.mutex_);
  Start start{*this, function, arguments};
  try {
    state_.guarded(&Start::go, &start);
  } catch (...) {
    release();
    throw;
  }
}

LuaState::Run::~Run() {
  const std::lock_guard lock(state_.mutex_);
  release();
}

void LuaState::Run::release() {
  luaL_unref(state_.lua_, LUA_REGISTRYINDEX, thread_ref_);
  for (const auto ref : argument_refs_) luaL_unref(state_.lua_, LUA_REGISTRYINDEX, ref);
}

std::optional<Node> LuaState::Run::resume(const std::vector<Node>& values) {
  const std::lock_guard lock(state_.mutex_);
  if (started_) {
    Start start{*this, 0, values};
    state_.guarded(&Start::give, &start);
  }
  started_ = true;
  state_.instructions_left_ = instructions_;
  lua_sethook(thread_, &Api::count, LUA_MASKCOUNT, look_every);
  int count = 0;
  const int status = lua_resume(thread_, state_.lua_, static_cast<int>(given_), &count);
  instructions_ = state_.instructions_left_;
  if (status != LUA_OK && status != LUA_YIELD) throw std::runtime_error("Lua: " + message_at_top(thread_));
  std::vector<Node> out(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    if (!read(thread_, i - count, out[static_cast<std::size_t>(i)])) throw std::runtime_error("Lua: a value is too large, too deep or no plain value");
  }
  lua_pop(thread_, count);
  if (status == LUA_YIELD) return out.empty() ? Node() : std::move(out[0]);
  results_ = std::move(out);
  return {};
}

Node LuaState::Run::argument(std::size_t i) {
  const std::lock_guard lock(state_.mutex_);
  Node out;
  if (lua_checkstack(state_.lua_, 4) == 0) throw std::runtime_error("Lua: not enough memory");
  lua_rawgeti(state_.lua_, LUA_REGISTRYINDEX, argument_refs_[i]);
  const bool good = read(state_.lua_, -1, out);
  lua_pop(state_.lua_, 1);
  if (!good) throw std::runtime_error("Lua: an argument was made too large, too deep or no plain value");
  return out;
}

}  // namespace mapigate::chain
