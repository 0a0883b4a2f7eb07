// For the tests of chains: a runtime, modules made of lambdas, and a tiny server at
// the bottom that knows objects by handles.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <map>

#include "chain/chain.h"
#include "io/runtime.h"
#include "wire/mapihttp/bodies.h"
#include "wire/rop/rops.h"
#include "wire/rpc/header_ext.h"

namespace mapigate::chain::testing {

using wire::RopId;

inline Bytes encode_body(const wire::RopRequestBuffer& requests, std::uint32_t flags = 3) {
  Bytes payload, buffer, body;
  EXPECT_TRUE(wire::encode_requests(requests, payload).has_value());
  EXPECT_TRUE(wire::rpc::write_extended_buffer(payload, true, {}, buffer).has_value());
  const wire::mapihttp::Execute::Request request{flags, buffer, 0x10008, {}};
  EXPECT_TRUE(wire::encode("Execute", request, body, wire::CountWidth::narrow).has_value());
  return body;
}

// A module whose hooks are given as functions.
class Hooks : public Module {
 public:
  Interests wanted;
  std::function<Task<Verdict>(Call&, Ahead&)> call;
  std::function<Task<>(Call&, Ahead&)> reply;
  std::function<Task<Verdict>(Call&, RopExchange&, Ahead&)> rop;
  std::function<Task<>(Call&, RopExchange&, Ahead&)> rop_reply;
  std::function<Task<Verdict>(Call&, View, Ahead&)> opaque;

  Interests interests() const override { return wanted; }
  Task<Verdict> on_call(Call& c, Ahead& a) override { return call ? call(c, a) : Module::on_call(c, a); }
  Task<> on_reply(Call& c, Ahead& a) override { return reply ? reply(c, a) : Module::on_reply(c, a); }
  Task<Verdict> on_rop(Call& c, RopExchange& r, Ahead& a) override { return rop ? rop(c, r, a) : Module::on_rop(c, r, a); }
  Task<> on_rop_reply(Call& c, RopExchange& r, Ahead& a) override {
    return rop_reply ? rop_reply(c, r, a) : Module::on_rop_reply(c, r, a);
  }
  Task<Verdict> on_opaque(Call& c, View v, Ahead& a) override { return opaque ? opaque(c, v, a) : Module::on_opaque(c, v, a); }
};

inline Task<Verdict> say(Verdict verdict) { co_return verdict; }

// Answers everything. RopOpenFolder opens the folder of that id, RopGetReceiveFolder tells the id of the object it
// is asked on, RopGetPropertiesSpecific gives PidTagMessageSize 1000, everything else succeeds with zeros.
class Server : public Module {
 public:
  std::vector<std::vector<RopId>> executed;  // one list a buffer
  std::vector<Bytes> bodies;
  std::map<std::uint32_t, std::uint64_t> objects;
  std::uint32_t next_handle = 1000;
  std::optional<std::uint32_t> notify;  // sends RopNotify for this handle with every Execute

  Interests interests() const override {
    Interests out;
    out.every_call = true;
    return out;
  }
  Task<Verdict> on_call(Call& call, Ahead&) override {
    auto body = call.body();
    bodies.push_back(to_bytes(*body));
    if (call.operation() != Operation::Execute) {
      call.set_reply(error_reply(call.operation(), mapi::ecNone));
      co_return Verdict::norelay;
    }
    auto decoded = call.execute();
    if (!decoded) throw std::runtime_error(decoded.error().message);
    auto& requests = (*decoded)->requests;
    wire::RopResponseBuffer out;
    out.handles = requests.handles;
    executed.emplace_back();
    for (std::size_t i = 0; i < requests.rops.size(); ++i) {
      executed.back().push_back(requests.rops[i].id);
      answer(call, requests.rops[i], static_cast<int>(i), out);
    }
    if (notify) {
      wire::RopResponse response;
      response.id = RopId::RopNotify;
      response.codec = wire::find_rop(RopId::RopNotify);
      auto* data = call.arena().make<wire::RopNotify::Response>();
      data->NotificationHandle = *notify;
      data->NotificationData.NotificationFlags = wire::notification::NewMail;
      response.body = data;
      out.rops.push_back(response);
    }
    call.set_responses(std::move(out));
    co_return Verdict::norelay;
  }

 private:
  void answer(Call& call, const wire::RopRequest& rop, int place, wire::RopResponseBuffer& out) {
    const auto handle = [&](std::size_t index) { return index < out.handles.size() ? out.handles[index] : wire::no_handle; };
    if (rop.id == RopId::RopRelease) {
      objects.erase(handle(rop.HandleIndex));
      return;
    }
    const auto output = rop.codec->output_handle_index(rop);
    wire::RopResponse response;
    response.id = rop.id;
    response.codec = rop.codec;
    response.HandleIndex = output.value_or(rop.HandleIndex);
    response.request = place;
    std::uint64_t id = 0;
    if (rop.id != RopId::RopLogon) {
      const auto found = objects.find(handle(rop.HandleIndex));
      if (found == objects.end()) response.ReturnValue = mapi::ecNullObject;
      else id = found->second;
    }
    if (response.ReturnValue == mapi::ecNone && output) {
      if (const auto* open = rop.as<wire::RopOpenFolder>()) id = open->FolderId.value;
      objects[next_handle] = id;
      out.handles.at(*output) = next_handle++;
    }
    if (response.ReturnValue == mapi::ecNone) {
      if (rop.id == RopId::RopOpenFolder) response.body = call.arena().make<wire::RopOpenFolder::Response>();
      else if (rop.id == RopId::RopLogon) response.body = call.arena().make<wire::RopLogon::Response>();
      else if (rop.id == RopId::RopGetReceiveFolder) {
        auto* body = call.arena().make<wire::RopGetReceiveFolder::Response>();
        body->FolderId.value = id;
        response.body = body;
      } else if (rop.id == RopId::RopGetHierarchyTable) {
        response.body = call.arena().make<wire::RopGetHierarchyTable::Response>();
      } else if (rop.id == RopId::RopGetPropertiesSpecific) {
        auto* body = call.arena().make<wire::RopGetPropertiesSpecific::Response>();
        auto values = call.arena().make_span<mapi::Value>(rop.as<wire::RopGetPropertiesSpecific>()->PropertyTags.size());
        for (auto& value : values) value = mapi::Value::integer32(1000);
        body->RowData.values = values;
        response.body = body;
      } else if (rop.id == RopId::RopDeleteMessages || rop.id == RopId::RopSetReadFlags) {
        response.body = call.arena().make<wire::RopDeleteMessages::Response>();
      } else if (rop.id == RopId::RopRegisterNotification || rop.id == RopId::RopSubmitMessage) {
        response.body = call.arena().make<wire::NoFields>();
      } else {
        response.ReturnValue = mapi::ecNotSupported;
      }
    }
    out.rops.push_back(response);
  }
};

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() { runtime.start(); }

  template <class T>
  static Task<> keep(Task<T> task, std::promise<T>* out) {
    try {
      T value = co_await std::move(task);
      out->set_value(std::move(value));
    } catch (...) {
      out->set_exception(std::current_exception());
    }
  }
  template <class T>
  T wait(Task<T> task) {
    std::promise<T> promise;
    auto future = promise.get_future();
    io::spawn(runtime.executor(), keep(std::move(task), &promise));
    if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
      ADD_FAILURE() << "no end within 30 s";
      std::abort();
    }
    return future.get();
  }

  void make_chain(std::vector<Link> links) {
    names = 0;
    chain = std::make_shared<Chain>("test", std::move(links), metrics);
    auto identity = std::make_shared<Identity>();
    identity->user = "ann@example.test";
    session = std::make_unique<Session>(1, Interface::emsmdb, identity, chain, runtime.executor());
  }
  Link link(Module& module, OnError on_error = OnError::closed, int budget_ms = 0) {
    return {&module, fmt::format("m{}", names++), on_error, std::chrono::milliseconds(budget_ms)};
  }
  Result<Reply> run(Operation operation, Bytes body) {
    last = std::make_unique<Call>(*session, operation, ClientInfo{}, std::move(body));
    return wait(chain->run(*last));
  }
  // Runs the ROPs and decodes what the client gets.
  wire::RopResponseBuffer execute(std::vector<wire::RopRequest> rops, std::vector<std::uint32_t> handles) {
    wire::RopRequestBuffer buffer;
    buffer.rops = std::move(rops);
    buffer.handles = std::move(handles);
    sent = encode_body(buffer);
    auto reply = run(Operation::Execute, sent);
    EXPECT_TRUE(reply.has_value()) << reply.error().message;
    if (!reply) return {};
    received = arena.copy(View(reply->body));
    const auto body = wire::decode<wire::mapihttp::Execute::Response>("Execute", received, arena, wire::CountWidth::narrow);
    EXPECT_TRUE(body.has_value());
    code = body->ErrorCode;
    if (code != mapi::ecNone) return {};
    const auto payloads = wire::rpc::read_extended_buffers(body->RopBuffer, arena, wire::rpc::response_limits);
    EXPECT_EQ(payloads->size(), 1u);
    auto out = wire::decode_responses(payloads->at(0), arena, &buffer, nullptr);
    EXPECT_TRUE(out.has_value());
    EXPECT_TRUE(out->opaque.empty()) << out->problem;
    return std::move(*out);
  }

  wire::RopRequest logon(std::uint8_t index = 0) {
    wire::RopLogon::Request body;
    body.LogonFlags = wire::RopLogon::Private;
    return make_rop<wire::RopLogon>(arena, 0, index, body);
  }
  wire::RopRequest open(std::uint8_t in, std::uint8_t out, std::uint64_t id) {
    wire::RopOpenFolder::Request body;
    body.OutputHandleIndex = out;
    body.FolderId.value = id;
    return make_rop<wire::RopOpenFolder>(arena, 0, in, body);
  }
  wire::RopRequest ask(std::uint8_t in) { return make_rop<wire::RopGetReceiveFolder>(arena, 0, in); }
  wire::RopRequest release(std::uint8_t in) { return make_rop<wire::RopRelease>(arena, 0, in); }
  wire::RopRequest remove(std::uint8_t in) { return make_rop<wire::RopDeleteMessages>(arena, 0, in); }
  static std::uint64_t id_of(const wire::RopResponse& response) {
    const auto* body = response.as<wire::RopGetReceiveFolder>();
    return body == nullptr ? 0 : body->FolderId.value;
  }
  std::uint64_t errors(const std::string& module) {
    return metrics.counter("mapigate_module_errors_total", "", "module=\"" + module + "\"").value();
  }

  static constexpr std::uint32_t none = wire::no_handle;
  io::Runtime runtime{{.threads = 1, .workers = 1}};
  Metrics metrics;
  Arena arena;
  int names = 0;
  std::shared_ptr<Chain> chain;
  std::unique_ptr<Session> session;
  std::unique_ptr<Call> last;
  Bytes sent;
  View received;
  mapi::ErrorCode code = mapi::ecNone;
};

}  // namespace mapigate::chain::testing
