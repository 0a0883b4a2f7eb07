// Calls as a whole: order, verdicts, bytes, failures, ahead.
#include "chain/pinned_connection.h"
#include "chain/test_support.h"

namespace mapigate::chain::testing {
namespace {

class Recorder : public Hooks {
 public:
  Recorder(std::string name, std::vector<std::string>& log, Verdict verdict = Verdict::relay) {
    wanted.every_call = true;
    call = [name, &log, verdict](Call& c, Ahead&) -> Task<Verdict> {
      log.push_back("down " + name);
      if (verdict == Verdict::norelay) c.set_reply({0, {1, 2, 3}});
      co_return verdict;
    };
    reply = [name, &log](Call&, Ahead&) -> Task<> {
      log.push_back("up " + name);
      co_return;
    };
  }
};

TEST_F(ChainTest, RequestsGoDownInOrderAndRepliesComeUpInReverse) {
  std::vector<std::string> log;
  Recorder a("a", log), b("b", log);
  Server server;
  make_chain({link(a), link(b), link(server)});
  const auto reply = run(Operation::Disconnect, {0, 0, 0, 0});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, error_reply(Operation::Disconnect, mapi::ecNone).body);
  EXPECT_EQ(log, (std::vector<std::string>{"down a", "down b", "up b", "up a"}));
}

TEST_F(ChainTest, NorelayAnswersAndNothingBelowRuns) {
  std::vector<std::string> log;
  Recorder a("a", log), b("b", log, Verdict::norelay);
  Server server;
  make_chain({link(a), link(b), link(server)});
  const auto reply = run(Operation::GetProps, {});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, (Bytes{1, 2, 3}));
  EXPECT_TRUE(server.bodies.empty());
  EXPECT_EQ(log, (std::vector<std::string>{"down a", "down b", "up a"}));
  EXPECT_EQ(metrics.counter("mapigate_module_verdicts_total", "", "module=\"m1\",verdict=\"norelay\"").value(), 1u);
}

TEST_F(ChainTest, RefusalsAreErrorBodiesOfTheOperation) {
  std::vector<std::string> log;
  Recorder a("a", log, Verdict::refuse);
  make_chain({link(a)});
  const auto connect = run(Operation::Connect, {});
  ASSERT_TRUE(connect.has_value());
  Arena arena;
  const auto body = wire::decode<wire::mapihttp::Connect::Response>("Connect", connect->body, arena, wire::CountWidth::narrow);
  ASSERT_TRUE(body.has_value()) << body.error().message;
  EXPECT_EQ(body->ErrorCode, mapi::ecAccessDenied);
  const auto execute = run(Operation::Execute, {});
  const auto failed = wire::decode<wire::mapihttp::Execute::Response>("Execute", execute->body, arena, wire::CountWidth::narrow);
  ASSERT_TRUE(failed.has_value()) << failed.error().message;
  EXPECT_EQ(failed->ErrorCode, mapi::ecAccessDenied);
  EXPECT_TRUE(failed->RopBuffer.empty());
}

TEST_F(ChainTest, NobodyAnswersIsUnsupported) {
  Hooks quiet;
  make_chain({link(quiet)});
  const auto reply = run(Operation::Bind, {});
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Errc::unsupported);
}

TEST_F(ChainTest, OperationNamesRoundTrip) {
  EXPECT_EQ(operation_from_string("GetAddressBookUrl"), Operation::GetAddressBookUrl);
  EXPECT_EQ(to_string(Operation::DNToMId), "DNToMId");
  EXPECT_EQ(interface_of(Operation::NotificationWait), Interface::emsmdb);
  EXPECT_EQ(interface_of(Operation::Bind), Interface::nspi);
  EXPECT_FALSE(operation_from_string("PING").has_value());
}

TEST_F(ChainTest, UneditedCallsPassAsTheSameBytes) {
  // Compressed and with an unknown ROP: nothing that encoding anew would give back.
  wire::RopRequestBuffer buffer;
  buffer.rops = {logon()};
  buffer.handles = {none};
  Bytes payload;
  ASSERT_TRUE(wire::encode_requests(buffer, payload).has_value());
  Bytes framed, body;
  ASSERT_TRUE(wire::rpc::write_extended_buffer(payload, true, {.compress = false, .obfuscate = true}, framed).has_value());
  const wire::mapihttp::Execute::Request request{0, framed, 0x8000, {}};
  ASSERT_TRUE(wire::encode("Execute", request, body, wire::CountWidth::narrow).has_value());

  Hooks watcher;
  int seen = 0;
  watcher.wanted.rops = {RopId::RopLogon};
  watcher.rop = [&](Call&, RopExchange&, Ahead&) { return ++seen, say(Verdict::relay); };
  Server server;
  make_chain({link(watcher), link(server)});
  ASSERT_TRUE(run(Operation::Execute, body).has_value());
  EXPECT_EQ(seen, 1);
  ASSERT_EQ(server.bodies.size(), 1u);
  EXPECT_EQ(server.bodies[0], body);
}

TEST_F(ChainTest, BytesThatNobodyAskedForAreNotLookedAt) {
  std::vector<std::string> log;
  Hooks connects;
  connects.wanted.calls = {Operation::Connect};
  Recorder bottom("bottom", log, Verdict::norelay);
  make_chain({link(connects), link(bottom)});
  const auto reply = run(Operation::Execute, {0xDE, 0xAD});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, (Bytes{1, 2, 3}));
}

TEST_F(ChainTest, AnEditIsEncodedAndTheRestOfTheBufferKept) {
  Hooks editor;
  editor.wanted.rops = {RopId::RopOpenFolder};
  editor.rop = [](Call& call, RopExchange& rop, Ahead&) -> Task<Verdict> {
    rop.request.as<wire::RopOpenFolder>()->FolderId.value = 77;
    rop.request.raw = {};
    call.mark_edited();
    co_return Verdict::relay;
  };
  Server server;
  make_chain({link(editor), link(server)});
  const auto reply = execute({logon(), open(0, 1, 5), ask(1)}, {none, none});
  ASSERT_EQ(reply.rops.size(), 3u);
  EXPECT_EQ(id_of(reply.rops[2]), 77u);
  EXPECT_EQ(server.bodies.size(), 1u);
  EXPECT_NE(server.bodies[0], sent);
}

// --- Failures ---

TEST_F(ChainTest, AClosedModuleThatThrowsRefuses) {
  Hooks broken;
  broken.wanted.every_call = true;
  broken.call = [](Call&, Ahead&) -> Task<Verdict> { throw std::runtime_error("broken"); };
  Server server;
  make_chain({link(broken), link(server)});
  const auto reply = run(Operation::Disconnect, {});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, error_reply(Operation::Disconnect, mapi::ecError).body);
  EXPECT_TRUE(server.bodies.empty());
  EXPECT_EQ(errors("m0"), 1u);
}

TEST_F(ChainTest, AnOpenModuleThatThrowsIsPassedBy) {
  Hooks broken;
  broken.wanted.every_call = true;
  broken.call = [](Call& call, Ahead&) -> Task<Verdict> {
    call.set_reply({0, {9}});
    throw 1;
    co_return Verdict::norelay;
  };
  Server server;
  make_chain({link(broken, OnError::open), link(server)});
  const auto reply = run(Operation::Disconnect, {});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, error_reply(Operation::Disconnect, mapi::ecNone).body);
  EXPECT_EQ(server.bodies.size(), 1u);
  EXPECT_EQ(errors("m0"), 1u);
}

TEST_F(ChainTest, AHangEndsAtTheBudget) {
  for (const auto on_error : {OnError::closed, OnError::open}) {
    Hooks slow;
    slow.wanted.every_call = true;
    slow.call = [](Call&, Ahead&) -> Task<Verdict> {
      co_await io::sleep_for(std::chrono::minutes(5));
      co_return Verdict::norelay;
    };
    Server server;
    make_chain({link(slow, on_error, 30), link(server)});
    const auto started = std::chrono::steady_clock::now();
    const auto reply = run(Operation::Disconnect, {});
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(server.bodies.size(), on_error == OnError::open ? 1u : 0u);
    EXPECT_EQ(reply->body, error_reply(Operation::Disconnect, on_error == OnError::open ? mapi::ecNone : mapi::ecError).body);
  }
}

TEST_F(ChainTest, AFailingReplyHookOfAClosedModuleTakesTheReply) {
  Hooks broken;
  broken.wanted.every_call = true;
  broken.reply = [](Call&, Ahead&) -> Task<> { throw std::runtime_error("broken"); };
  Server server;
  make_chain({link(broken), link(server)});
  const auto reply = run(Operation::Unbind, {});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, error_reply(Operation::Unbind, mapi::ecError).body);
}

TEST_F(ChainTest, NorelayWithoutAReplyIsAFailure) {
  for (const auto on_error : {OnError::closed, OnError::open}) {
    Hooks forgetful;
    forgetful.wanted.every_call = true;
    forgetful.call = [](Call&, Ahead&) { return say(Verdict::norelay); };
    Server server;
    make_chain({link(forgetful, on_error), link(server)});
    const auto reply = run(Operation::Unbind, {});
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->body, error_reply(Operation::Unbind, on_error == OnError::open ? mapi::ecNone : mapi::ecError).body);
  }
}

// --- Ahead ---

TEST_F(ChainTest, AheadStartsBelowTheModuleAndTheClientSeesNothing) {
  std::vector<std::string> log;
  Recorder above("above", log);
  Hooks worker;
  worker.wanted.calls = {Operation::Connect};
  Bytes got;
  worker.call = [&](Call&, Ahead& ahead) -> Task<Verdict> {
    Bytes body{7};
    auto reply = co_await ahead.call(Operation::Disconnect, std::move(body));
    if (reply) got = reply->body;
    co_return Verdict::relay;
  };
  Recorder below("below", log);
  Server server;
  make_chain({link(above), link(worker), link(below), link(server)});
  const auto reply = run(Operation::Connect, {1});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->body, error_reply(Operation::Connect, mapi::ecNone).body);
  EXPECT_EQ(got, error_reply(Operation::Disconnect, mapi::ecNone).body);
  EXPECT_EQ(server.bodies, (std::vector<Bytes>{{7}, {1}}));
  EXPECT_EQ(log, (std::vector<std::string>{"down above", "down below", "up below", "down below", "up below", "up above"}));
}

TEST_F(ChainTest, SlotsBelongToModuleAndSession) {
  Hooks a, b;
  make_chain({link(a), link(b)});
  std::any& slot = session->slot(a);
  slot = 1;
  for (int i = 0; i < 10; ++i) session->slot(b) = i;
  EXPECT_EQ(std::any_cast<int>(slot), 1);
  EXPECT_EQ(&session->slot(a), &slot);
}

TEST_F(ChainTest, EverySessionEndIsToldOnceAndMayFail) {
  class Ending : public Hooks {
   public:
    int ended = 0;
    Task<> on_session_end(Session&) override {
      ++ended;
      throw std::runtime_error("late");
    }
  };
  Ending a, b;
  make_chain({link(a), link(b)});
  const auto end = [](Chain* chain, Session* session) -> Task<bool> {
    co_await chain->end_session(*session);
    co_return true;
  };
  EXPECT_TRUE(wait(end(chain.get(), session.get())));
  EXPECT_EQ(a.ended, 1);
  EXPECT_EQ(b.ended, 1);
}

struct Pinned final : PinnedConnection {
  Task<Result<Step>> step(Bytes) override { co_return Step{}; }
  Task<bool> is_alive() override { co_return true; }
  void close() override {}
};

TEST_F(ChainTest, ASessionDoesNotKeepTheConnectionThatOpenedIt) {
  auto identity = std::make_shared<Identity>(Identity{"alice@example.test", Secret("secret"), std::make_shared<Pinned>()});
  const std::weak_ptr<PinnedConnection> pinned = identity->pinned;
  const Session opened(7, Interface::emsmdb, identity, nullptr, io::Executor());
  EXPECT_EQ(opened.identity().user, "alice@example.test");
  EXPECT_EQ(opened.identity().password.reveal(), "secret");
  EXPECT_EQ(opened.identity().pinned, nullptr);
  EXPECT_NE(identity->pinned, nullptr);
  identity.reset();
  EXPECT_TRUE(pinned.expired());
}

}  // namespace
}  // namespace mapigate::chain::testing
