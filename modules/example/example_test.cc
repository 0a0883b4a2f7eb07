// Loads the library as the daemon does and sends ROPs through it.
#include "chain/loader.h"
#include "chain/test_support.h"
#include "mapi/properties.h"

namespace mapigate::chain::testing {
namespace {

class ExampleTest : public ChainTest {
 protected:
  void start(const RawSection& section) {
    const char* folder = std::getenv("MAPIGATE_MODULES");
    ASSERT_NE(folder, nullptr) << "run by meson test";
    static Loader loader({folder});
    const auto type = loader.find("example");
    ASSERT_TRUE(type.has_value()) << type.error().message;
    const auto settings = Settings::check("[modules.watch]", (*type)->settings, section);
    ASSERT_TRUE(settings.has_value()) << settings.error().message;
    const Environment environment{runtime, metrics, "watch", "/tmp", "mail.example.test", {}};
    component = (*type)->descriptor->create(environment, *settings);
    auto& module = dynamic_cast<Module&>(*component);
    make_chain({make_link(module, "watch", *settings), link(server)});
  }
  std::uint64_t counted(const std::string& rop) {
    return metrics.counter("mapigate_example_rops_total", "", "module=\"watch\",rop=\"" + rop + "\"").value();
  }

  std::unique_ptr<Component> component;
  Server server;
};

TEST_F(ExampleTest, CountsAndPassesTheSameBytes) {
  start({});
  const auto reply = execute({logon(), open(0, 1, 5), ask(1), ask(1)}, {none, none});
  EXPECT_EQ(reply.rops.size(), 4u);
  EXPECT_EQ(counted("RopGetReceiveFolder"), 2u);
  EXPECT_EQ(counted("RopOpenFolder"), 1u);
  ASSERT_EQ(server.bodies.size(), 1u);
  EXPECT_EQ(server.bodies[0], sent);
}

TEST_F(ExampleTest, EditsTheNumberOfRows) {
  start({{"most_rows", std::int64_t{50}}});
  wire::RopQueryRows::Request many, few;
  many.RowCount = 500;
  few.RowCount = 5;
  execute({logon(), make_rop<wire::RopQueryRows>(arena, 0, 0, many), make_rop<wire::RopQueryRows>(arena, 0, 0, few)}, {none});
  Call seen(*session, Operation::Execute, {}, server.bodies.at(0));
  const auto request = seen.execute();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ((*request)->requests.rops.at(1).as<wire::RopQueryRows>()->RowCount, 50);
  EXPECT_EQ((*request)->requests.rops.at(2).as<wire::RopQueryRows>()->RowCount, 5);
}

TEST_F(ExampleTest, AnswersForReadFlagsAndRefusesDeletion) {
  start({{"keep_unread", true}, {"refuse_deletion", true}});
  const auto reply = execute({logon(), make_rop<wire::RopSetReadFlags>(arena, 0, 0), remove(0)}, {none});
  ASSERT_EQ(reply.rops.size(), 3u);
  EXPECT_EQ(reply.rops[1].ReturnValue, mapi::ecNone);
  EXPECT_EQ(reply.rops[2].ReturnValue, mapi::ecAccessDenied);
  EXPECT_EQ(server.executed, (std::vector<std::vector<RopId>>{{RopId::RopLogon}}));
}

TEST_F(ExampleTest, LooksAheadAtTheSizeOfWhatIsSubmitted) {
  const auto submit = [&] { return make_rop<wire::RopSubmitMessage>(arena, 0, 0); };
  start({{"most_submitted", std::string("999")}});
  const auto refused = execute({logon(), submit()}, {none});
  ASSERT_EQ(refused.rops.size(), 2u);
  EXPECT_EQ(refused.rops[1].ReturnValue, mapi::ecTooBig);
  start({{"most_submitted", std::string("1000")}});
  const auto passed = execute({logon(), submit()}, {none});
  ASSERT_EQ(passed.rops.size(), 2u);
  EXPECT_EQ(passed.rops[1].ReturnValue, mapi::ecNone);
}

}  // namespace
}  // namespace mapigate::chain::testing
