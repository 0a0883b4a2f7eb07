#include "chain/lua_host.h"

#include <algorithm>
#include <stdexcept>

#include "chain/lua_state.h"
#include "chain/session_state.h"

namespace mapigate::chain {

namespace {

using Hook = LuaState::Hook;

const Setting settings[] = {
    {"script", Setting::Type::path, nullptr, "The Lua file."},
    {"arguments", Setting::Type::list, "", "What the script finds in mapigate.arguments."},
    {"memory", Setting::Type::size, "16MiB", "Most memory of all that the script keeps and makes.", "0.1", 256 * 1024, 1 << 30},
    {"instructions", Setting::Type::number, "10000000",
     "Most Lua instructions of one hook; a million takes about 10 ms, in which other sessions of this module wait.", "0.1", 1000,
     1'000'000'000},
};

constexpr std::array<std::pair<std::string_view, mapi::ErrorCode>, 64> error_names() {
  std::array<std::pair<std::string_view, mapi::ErrorCode>, 64> out{};
  std::size_t n = 0;
#define MAPIGATE_NAMED_CODE(name, code) out[n++] = {#name, static_cast<mapi::ErrorCode>(code)};
  MAPIGATE_ERROR_CODES(MAPIGATE_NAMED_CODE)
#undef MAPIGATE_NAMED_CODE
  return out;
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("Lua: " + what); }

// What a hook returns: a verdict, nil for relay, and a code by number or name.
struct Said {
  Verdict verdict = Verdict::relay;
  std::optional<mapi::ErrorCode> code;
};

mapi::ErrorCode code_of(const Node& node) {
  if (node.kind == Node::Kind::integer) return static_cast<mapi::ErrorCode>(node.number);
  for (const auto& [name, code] : error_names()) {
    if (node.kind == Node::Kind::string && !name.empty() && name == node.text) return code;
  }
  fail("an error code is a number or a name like \"ecAccessDenied\"");
}

Said verdict_of(const std::vector<Node>& results) {
  Said out;
  if (results.empty() || results[0].kind == Node::Kind::nil) return out;
  const auto& word = results[0].text;
  if (word == "norelay") out.verdict = Verdict::norelay;
  else if (word == "refuse") out.verdict = Verdict::refuse;
  else if (word != "relay") fail("a hook returns \"relay\", \"norelay\" or \"refuse\"");
  if (results.size() > 1 && results[1].kind != Node::Kind::nil) out.code = code_of(results[1]);
  return out;
}

Node list_of(std::span<const std::uint32_t> numbers) {
  auto out = Node::table();
  for (const auto number : numbers) out.items.push_back(Node::of(std::int64_t{number}));
  return out;
}

Node call_node(const Call& call) {
  auto out = Node::table();
  out.set("user", Node::of(call.session().identity().user));
  out.set("operation", Node::of(std::string(to_string(call.operation()))));
  out.set("session", Node::of(static_cast<std::int64_t>(call.session().id())));
  out.set("application", Node::of(call.client().application));
  out.set("peer", Node::of(call.client().peer));
  return out;
}

// The keys that are not fields of the structure itself.
void set_head(Node& out, const wire::RopCodec* codec, std::uint8_t handle_index) {
  out.set("name", Node::of(std::string(codec == nullptr ? "" : codec->name)));
  out.set("HandleIndex", Node::of(std::int64_t{handle_index}));
}

Node request_node(const wire::RopRequest& request) {
  auto out = Node::table();
  if (request.codec != nullptr && request.body != nullptr) {
    NodeSink sink(out);
    wire::FieldDescriber describer(sink);
    request.codec->describe_request(describer, request.body);
  }
  set_head(out, request.codec, request.HandleIndex);
  out.set("LogonId", Node::of(std::int64_t{request.LogonId}));
  return out;
}

Node response_node(const wire::RopResponse& response, const wire::ResponseContext& context) {
  auto out = Node::table();
  if (response.codec != nullptr && response.body != nullptr) {
    NodeSink sink(out);
    wire::FieldDescriber describer(sink);
    response.codec->describe_response(describer, response.body, context);
  }
  set_head(out, response.codec, response.HandleIndex);
  if (response.codec != nullptr && response.codec->response_has_head)
    out.set("ReturnValue", Node::of(static_cast<std::int64_t>(response.ReturnValue)));
  return out;
}

void* build_request(const wire::RopCodec& codec, const Node& node, Arena& arena, bool public_logon) {
  NodeSource source(node);
  wire::FieldBuilder builder(source, arena);
  wire::RequestContext context;
  context.public_logon = public_logon;
  void* body = codec.build_request(builder, arena, context);
  if (!source.problem().empty()) fail(fmt::format("{}: {}", codec.name, source.problem()));
  return body;
}

void* build_response(const wire::RopCodec& codec, const Node& node, Arena& arena, const wire::ResponseContext& context) {
  NodeSource source(node);
  wire::FieldBuilder builder(source, arena);
  void* body = codec.build_response(builder, arena, context);
  if (!source.problem().empty()) fail(fmt::format("{}: {}", codec.name, source.problem()));
  return body;
}

wire::ResponseContext context_of(const wire::RopResponse& response, const wire::RopRequest& request) {
  wire::ResponseContext out;
  out.ReturnValue = response.ReturnValue;
  out.request = &request;
  out.columns = response.columns;
  return out;
}

class LuaModule final : public Module {
 public:
  LuaModule(const Environment& environment, const Settings& settings)
      : state_({settings.text("script"), environment.name, static_cast<std::size_t>(settings.number("memory")),
                settings.number("instructions"), settings.list("arguments")},
               environment.metrics) {}

  Interests interests() const override {
    Interests out;
    for (std::size_t i = 0; i < 256; ++i) {
      if (state_.function(Hook::call, i) != 0 || state_.function(Hook::call_reply, i) != 0)
        out.calls.push_back(static_cast<Operation>(i));
      if (state_.function(Hook::rop, i) != 0) out.rops.push_back(static_cast<wire::RopId>(i));
      if (state_.function(Hook::rop_reply, i) != 0) out.rop_replies.push_back(static_cast<wire::RopId>(i));
    }
    out.opaque = state_.function(Hook::opaque, 0) != 0;
    out.barrier = state_.barrier();
    return out;
  }

  Task<Verdict> on_call(Call& call, Ahead& ahead) override {
    const int function = state_.function(Hook::call, static_cast<std::size_t>(call.operation()));
    if (function == 0) co_return Verdict::relay;
    std::vector<Node> arguments{call_node(call)};
    LuaState::Run run(state_, function, arguments);
    co_await finish(&run, &call, nullptr, &ahead);
    const auto said = verdict_of(run.results());
    if (said.verdict != Verdict::relay)
      call.set_reply(error_reply(call.operation(), said.code.value_or(said.verdict == Verdict::refuse ? mapi::ecAccessDenied : mapi::ecNone)));
    co_return said.verdict;
  }

  Task<> on_reply(Call& call, Ahead& ahead) override {
    const int function = state_.function(Hook::call_reply, static_cast<std::size_t>(call.operation()));
    if (function == 0) co_return;
    std::vector<Node> arguments{call_node(call)};
    LuaState::Run run(state_, function, arguments);
    co_await finish(&run, &call, nullptr, &ahead);
    const auto said = verdict_of(run.results());
    if (said.verdict == Verdict::refuse)
      call.set_reply(error_reply(call.operation(), said.code.value_or(mapi::ecAccessDenied)));
  }

  Task<Verdict> on_rop(Call& call, RopExchange& rop, Ahead& ahead) override {
    const int function = state_.function(Hook::rop, static_cast<std::size_t>(rop.request.id));
    if (function == 0) co_return Verdict::relay;
    std::vector<Node> arguments{call_node(call), request_node(rop.request)};
    arguments[1].set("handle", Node::of(std::int64_t{rop.handle()}));
    arguments[1].set("handles", list_of(rop.handles));
    LuaState::Run run(state_, function, arguments);
    co_await finish(&run, &call, &rop, &ahead);
    const auto said = verdict_of(run.results());
    const auto left = run.argument(1);
    if (said.verdict == Verdict::refuse && said.code) rop.refusal = *said.code;
    if (said.verdict == Verdict::norelay) {
      rop.response->ReturnValue = said.code.value_or(mapi::ecNone);
      const auto* fields = left.find("response");
      if (fields != nullptr && rop.request.codec->response_has_body(rop.response->ReturnValue))
        rop.response->body = build_response(*rop.request.codec, *fields, call.arena(), context_of(*rop.response, rop.request));
    }
    if (said.verdict == Verdict::relay && !(left == arguments[1])) {
      const bool is_public = call.session().state().logons.is_public(rop.request.LogonId);
      rop.request.body = build_request(*rop.request.codec, left, call.arena(), is_public);
      rop.request.raw = {};
      call.mark_edited();
    }
    co_return said.verdict;
  }

  // function(call, reply, request)
  Task<> on_rop_reply(Call& call, RopExchange& rop, Ahead& ahead) override {
    const int function = state_.function(Hook::rop_reply, static_cast<std::size_t>(rop.response->id));
    if (function == 0) co_return;
    std::vector<Node> arguments{call_node(call), response_node(*rop.response, context_of(*rop.response, rop.request)),
                                request_node(rop.request)};
    arguments[2].set("handle", Node::of(std::int64_t{rop.handle()}));
    arguments[2].set("handles", list_of(rop.handles));
    LuaState::Run run(state_, function, arguments);
    co_await finish(&run, &call, &rop, &ahead);
    const auto left = run.argument(1);
    if (left == arguments[1]) co_return;
    auto& response = *rop.response;
    if (response.codec == nullptr) co_return;
    auto edited = response;
    const auto* code = left.find("ReturnValue");
    if (code != nullptr && response.codec->response_has_head) edited.ReturnValue = code_of(*code);
    edited.body = nullptr;
    if (!response.codec->response_has_head || response.codec->response_has_body(edited.ReturnValue))
      edited.body = build_response(*response.codec, left, call.arena(), context_of(edited, rop.request));
    edited.raw = {};
    response = edited;
    call.mark_reply_edited();
  }

  Task<Verdict> on_opaque(Call& call, View rest, Ahead& ahead) override {
    std::vector<Node> arguments{call_node(call), Node::of(std::string(as_text(rest)))};
    LuaState::Run run(state_, state_.function(Hook::opaque, 0), arguments);
    co_await finish(&run, &call, nullptr, &ahead);
    co_return verdict_of(run.results()).verdict;
  }

 private:
  // Lets the function run to its end; whenever it works ahead, does that for it.
  static Task<> finish(LuaState::Run* run, Call* call, RopExchange* rop, Ahead* ahead) {
    std::vector<Node> values;
    for (;;) {
      std::optional<Node> wanted = run->resume(values);
      if (!wanted) co_return;
      std::vector<wire::RopRequest> rops = requests_of(*wanted, call, rop);
      std::vector<std::uint32_t> handles = handles_of(*wanted, rop);
      std::vector<wire::RopRequest> asked = rops;
      Result<wire::RopResponseBuffer> answer = co_await ahead->execute(std::move(asked), std::move(handles), call->arena());
      values = values_of(answer, rops);
    }
  }

  static std::vector<wire::RopRequest> requests_of(const Node& wanted, Call* call, const RopExchange* rop) {
    std::vector<wire::RopRequest> out;
    for (const auto& item : wanted.items) {
      const auto* name = item.find("name");
      const auto* codec = name == nullptr ? nullptr : wire::find_rop(std::string_view(name->text));
      if (codec == nullptr || codec->read_request == nullptr) fail("ahead: each ROP is a table with the name of a ROP");
      NodeSource head(item);
      wire::RopRequest request;
      request.id = codec->id;
      request.codec = codec;
      request.LogonId = static_cast<std::uint8_t>(head.number("LogonId"));
      if (item.find("LogonId") == nullptr && rop != nullptr) request.LogonId = rop->request.LogonId;
      request.HandleIndex = static_cast<std::uint8_t>(head.number("HandleIndex"));
      if (item.find("HandleIndex") == nullptr && rop != nullptr) request.HandleIndex = static_cast<std::uint8_t>(rop->object_index());
      request.body = build_request(*codec, item, call->arena(), call->session().state().logons.is_public(request.LogonId));
      out.push_back(request);
    }
    if (out.empty()) fail("ahead: a list of ROPs is wanted");
    return out;
  }

  static std::vector<std::uint32_t> handles_of(const Node& wanted, const RopExchange* rop) {
    std::vector<std::uint32_t> out;
    const auto* given = wanted.find("handles");
    if (given == nullptr && rop != nullptr) out.assign(rop->handles.begin(), rop->handles.end());
    if (given != nullptr && given->items.size() > 256) fail("ahead: more than 256 handles");
    for (const auto& handle : given == nullptr ? std::vector<Node>{} : given->items) out.push_back(static_cast<std::uint32_t>(handle.number));
    return out;
  }

  // The responses with the handle table as `handles`; or nil and why.
  static std::vector<Node> values_of(const Result<wire::RopResponseBuffer>& answer, std::vector<wire::RopRequest>& rops) {
    if (!answer) return {Node(), Node::of(answer.error().message)};
    auto list = Node::table();
    for (const auto& response : answer->rops) {
      static const wire::RopRequest none;
      const auto place = static_cast<std::size_t>(response.request);
      const auto& request = response.request >= 0 && place < rops.size() ? rops[place] : none;
      list.items.push_back(response_node(response, context_of(response, request)));
    }
    list.set("handles", list_of(answer->handles));
    return {std::move(list)};
  }

  LuaState state_;
};

std::unique_ptr<Component> create(const Environment& environment, const Settings& values) {
  return std::make_unique<LuaModule>(environment, values);
}

const ModuleDescriptor descriptor{
    .type = "lua",
    .summary = "a module written in Lua",
    .settings = settings,
    .on_error = OnError::closed,
    .budget = std::chrono::seconds(10),
    .create = create,
};

}  // namespace

const ModuleDescriptor& lua_module() { return descriptor; }

}  // namespace mapigate::chain
