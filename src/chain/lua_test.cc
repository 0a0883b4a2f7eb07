// Modules written in Lua: fields, verdicts, ahead, limits, and the samples in lua/.
#include <filesystem>
#include <fstream>

#include "chain/lua_host.h"
#include "chain/test_support.h"
#include "mapi/properties.h"

namespace mapigate::chain::testing {
namespace {

namespace fs = std::filesystem;

class LuaTest : public ChainTest {
 protected:
  LuaTest() {
    char name[] = "/tmp/mapigate-lua-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~LuaTest() override { fs::remove_all(folder_); }

  Module& load_file(const std::string& file, std::vector<std::string> arguments = {}, RawSection more = {}) {
    more["script"] = file;
    more["arguments"] = std::move(arguments);
    auto settings = Settings::check("[modules.script]", lua_module().settings, more);
    if (!settings) throw std::runtime_error(settings.error().message);
    const Environment environment{runtime, metrics, "script", folder_.string(), "mail.example.test", {}};
    auto component = lua_module().create(environment, *settings);
    auto& module = dynamic_cast<Module&>(*component);
    kept_.push_back(std::move(component));
    return module;
  }
  Module& load(const std::string& script, RawSection more = {}) {
    const auto file = folder_ / fmt::format("{}.lua", kept_.size());
    std::ofstream(file) << script;
    return load_file(file.string(), {}, std::move(more));
  }
  std::string failure(const std::string& script, RawSection more = {}) {
    try {
      load(script, std::move(more));
    } catch (const std::exception& e) {
      return e.what();
    }
    return "loaded";
  }
  std::uint64_t counted(const std::string& name) {
    return metrics.counter("mapigate_lua_total", "", fmt::format("module=\"script\",name=\"{}\"", name)).value();
  }
  wire::RopRequest properties(std::uint8_t in, std::vector<mapi::PropertyTag> tags) {
    wire::RopGetPropertiesSpecific::Request body;
    body.PropertyTags = arena.copy(std::span<const mapi::PropertyTag>(tags));
    return make_rop<wire::RopGetPropertiesSpecific>(arena, 0, in, body);
  }

  fs::path folder_;
  std::vector<std::unique_ptr<Component>> kept_;
  Server server;
};

TEST_F(LuaTest, ReadsAndWritesFieldsByTheirNames) {
  auto& script = load(R"(
    mapigate.on("RopOpenFolder", function(call, rop)
      assert(call.user == "ann@example.test" and call.operation == "Execute")
      assert(rop.name == "RopOpenFolder" and rop.OutputHandleIndex == 1 and #rop.handles == 2)
      assert(rop.FolderId == -2, rop.FolderId)
      rop.FolderId = 8589934593
      mapigate.count("opened")
    end)
    mapigate.on_reply("RopGetReceiveFolder", function(call, reply, request)
      assert(request.name == "RopGetReceiveFolder" and reply.ReturnValue == 0)
      reply.FolderId = reply.FolderId + 1
      reply.ExplicitMessageClass = "IPM.Ä"
    end))");
  make_chain({link(script), link(server)});
  const auto reply = execute({logon(), open(0, 1, static_cast<std::uint64_t>(-2)), ask(1)}, {none, none});
  ASSERT_EQ(reply.rops.size(), 3u);
  EXPECT_EQ(id_of(reply.rops[2]), 8589934594u);
  EXPECT_EQ(reply.rops[2].as<wire::RopGetReceiveFolder>()->ExplicitMessageClass, "IPM.\xC4");
  EXPECT_EQ(counted("opened"), 1u);
  EXPECT_EQ(errors("m0"), 0u);
}

TEST_F(LuaTest, WhatItOnlyReadsPassesAsTheSameBytes) {
  auto& script = load(R"(mapigate.on("RopOpenFolder", function(call, rop) local id = rop.FolderId end))");
  make_chain({link(script), link(server)});
  execute({logon(), open(0, 1, 7)}, {none, none});
  ASSERT_EQ(server.bodies.size(), 1u);
  EXPECT_EQ(server.bodies[0], sent);
}

TEST_F(LuaTest, GivesVerdicts) {
  auto& script = load(R"(
    mapigate.on("RopDeleteMessages", function(call, rop) return "refuse", "ecNotFound" end)
    mapigate.on("RopGetReceiveFolder", function(call, rop)
      rop.response = {FolderId = 77}
      return "norelay"
    end)
    mapigate.on("RopSetReadFlags", function(call, rop) return "norelay", 0x80040305 end)
    mapigate.on_call("Disconnect", function(call) return "refuse" end))");
  make_chain({link(script), link(server)});
  const auto reply = execute({logon(), remove(0), ask(0), make_rop<wire::RopSetReadFlags>(arena, 0, 0)}, {none});
  ASSERT_EQ(reply.rops.size(), 4u);
  EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecNotFound);
  EXPECT_EQ(id_of(reply.rops[2]), 77u);
  EXPECT_EQ(reply.rops[3].ReturnValue, mapi::ecTooBig);
  EXPECT_EQ(server.executed, (std::vector<std::vector<RopId>>{{RopId::RopLogon}}));
  const auto ended = run(Operation::Disconnect, {});
  EXPECT_EQ(ended->body, error_reply(Operation::Disconnect, mapi::ecAccessDenied).body);
}

TEST_F(LuaTest, WorksAhead) {
  auto& script = load(R"(
    mapigate.barrier()
    mapigate.on("RopDeleteMessages", function(call, rop)
      local answer, why = call:ahead{
        {name = "RopGetReceiveFolder", MessageClass = "IPM"},
        {name = "RopGetPropertiesSpecific", PropertyTags = {0x0E080003}},
      }
      assert(answer, why)
      assert(answer[1].ReturnValue == 0 and #answer.handles == 2)
      local size = answer[2].RowData.Values[1]
      assert(size.tag == 0x0E080003 and size.value == 1000)
      local again = call:ahead{ {name = "RopGetReceiveFolder"}, handles = {4711} }
      assert(again[1].ReturnValue ~= 0)
      if answer[1].FolderId == 5 then return "refuse" end
    end))");
  make_chain({link(script), link(server)});
  const auto reply = execute({logon(), open(0, 1, 5), remove(1), open(0, 1, 6), remove(1)}, {none, none});
  ASSERT_EQ(reply.rops.size(), 5u);
  EXPECT_EQ(reply.rops[2].ReturnValue, mapi::ecAccessDenied);
  EXPECT_EQ(reply.rops[4].ReturnValue, mapi::ecNone);
  EXPECT_EQ(errors("m0"), 0u);
}

TEST_F(LuaTest, ErrorsMeetOnError) {
  for (const auto on_error : {OnError::closed, OnError::open}) {
    auto& script = load(R"(mapigate.on("RopDeleteMessages", function(call, rop) local x = nil; return x.y end))");
    make_chain({link(script, on_error), link(server)});
    const auto reply = execute({logon(), remove(0)}, {none});
    ASSERT_EQ(reply.rops.size(), 2u);
    EXPECT_EQ(reply.rops[1].ReturnValue, on_error == OnError::open ? mapi::ecNone : mapi::ecError);
  }
}

TEST_F(LuaTest, EndlessLoopsEnd) {
  for (const std::string body : {"while true do end", "while true do pcall(function() while true do end end) end",
                                 "local function f() return f() end return f()", "local function f() return f() + 1 end return f()",
                                 "string.rep('x', 1000000):gsub('x', function() while true do end end)"}) {
    auto& script = load("mapigate.on('RopDeleteMessages', function(call, rop) " + body + " end)\n"
                        "mapigate.on('RopGetReceiveFolder', function(call, rop) mapigate.count('alive') end)");
    make_chain({link(script), link(server)});
    const auto reply = execute({logon(), remove(0), ask(0)}, {none});
    ASSERT_EQ(reply.rops.size(), 3u) << body;
    EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecError) << body;
    EXPECT_EQ(reply.rops[2].ReturnValue, mapi::ecNone) << body;
  }
  EXPECT_EQ(counted("alive"), 5u);
}

TEST_F(LuaTest, MemoryIsLimited) {
  for (const std::string body : {"local t = {} for i = 1, 1e9 do t[i] = {} end", "return ('x'):rep(1 << 30)",
                                 "local s = 'x' while true do s = s .. s end",
                                 "keep = keep or {} for i = 1, 1e9 do keep[#keep + 1] = 'k' .. i end"}) {
    auto& script = load("mapigate.on('RopDeleteMessages', function(call, rop) " + body + " end)", {{"memory", "1MiB"}});
    make_chain({link(script), link(server)});
    for (int i = 0; i < 3; ++i) {
      const auto reply = execute({logon(), remove(0)}, {none});
      ASSERT_EQ(reply.rops.size(), 2u) << body;
      EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecError) << body;
    }
  }
}

TEST_F(LuaTest, TheSandboxHasNoDoors) {
  EXPECT_EQ(failure(R"(
    for _, name in ipairs{"io", "os", "package", "debug", "coroutine", "load", "loadfile", "dofile", "require", "collectgarbage"} do
      assert(_G[name] == nil, name)
    end
    assert(string.dump == nil)
    assert(not pcall(setmetatable, {}, {__gc = function() end}))
    setmetatable({}, {__index = {}}))"), "loaded");
  EXPECT_NE(failure("mapigate.on('RopNoSuch', function() end)").find("no ROP \"RopNoSuch\""), std::string::npos);
  EXPECT_NE(failure("mapigate.on('RopNotify', function() end)").find("only servers"), std::string::npos);
  EXPECT_NE(failure("this is no Lua").find("syntax error"), std::string::npos);
  EXPECT_NE(failure("\x1bLua").find("Lua"), std::string::npos);
  EXPECT_NE(failure("while true do end").find("instructions"), std::string::npos);
  EXPECT_NE(failure("local t = {} while true do t[#t+1] = t end", {{"memory", "1MiB"}}).find("memory"), std::string::npos);
  EXPECT_NE(failure("mapigate.on_call('Connect', function() end) mapigate.on_call('Connect', function() end)").find("already"),
            std::string::npos);
}

// The bytes of [MS-OXOCAL] "Recurrence Pattern" examples are in wire/blobs; here is how scripts see some.
TEST_F(LuaTest, TakesBlobsApartAndMakesThem) {
  load(R"(
    local bias = string.pack("<i4i4i4", -60, 0, -60) .. string.rep("\0", 36)
    local zone, rest = mapigate.decode("timezone-struct", bias .. "xy")
    assert(zone.lBias == -60 & 0xFFFFFFFF and zone.stStandardDate.wYear == 0 and rest == "xy", zone.lBias)
    assert(mapigate.encode("timezone-struct", zone) == bias)
    assert(mapigate.encode("timezone-struct", {lBias = -60, lDaylightBias = -60}) == bias)

    -- Every two days from 2010-01-02 on, an exception with a subject.
    local weekly = {ReaderVersion = 0x3004, WriterVersion = 0x3004, RecurFrequency = 0x200A, PatternType = 0, Period = 2880,
                    EndType = 0x2023, OccurrenceCount = 10, ModifiedInstanceDates = {215115840}, StartDate = 215112960,
                    EndDate = 0x5AE980DF}
    local pattern = {RecurrencePattern = weekly, ReaderVersion2 = 0x3006, WriterVersion2 = 0x3009,
                     ExceptionInfo = {{StartDateTime = 215116000, EndDateTime = 215116030, OriginalStartDate = 215115840,
                                       OverrideFlags = 1, SubjectLength = 4, Subject = "Ann"}},
                     ExtendedException = {ChangeHighlightSize = 4, StartDateTime = 215116000, EndDateTime = 215116030,
                                          OriginalStartDate = 215115840, WideCharSubject = "Ann"}}
    local bytes = assert(mapigate.encode("recurrence", pattern))
    local back, left = mapigate.decode("recurrence", bytes)
    assert(left == "" and back.RecurrencePattern.Period == 2880 and back.ExceptionInfo[1].Subject == "Ann")
    assert(back.ExtendedException.WideCharSubject == "Ann" and mapigate.encode("recurrence", back) == bytes)

    local list = string.pack("s1s1", string.rep("g", 16) .. "1", string.rep("h", 16) .. "22")
    local changes = mapigate.decode("pcl", list)
    assert(#changes.SizedXids == 2 and changes.SizedXids[2].XID.LocalId == "22")
    assert(mapigate.encode("pcl", changes) == list)

    local none, why, fields = mapigate.decode("timezone-struct", bias:sub(1, 9))
    assert(none == nil and why:find("lDaylightBias", 1, true) and fields.lBias and not fields.lDaylightBias, why)
    local nothing, reason = mapigate.encode("guid", {Guid = "no guid"})
    assert(nothing == nil and reason:find("GUID"), reason)
    assert(not pcall(mapigate.decode, "no-such-kind", ""))
    assert(not pcall(mapigate.decode, "guid", string.rep("x", 300000)))
    assert(not pcall(mapigate.encode, "nickname-cache", {}))
    mapigate.count("good")
  )");
  EXPECT_EQ(counted("good"), 1u);
}

TEST_F(LuaTest, WrongFieldsAreErrors) {
  for (const std::string body : {"rop.FolderId = 'text'", "rop.FolderId = {}", "return 'maybe'", "return 'refuse', 'ecNoSuch'",
                                 "rop.FolderId = 1.5", "call:ahead{}", "call:ahead{{name = 'RopNoSuch'}}", "local t = {} t.t = t return t",
                                 "rop.self = rop"}) {
    auto& script = load("mapigate.on('RopOpenFolder', function(call, rop) " + body + " end)");
    make_chain({link(script), link(server)});
    const auto reply = execute({logon(), open(0, 1, 5)}, {none, none});
    ASSERT_EQ(reply.rops.size(), 2u) << body;
    EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecError) << body;
  }
}

// Every field list that this repository can describe comes back from its table unchanged.
TEST_F(LuaTest, RestrictionsAndRowsSurviveTheWayThroughATable) {
  auto& script = load(R"(
    mapigate.on("RopRestrict", function(call, rop) rop.RestrictFlags = 1 end)
    mapigate.on_reply("RopGetPropertiesSpecific", function(call, reply, request)
      reply.RowData.Values[1].value = 2000
      reply.RowData.Values[2].value = {error = 0x8004010F}
      reply.RowData.Flag = 1
    end))");
  make_chain({link(script), link(server)});
  auto* leaf = arena.make<mapi::Restriction>();
  leaf->type = mapi::RestrictType::ContentRestriction;
  leaf->FuzzyLevelLow = mapi::FL_SUBSTRING;
  leaf->FuzzyLevelHigh = mapi::FL_IGNORECASE;
  leaf->tag = mapi::PidTagSubject;
  leaf->value = {mapi::PidTagSubject, mapi::Value::string(arena, "Grüße")};
  auto* root = arena.make<mapi::Restriction>();
  root->type = mapi::RestrictType::NotRestriction;
  root->children = {leaf, 1};
  wire::RopRestrict::Request restrict;
  restrict.RestrictionData = root;
  const auto request = make_rop<wire::RopRestrict>(arena, 0, 0, restrict);
  const auto reply = execute({logon(), request, properties(0, {mapi::PidTagMessageSize, mapi::PidTagImportance})}, {none});
  EXPECT_EQ(errors("m0"), 0u);
  // The server got the same but for the one byte.
  Bytes before, after;
  ASSERT_TRUE(wire::encode_request(request, before).has_value());
  before[3] = 1;
  const auto& got = server.bodies.at(0);
  EXPECT_NE(std::search(got.begin(), got.end(), before.begin(), before.end()), got.end());
  ASSERT_EQ(reply.rops.size(), 3u);
  const auto values = reply.rops[2].as<wire::RopGetPropertiesSpecific>()->RowData.values;
  ASSERT_EQ(values.size(), 2u);
  EXPECT_EQ(mapi::number_of(values[0]), 2000);
  ASSERT_NE(values[1].get<mapi::ErrorValue>(), nullptr);
  EXPECT_EQ(values[1].get<mapi::ErrorValue>()->code, mapi::ecNotFound);
}

TEST_F(LuaTest, SampleReadOnly) {
  const auto sample = fs::path(__FILE__).parent_path().parent_path().parent_path() / "lua" / "read-only.lua";
  ASSERT_TRUE(fs::exists(sample)) << sample;
  for (const bool listed : {true, false}) {
    auto& script = load_file(sample.string(), {listed ? "Ann@Example.test" : "bob@example.test"});
    make_chain({link(script), link(server)});
    const auto before = counted("refused");
    const auto reply = execute({logon(), remove(0), properties(0, {mapi::PidTagAccess, mapi::PidTagMessageSize})}, {none});
    ASSERT_EQ(reply.rops.size(), 3u);
    EXPECT_EQ(reply.rops[1].ReturnValue, listed ? mapi::ecAccessDenied : mapi::ecNone);
    EXPECT_EQ(counted("refused") - before, listed ? 1u : 0u);
    const auto values = reply.rops[2].as<wire::RopGetPropertiesSpecific>()->RowData.values;
    ASSERT_EQ(values.size(), 2u);
    EXPECT_EQ(mapi::number_of(values[0]), listed ? 1000 & 2 : 1000);
    EXPECT_EQ(mapi::number_of(values[1]), 1000);
  }
  EXPECT_EQ(errors("m0"), 0u);
}

}  // namespace
}  // namespace mapigate::chain::testing
