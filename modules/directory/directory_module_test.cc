#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "chain/loader.h"
#include "directory/source.h"
#include "io/runtime.h"
#include "mapi/properties.h"
#include "people_file.h"

namespace mapigate::directory {
namespace {

class PeopleFileTest : public testing::Test {
 protected:
  PeopleFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mapigate-people-XXXXXX").string();
    if (mkdtemp(name.data())) folder = name;
    file = (folder / "people.toml").string();
  }
  ~PeopleFileTest() override { std::filesystem::remove_all(folder); }
  void write(const std::string& text) { std::ofstream(file) << text; }

  std::filesystem::path folder;
  std::string file;
};

constexpr const char* two =
    "[[entry]]\nname = 'Zoë'\naddress = 'Zoe@Example.Test'\ntitle = 'Boss'\ncontainer = 'A/B'\nphoto = 'z.jpg'\n"
    "[[entry]]\nkind = 'group'\nname = 'All'\naddress = 'all@example.test'\nmembers = ['zoe@example.test']\n";

TEST_F(PeopleFileTest, ReadsEntries) {
  write(two);
  std::ofstream(folder / "z.jpg") << "jpeg";
  const auto entries = read_people_file(file);
  ASSERT_TRUE(entries.has_value()) << entries.error().message;
  ASSERT_EQ(entries->size(), 2u);
  const auto& zoe = (*entries)[0];
  EXPECT_EQ(zoe.display_name, "Zoë");
  EXPECT_EQ(zoe.key, "zoe@example.test");
  EXPECT_EQ(zoe.container, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(as_text(zoe.photo), "jpeg");
  ASSERT_EQ(zoe.texts.size(), 1u);
  EXPECT_EQ(zoe.texts[0].first, mapi::PidTagTitle);
  EXPECT_EQ((*entries)[1].kind, EntryKind::group);
}

TEST_F(PeopleFileTest, SaysWhereTheMistakeIsAndHowToMendIt) {
  const auto complaint = [&](const std::string& text) {
    write(text);
    const auto read = read_people_file(file);
    EXPECT_FALSE(read.has_value()) << text;
    return read ? "" : read.error().message.substr(file.size());
  };
  EXPECT_EQ(complaint("[[entry]]\nname = 'A'\nadress = 'a@b'\n"), ":3: unknown key \"adress\"; did you mean \"address\"?");
  EXPECT_EQ(complaint("[[entry]]\naddress = 'a@b'\n"), ":1: an entry needs a name");
  EXPECT_EQ(complaint("[[entry]]\nname = 'A'\naddress = 7\n"), ":3: address is no string");
  EXPECT_EQ(complaint("[[entry]]\nname = 'A'\nkind = 'robot'\n"), ":3: kind is none of person, group, room, equipment, contact");
  EXPECT_EQ(complaint("[[person]]\nname = 'A'\n"), ":1: only [[entry]] is known here");
  EXPECT_NE(complaint("[[entry]\n").find(":1:"), std::string::npos);
}

TEST_F(PeopleFileTest, TheModuleTakesOverChangesAndKeepsWhatItHasOverMistakes) {
  const char* modules = std::getenv("MAPIGATE_MODULES");
  ASSERT_NE(modules, nullptr) << "run by meson test";
  chain::Loader loader({modules});
  const auto type = loader.find("directory");
  ASSERT_TRUE(type.has_value()) << type.error().message;
  write("[[entry]]\nname = 'A'\naddress = 'a@example.test'\n");
  const auto settings = Settings::check("[modules.people]", (*type)->settings, {{"file", file}, {"check_interval", std::string("100ms")}});
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  io::Runtime runtime;
  Metrics metrics;
  runtime.start();
  std::unique_ptr<chain::Component> component =
      (*type)->descriptor->create({runtime, metrics, "people", folder.string(), "mail.example.test", {}}, *settings);
  auto& source = dynamic_cast<Source&>(*component);
  EXPECT_EQ(source.snapshot()->size(), 1u);
  const auto until = [&](std::size_t count) {
    for (int i = 0; i < 600 && source.snapshot()->size() != count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return source.snapshot()->size() == count;
  };
  const auto id = source.snapshot()->object(0).id;
  write("[[entry]]\nname = 'B'\naddress = 'b@example.test'\n[[entry]]\nname = 'A'\naddress = 'a@example.test'\n");
  EXPECT_TRUE(until(2));
  EXPECT_EQ(source.snapshot()->object(*source.snapshot()->find_address("a@example.test")).id, id);
  write("[[entry]\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_EQ(source.snapshot()->size(), 2u);
  write("[[entry]]\nname = 'A'\naddress = 'a@example.test'\n");
  EXPECT_TRUE(until(1));
  runtime.stop();
  runtime.join();
}

}  // namespace
}  // namespace mapigate::directory
