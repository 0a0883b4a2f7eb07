// Executes ROP by ROP: verdicts, barriers, handle tables, handle maps.
#include "chain/session_state.h"
#include "chain/test_support.h"

namespace mapigate::chain::testing {
namespace {

using List = std::vector<RopId>;

std::vector<RopId> ids(const wire::RopResponseBuffer& buffer) {
  std::vector<RopId> out;
  for (const auto& rop : buffer.rops) out.push_back(rop.id);
  return out;
}

TEST_F(ChainTest, ARefusedRopKeepsItsPlaceInTheReply) {
  Hooks guard;
  guard.wanted.rops = {RopId::RopDeleteMessages};
  guard.rop = [](Call&, RopExchange&, Ahead&) { return say(Verdict::refuse); };
  Server server;
  make_chain({link(guard), link(server)});
  const auto reply = execute({logon(), open(0, 1, 5), remove(1), ask(1)}, {none, none});
  EXPECT_EQ(ids(reply), (List{RopId::RopLogon, RopId::RopOpenFolder, RopId::RopDeleteMessages, RopId::RopGetReceiveFolder}));
  ASSERT_EQ(reply.rops.size(), 4u);
  EXPECT_EQ(reply.rops[2].ReturnValue, mapi::ecAccessDenied);
  EXPECT_EQ(reply.rops[2].HandleIndex, 1);
  EXPECT_EQ(id_of(reply.rops[3]), 5u);
  ASSERT_EQ(reply.handles.size(), 2u);
  EXPECT_EQ(reply.handles[0], 1000u);
  EXPECT_EQ(reply.handles[1], 1001u);
  // Without a barrier it is one Execute, less the refused ROP.
  EXPECT_EQ(server.executed, (std::vector<List>{{RopId::RopLogon, RopId::RopOpenFolder, RopId::RopGetReceiveFolder}}));
}

TEST_F(ChainTest, ALocalAnswerGetsABodyOfZeros) {
  Hooks local;
  local.wanted.rops = {RopId::RopSetReadFlags, RopId::RopGetReceiveFolder};
  local.rop = [](Call& call, RopExchange& rop, Ahead&) -> Task<Verdict> {
    if (rop.request.id == RopId::RopGetReceiveFolder) {
      auto* body = call.arena().make<wire::RopGetReceiveFolder::Response>();
      body->FolderId.value = 99;
      rop.response->body = body;
    }
    co_return Verdict::norelay;
  };
  Server server;
  make_chain({link(local), link(server)});
  const auto reply = execute({ask(0), make_rop<wire::RopSetReadFlags>(arena, 0, 0)}, {4});
  ASSERT_EQ(reply.rops.size(), 2u);
  EXPECT_EQ(id_of(reply.rops[0]), 99u);
  EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecNone);
  EXPECT_TRUE(server.executed.empty());
  EXPECT_EQ(reply.handles, (std::vector<std::uint32_t>{4}));
}

TEST_F(ChainTest, ABarrierExecutesWhatIsInFrontAndThreadsTheHandles) {
  Hooks looker;
  looker.wanted.rops = {RopId::RopDeleteMessages};
  looker.wanted.barrier = true;
  std::uint64_t looked = 0;
  looker.rop = [&](Call& call, RopExchange& rop, Ahead& ahead) -> Task<Verdict> {
    std::vector<wire::RopRequest> rops{make_rop<wire::RopGetReceiveFolder>(call.arena(), 0, 0)};
    std::vector<std::uint32_t> handles{rop.handle()};
    auto answer = co_await ahead.execute(std::move(rops), std::move(handles), call.arena());
    if (answer && !answer->rops.empty()) looked = id_of(answer->rops[0]);
    co_return looked == 5 ? Verdict::refuse : Verdict::relay;
  };
  Server server;
  make_chain({link(looker), link(server)});
  const auto reply = execute({logon(), open(0, 1, 5), remove(1), ask(1), open(0, 2, 6), remove(2), ask(2)}, {none, none, none});
  EXPECT_EQ(looked, 6u);
  EXPECT_EQ(ids(reply), (List{RopId::RopLogon, RopId::RopOpenFolder, RopId::RopDeleteMessages, RopId::RopGetReceiveFolder,
                              RopId::RopOpenFolder, RopId::RopDeleteMessages, RopId::RopGetReceiveFolder}));
  ASSERT_EQ(reply.rops.size(), 7u);
  EXPECT_EQ(reply.rops[2].ReturnValue, mapi::ecAccessDenied);
  EXPECT_EQ(reply.rops[5].ReturnValue, mapi::ecNone);
  EXPECT_EQ(id_of(reply.rops[3]), 5u);
  EXPECT_EQ(id_of(reply.rops[6]), 6u);
  EXPECT_EQ(reply.handles, (std::vector<std::uint32_t>{1000, 1001, 1002}));
  EXPECT_EQ(server.executed, (std::vector<List>{{RopId::RopLogon, RopId::RopOpenFolder},
                                                {RopId::RopGetReceiveFolder},
                                                {RopId::RopGetReceiveFolder, RopId::RopOpenFolder},
                                                {RopId::RopGetReceiveFolder},
                                                {RopId::RopDeleteMessages, RopId::RopGetReceiveFolder}}));
}

TEST_F(ChainTest, RepliesAreSeenInReverseAndEditsReachTheClient) {
  std::vector<std::string> log;
  Hooks a, b;
  const auto add = [&log](Hooks& module, std::string name) {
    module.wanted.rop_replies = {RopId::RopGetReceiveFolder};
    module.rop_reply = [&log, name](Call& call, RopExchange& rop, Ahead&) -> Task<> {
      auto* body = rop.response->as<wire::RopGetReceiveFolder>();
      log.push_back(fmt::format("{} {}", name, body->FolderId.value));
      body->FolderId.value += 1;
      rop.response->raw = {};
      call.mark_reply_edited();
      co_return;
    };
  };
  add(a, "a");
  add(b, "b");
  Server server;
  make_chain({link(a), link(b), link(server)});
  const auto reply = execute({logon(), open(0, 1, 5), ask(1)}, {none, none});
  EXPECT_EQ(log, (std::vector<std::string>{"b 5", "a 6"}));
  ASSERT_EQ(reply.rops.size(), 3u);
  EXPECT_EQ(id_of(reply.rops[2]), 7u);
  EXPECT_EQ(server.bodies.at(0), sent);
}

TEST_F(ChainTest, AFailingRopHookRefusesOnlyItsRopOrPassesIt) {
  for (const auto on_error : {OnError::closed, OnError::open}) {
    Hooks broken;
    broken.wanted.rops = {RopId::RopGetReceiveFolder};
    broken.rop = [](Call&, RopExchange&, Ahead&) -> Task<Verdict> {
      co_await io::sleep_for(std::chrono::minutes(1));
      co_return Verdict::refuse;
    };
    Server server;
    make_chain({link(broken, on_error, 20), link(server)});
    const auto reply = execute({logon(), ask(0)}, {none});
    ASSERT_EQ(reply.rops.size(), 2u);
    EXPECT_EQ(reply.rops[0].ReturnValue, mapi::ecNone);
    EXPECT_EQ(reply.rops[1].ReturnValue, on_error == OnError::open ? mapi::ecNone : mapi::ecError);
  }
}

TEST_F(ChainTest, WhatCannotBeDecodedIsAnEvent) {
  Hooks wary;
  wary.wanted.opaque = true;
  Verdict verdict = Verdict::relay;
  Bytes rest;
  wary.opaque = [&](Call&, View view, Ahead&) {
    rest = to_bytes(view);
    return say(verdict);
  };
  std::vector<Bytes> passed;
  Hooks bottom;
  bottom.wanted.every_call = true;
  bottom.call = [&](Call& call, Ahead&) -> Task<Verdict> {
    passed.push_back(to_bytes(*call.body()));
    call.set_reply(error_reply(Operation::Execute, mapi::ecNone));
    co_return Verdict::norelay;
  };
  make_chain({link(wary), link(bottom)});
  wire::RopRequestBuffer buffer;
  buffer.rops = {ask(0)};
  const Bytes unknown{0xF0, 1, 2, 3};
  buffer.opaque = unknown;
  buffer.handles = {1};
  const auto body = encode_body(buffer);
  ASSERT_TRUE(run(Operation::Execute, body).has_value());
  EXPECT_EQ(rest, unknown);
  EXPECT_EQ(passed, (std::vector<Bytes>{body}));
  verdict = Verdict::refuse;
  const auto refused = run(Operation::Execute, body);
  EXPECT_EQ(refused->body, error_reply(Operation::Execute, mapi::ecAccessDenied).body);
  EXPECT_EQ(passed.size(), 1u);
  // Not even the frame can be read: the whole body is the event.
  const Bytes broken{1, 2, 3};
  ASSERT_TRUE(run(Operation::Execute, broken).has_value());
  EXPECT_EQ(rest, broken);
}

// --- Handle maps ---

// Owns folder 500, everything else is the server's.
class Owner : public Hooks {
 public:
  std::vector<std::string> log;
  std::uint32_t next = 1000;  // the same numbers as the server's, on purpose
  Owner() {
    wanted.owns_handles = true;
    wanted.rops = {RopId::RopOpenFolder};
    rop = [this](Call& call, RopExchange& rop, Ahead&) -> Task<Verdict> {
      log.push_back(fmt::format("{} {} {}", rop.request.codec->name, rop.is_own() ? "own" : "below", rop.handle()));
      if (rop.request.id == RopId::RopOpenFolder) {
        if (rop.request.as<wire::RopOpenFolder>()->FolderId.value != 500) co_return Verdict::relay;
        rop.set_output(next++, true);
      } else if (rop.request.id == RopId::RopGetReceiveFolder) {
        auto* body = call.arena().make<wire::RopGetReceiveFolder::Response>();
        body->FolderId.value = 500;
        rop.response->body = body;
      }
      co_return Verdict::norelay;
    };
  }
};

TEST_F(ChainTest, HandlesOfAMixedSessionAreMapped) {
  Owner owner;
  Server server;
  make_chain({link(owner), link(server)});
  const auto first = execute({logon(), open(0, 1, 5), open(0, 2, 500), ask(1), ask(2)}, {none, none, none});
  ASSERT_EQ(first.rops.size(), 5u);
  EXPECT_EQ(id_of(first.rops[3]), 5u);
  EXPECT_EQ(id_of(first.rops[4]), 500u);
  ASSERT_EQ(first.handles.size(), 3u);
  const std::set<std::uint32_t> numbers(first.handles.begin(), first.handles.end());
  EXPECT_EQ(numbers.size(), 3u);
  EXPECT_FALSE(numbers.contains(none));
  // What is the owner's never went down, and the server saw only its own numbers.
  EXPECT_EQ(server.executed, (std::vector<List>{{RopId::RopLogon, RopId::RopOpenFolder, RopId::RopGetReceiveFolder}}));
  EXPECT_EQ(owner.log.back(), "RopGetReceiveFolder own 1000");

  const auto second = execute({ask(0), ask(1), release(0), release(1)}, {first.handles[1], first.handles[2]});
  ASSERT_EQ(second.rops.size(), 2u);
  EXPECT_EQ(id_of(second.rops[0]), 5u);
  EXPECT_EQ(id_of(second.rops[1]), 500u);
  EXPECT_EQ(owner.log.back(), "RopRelease own 1000");
  EXPECT_EQ(server.objects.size(), 1u);
  EXPECT_EQ(session->state().handle_maps.begin()->second.size(), 1u);

  // Released, or never given out: a null object, whoever it may have belonged to.
  const auto third = execute({ask(0), ask(1), ask(2)}, {first.handles[1], first.handles[2], 1000});
  ASSERT_EQ(third.rops.size(), 3u);
  for (const auto& rop : third.rops) EXPECT_EQ(rop.ReturnValue, mapi::ecNullObject);
}

TEST_F(ChainTest, AnOwnObjectNeverGoesDown) {
  Owner owner;
  Server server;
  make_chain({link(owner), link(server)});
  const auto first = execute({logon(), open(0, 1, 500)}, {none, none});
  ASSERT_EQ(first.handles.size(), 2u);
  server.executed.clear();
  // The owner relays this one, which it cannot.
  const auto second = execute({open(0, 1, 8)}, {first.handles[1], none});
  ASSERT_EQ(second.rops.size(), 1u);
  EXPECT_EQ(second.rops[0].ReturnValue, mapi::ecNotSupported);
  EXPECT_TRUE(server.executed.empty());
}

TEST_F(ChainTest, NotificationHandlesAreTranslated) {
  Owner owner;
  Server server;
  make_chain({link(owner), link(server)});
  execute({logon(), open(0, 1, 500)}, {none, none});
  const auto logon_handle = session->state().handle_maps.begin()->second.above_of_below(1000);
  ASSERT_TRUE(logon_handle.has_value());
  server.notify = 1000;
  const auto reply = execute({ask(0)}, {*logon_handle});
  ASSERT_EQ(reply.rops.size(), 2u);
  ASSERT_EQ(reply.rops[1].id, RopId::RopNotify);
  EXPECT_EQ(reply.rops[1].as<wire::RopNotify>()->NotificationHandle, *logon_handle);
  server.notify = 4242;  // nobody holds this
  EXPECT_EQ(execute({ask(0)}, {*logon_handle}).rops.size(), 1u);
}

TEST_F(ChainTest, AFullHandleMapRefuses) {
  Owner owner;
  Server server;
  make_chain({link(owner), link(server)});
  const auto first = execute({logon()}, {none});
  ASSERT_EQ(first.handles.size(), 1u);
  auto& map = session->state().handle_maps.begin()->second;
  while (map.can_add(1)) map.add_owned(1);
  const auto reply = execute({open(0, 1, 5), ask(0)}, {first.handles[0], none});
  ASSERT_EQ(reply.rops.size(), 2u);
  EXPECT_EQ(reply.rops[0].ReturnValue, mapi::ecMemory);
  EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecNone);
  EXPECT_EQ(map.size(), HandleMap::max_handles);
}

TEST_F(ChainTest, HandlesThatTheTableDoesNotHoldAreNone) {
  Owner owner;
  Server server;
  make_chain({link(owner), link(server)});
  const auto reply = execute({ask(200), open(250, 251, 500), release(252)}, {});
  ASSERT_EQ(reply.rops.size(), 2u);
  EXPECT_EQ(reply.rops[0].ReturnValue, mapi::ecNullObject);
}

TEST_F(ChainTest, HostileBuffersAreBounded) {
  Owner owner;
  Hooks looker;
  looker.wanted.rops = {RopId::RopGetReceiveFolder};
  looker.wanted.barrier = true;
  Server server;
  make_chain({link(owner), link(looker), link(server)});
  // Nothing can name more than 256 handles.
  const auto reply = execute({logon(), ask(0)}, std::vector<std::uint32_t>(8000, none));
  EXPECT_EQ(reply.rops.size(), 2u);
  EXPECT_EQ(reply.handles.size(), 256u);
  // As many ROPs as a buffer holds, on one of which every other waits.
  std::vector<wire::RopRequest> rops{logon()};
  for (int i = 0; i < 5000; ++i) rops.insert(rops.end(), {release(1), ask(0)});
  server.executed.clear();
  execute(rops, {none, none});
  EXPECT_EQ(code, mapi::ecTooComplex);
  EXPECT_LE(server.executed.size(), 256u);
}

TEST(HandleMap, KeepsNumbersApart) {
  HandleMap map;
  const auto a = map.add_owned(7);
  const auto b = map.add_below(7);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_EQ(map.add_below(7), b);
  EXPECT_TRUE(map.find(*a)->owned);
  EXPECT_FALSE(map.find(*b)->owned);
  map.release(*b);
  EXPECT_FALSE(map.above_of_below(7).has_value());
  EXPECT_EQ(map.size(), 1u);
}

}  // namespace
}  // namespace mapigate::chain::testing
