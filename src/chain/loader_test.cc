#include "chain/loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace mapigate::chain {
namespace {

namespace fs = std::filesystem;

const ModuleDescriptor built_in{"builtin", "for the test", {}, OnError::open, std::chrono::milliseconds(250), nullptr};

TEST(Loader, BuiltInTypesGetTheCommonSettings) {
  Loader loader({});
  loader.add_built_in(built_in);
  const auto type = loader.find("builtin");
  ASSERT_TRUE(type.has_value());
  const auto settings = Settings::check("[modules.x]", (*type)->settings, {});
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  struct Passive final : Module {
    Interests interests() const override { return {}; }
  } passive;
  const auto link = make_link(passive, "x", *settings);
  EXPECT_EQ(link.module, &passive);
  EXPECT_EQ(link.on_error, OnError::open);
  EXPECT_EQ(link.budget, std::chrono::milliseconds(250));
}

TEST(Loader, AMissingTypeNamesFoldersAndTypes) {
  char name[] = "/tmp/mapigate-loader-XXXXXX";
  const fs::path folder = mkdtemp(name);
  std::ofstream(folder / "mapigate-imap.so");
  fs::create_directory(folder / "relay");
  std::ofstream(folder / "relay" / "mapigate-relay.so");
  Loader loader({folder.string()});
  loader.add_built_in(built_in);
  const auto missing = loader.find("rely");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Errc::not_found);
  for (const auto& word : {folder.string(), std::string("builtin, imap, relay"), std::string("\"relay\"?")})
    EXPECT_NE(missing.error().message.find(word), std::string::npos) << missing.error().message;
  // There, and no library.
  const auto broken = loader.find("imap");
  ASSERT_FALSE(broken.has_value());
  EXPECT_NE(broken.error().message.find("cannot load"), std::string::npos) << broken.error().message;
  EXPECT_EQ(loader.find("../x").error().code, Errc::malformed);
  fs::remove_all(folder);
}

TEST(Loader, AnotherAbiIsToldWithBothStrings) {
  const auto folder = fs::read_symlink("/proc/self/exe").parent_path() / "chain";
  ASSERT_TRUE(fs::exists(folder / "mapigate-wrong-abi.so")) << "not built: " << folder;
  Loader loader({folder.string()});
  const auto type = loader.find("wrong-abi");
  ASSERT_FALSE(type.has_value());
  EXPECT_EQ(type.error().code, Errc::conflict);
  EXPECT_NE(type.error().message.find("mapigate-module-0 of another time"), std::string::npos);
  EXPECT_NE(type.error().message.find(MAPIGATE_MODULE_ABI), std::string::npos);
}

TEST(Router, TheFirstMatchCounts) {
  EXPECT_TRUE(user_matches("*", ""));
  EXPECT_TRUE(user_matches("*@example.test", "ann@example.test"));
  EXPECT_TRUE(user_matches("a*b*c", "aXbbYc"));
  EXPECT_FALSE(user_matches("a*b*c", "aXbbY"));
  EXPECT_FALSE(user_matches("ann@example.test", "ann@example.tes"));
  EXPECT_FALSE(user_matches("", "a"));
  // No more than length times length steps, whatever the pattern.
  EXPECT_FALSE(user_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
  Metrics metrics;
  const auto one = std::make_shared<Chain>("one", std::vector<Link>{}, metrics);
  const auto two = std::make_shared<Chain>("two", std::vector<Link>{}, metrics);
  const Router router({{"Ann@*", one}, {"*@example.test", two}});
  EXPECT_EQ(router.find("ANN@example.test"), one);
  EXPECT_EQ(router.find("bob@example.test"), two);
  EXPECT_EQ(router.find("bob@example.org"), nullptr);
}

}  // namespace
}  // namespace mapigate::chain
