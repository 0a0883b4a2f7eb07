// Against a real slapd.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "chain/loader.h"
#include "directory/nt_hashes.h"
#include "directory/source.h"
#include "io/runtime.h"
#include "mapi/properties.h"
#include "client.h"
#include "mapping.h"
#include "test_slapd.h"

namespace mapigate::ldap {
namespace {

using directory::EntryKind;
using mapigate::testing::Slapd;

#define NEEDS_SLAPD() \
  if (!Slapd::installed()) GTEST_SKIP() << "no /usr/sbin/slapd and ldapmodify here: packages slapd, ldap-utils"

std::string person(const std::string& uid, const std::string& cn, const std::string& more = {}, const std::string& nt = {}) {
  return "dn: uid=" + uid + ",ou=people,dc=example,dc=test\nobjectClass: inetOrgPerson\n" + nt + "uid: " + uid + "\ncn: " + cn + "\nsn: " +
         cn.substr(cn.find(' ') + 1) + "\nmail: " + uid + "@example.test\n" + more + "userPassword: pass-" + uid + "\n\n";
}

std::string tree() {
  std::string out =
      "dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
      "dn: ou=people,dc=example,dc=test\nobjectClass: organizationalUnit\nou: people\n\n";
  out += person("alice", "Alice Adams", "mail: a.adams@example.test\ntitle: Chef\nmanager: uid=bob,ou=people,dc=example,dc=test\n",
                "objectClass: sambaSamAccount\nsambaNTPassword: 878D8014606CDA29677A44EFA1353FC7\nsambaAcctFlags: [UX         ]\n");
  out += person("bob", "Bob Brown", "displayName:: QsO2YiBCcm93bg==\n");  // Böb Brown
  out += person("carol", "Carol Cole", "",
                "objectClass: sambaSamAccount\nsambaNTPassword: 878D8014606CDA29677A44EFA1353FC7\nsambaAcctFlags: [UD         ]\n");
  for (int i = 0; i < 119; ++i) out += person("p" + std::to_string(i), "Person Number" + std::to_string(i));
  out +=
      "dn: cn=Staff,ou=people,dc=example,dc=test\nobjectClass: groupOfNames\ncn: Staff\n"
      "member: uid=alice,ou=people,dc=example,dc=test\nmember: uid=bob,ou=people,dc=example,dc=test\n"
      "owner: uid=bob,ou=people,dc=example,dc=test\n\n"
      "dn: cn=Hall,ou=people,dc=example,dc=test\nobjectClass: room\ncn: Hall\nroomNumber: 7\n\n";
  return out;
}

class LdapModuleTest : public ::testing::Test {
 protected:
  LdapModuleTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mapigate-ldap-state-XXXXXX").string();
    if (mkdtemp(name.data())) state = name;
  }
  ~LdapModuleTest() override {
    stop();
    std::filesystem::remove_all(state);
  }
  void start(const std::string& url, const std::string& refresh = "200ms") {
    const char* modules = std::getenv("MAPIGATE_MODULES");
    ASSERT_NE(modules, nullptr) << "run by meson test";
    static chain::Loader loader({modules});
    const auto type = loader.find("ldap");
    ASSERT_TRUE(type.has_value()) << type.error().message;
    const auto settings = Settings::check("[modules.ldap]", (*type)->settings,
                                          {{"url", url},
                                           {"base", std::string(Slapd::base)},
                                           {"bind_dn", std::string("uid=bob,ou=people,dc=example,dc=test")},
                                           {"password", std::string("pass-bob")},
                                           {"timeout", std::string("2s")},
                                           {"page_size", std::int64_t{40}},
                                           {"writable", std::vector<std::string>{"phone", "members", "certificates"}},
                                           {"refresh_interval", refresh}});
    ASSERT_TRUE(settings.has_value()) << settings.error().message;
    runtime = std::make_unique<io::Runtime>();
    runtime->start();
    component = (*type)->descriptor->create({*runtime, metrics, "ldap", state.string(), "mail.example.test", {}}, *settings);
    source = dynamic_cast<directory::Source*>(component.get());
  }
  void stop() {
    if (!runtime) return;
    runtime->stop();
    runtime->join();
    component.reset();
    runtime.reset();
  }
  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 1200; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(50)))
      if (const auto snapshot = source->snapshot(); snapshot && condition(*snapshot)) return true;
    return false;
  }
  Status authenticate(const std::string& user, const std::string& password) {
    auto& checker = dynamic_cast<chain::Authenticator&>(*component);
    std::optional<Status> outcome;
    std::atomic<bool> done = false;
    io::spawn(runtime->executor(), check(&checker, {user, Secret(password)}, &outcome, &done));
    while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return *outcome;
  }
  static io::Task<> check(chain::Authenticator* checker, chain::Identity identity, std::optional<Status>* out, std::atomic<bool>* done) {
    auto outcome = co_await checker->authenticate(std::move(identity));
    out->emplace(std::move(outcome));
    *done = true;
  }

  std::filesystem::path state;
  Metrics metrics;
  std::unique_ptr<io::Runtime> runtime;
  std::unique_ptr<chain::Component> component;
  directory::Source* source = nullptr;
};

TEST_F(LdapModuleTest, ReadsEverybodyPageByPage) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));  // more than the server's size limit
  const auto snapshot = source->snapshot();
  const auto& alice = snapshot->object(*snapshot->find_address("a.adams@example.test"));
  EXPECT_EQ(alice.entry.display_name, "Alice Adams");
  EXPECT_EQ(alice.entry.address, "alice@example.test");
  EXPECT_EQ(alice.text(mapi::PidTagTitle), "Chef");
  EXPECT_EQ(alice.entry.key.size(), 36u);  // an entryUUID
  ASSERT_TRUE(alice.manager);
  EXPECT_EQ(snapshot->object(*alice.manager).entry.display_name, "Böb Brown");
  const auto staff = snapshot->resolve("staff");
  ASSERT_EQ(staff.size(), 1u);
  EXPECT_EQ(snapshot->object(staff[0]).entry.kind, EntryKind::group);
  EXPECT_EQ(snapshot->object(staff[0]).members.size(), 2u);
  EXPECT_EQ(snapshot->object(staff[0]).owners.size(), 1u);
  EXPECT_EQ(snapshot->object(snapshot->resolve("hall").at(0)).entry.kind, EntryKind::room);
}

TEST_F(LdapModuleTest, TakesOverChangesAndKeepsIds) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  const auto before = source->snapshot();
  const auto id = before->object(*before->find_address("alice@example.test")).id;
  slapd.modify("dn: uid=alice,ou=people,dc=example,dc=test\nchangetype: modify\nreplace: mail\nmail: new@example.test\n\n"
               "dn: uid=p7,ou=people,dc=example,dc=test\nchangetype: delete\n");
  ASSERT_TRUE(until([](const auto& s) { return s.find_address("new@example.test") && !s.find_address("p7@example.test"); }));
  const auto after = source->snapshot();
  EXPECT_EQ(after->object(*after->find_address("new@example.test")).id, id);  // the same entry under another address
  EXPECT_EQ(after->size(), 123u);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_EQ(source->snapshot(), after);  // nothing new: nothing is read
}

TEST_F(LdapModuleTest, ServesWhatItHasWhenTheServerIsAwayEvenAfterARestart) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  slapd.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(source->snapshot()->size(), 124u);
  const auto id = source->snapshot()->object(*source->snapshot()->find_address("alice@example.test")).id;
  stop();
  start(slapd.url());
  ASSERT_NE(source->snapshot(), nullptr);  // at once
  EXPECT_EQ(source->snapshot()->object(*source->snapshot()->find_address("alice@example.test")).id, id);
  slapd.start();
  slapd.modify("dn: uid=p1,ou=people,dc=example,dc=test\nchangetype: delete\n");
  EXPECT_TRUE(until([](const auto& s) { return s.size() == 123; }));
}

TEST_F(LdapModuleTest, FollowsAServerThatTellsChanges) {
  NEEDS_SLAPD();
  Slapd slapd(tree(), false);
  start(slapd.url(), "1h");  // nobody asks: only following can bring changes
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  const auto id = source->snapshot()->object(*source->snapshot()->find_address("alice@example.test")).id;
  const auto began = std::chrono::steady_clock::now();
  slapd.modify("dn: uid=alice,ou=people,dc=example,dc=test\nchangetype: modify\nreplace: mail\nmail: new@example.test\n\n"
               "dn: uid=p7,ou=people,dc=example,dc=test\nchangetype: delete\n\n"
               "dn: uid=p8,ou=people,dc=example,dc=test\nchangetype: modrdn\nnewrdn: uid=q8\ndeleteoldrdn: 1\n\n"
               "dn: uid=new,ou=people,dc=example,dc=test\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new\ncn: New One\nsn: One\n"
               "mail: one@example.test\n");
  ASSERT_TRUE(until([](const auto& s) { return s.find_address("one@example.test") && s.find_address("new@example.test") && !s.find_address("p7@example.test"); }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes(2));
  EXPECT_EQ(source->snapshot()->object(*source->snapshot()->find_address("new@example.test")).id, id);
  EXPECT_EQ(source->snapshot()->size(), 124u);
  EXPECT_EQ(source->snapshot()->object(*source->snapshot()->find_address("p8@example.test")).entry.account, "q8");
}

TEST_F(LdapModuleTest, GoesOnWhereItStoppedAfterARestartOfEitherSide) {
  NEEDS_SLAPD();
  Slapd slapd(tree(), false);
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  slapd.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(source->snapshot()->size(), 124u);  // away is not empty
  slapd.start();
  slapd.modify("dn: uid=p1,ou=people,dc=example,dc=test\nchangetype: delete\n");
  EXPECT_TRUE(until([](const auto& s) { return s.size() == 123; }));
  stop();
  slapd.modify("dn: uid=p2,ou=people,dc=example,dc=test\nchangetype: delete\n\n"
               "dn: uid=p3,ou=people,dc=example,dc=test\nchangetype: modify\nreplace: title\ntitle: Boss\n");
  start(slapd.url());
  ASSERT_NE(source->snapshot(), nullptr);
  EXPECT_TRUE(until([](const auto& s) {
    const auto third = s.find_address("p3@example.test");
    return s.size() == 122 && third && s.object(*third).text(mapi::PidTagTitle) == "Boss";
  }));
}

TEST_F(LdapModuleTest, WritesWhatItMay) {
  NEEDS_SLAPD();
  Slapd slapd(tree(), false);
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  const auto entry_of = [&](const char* name) { return source->snapshot()->object(source->snapshot()->resolve(name).at(0)).entry; };
  using How = directory::Change::How;
  ASSERT_TRUE(source->change(entry_of("alice"), {{How::replace, "phone", {"+49 1"}}}));
  EXPECT_TRUE(until([&](const auto& s) { return s.object(s.resolve("alice").at(0)).text(mapi::PidTagBusinessTelephoneNumber) == "+49 1"; }));
  ASSERT_TRUE(source->change(entry_of("staff"), {{How::remove, "members", {entry_of("alice").known_as}}, {How::add, "members", {entry_of("hall").known_as}}}));
  EXPECT_TRUE(until([&](const auto& s) { return s.object(s.resolve("staff").at(0)).members.size() == 2 && s.object(s.resolve("alice").at(0)).member_of.empty(); }));
  EXPECT_TRUE(source->change(entry_of("staff"), {{How::remove, "members", {entry_of("alice").known_as}}}));  // is gone already
  EXPECT_EQ(source->change(entry_of("alice"), {{How::replace, "title", {"King"}}}).error().code, Errc::denied);
  slapd.stop();
  EXPECT_EQ(source->change(entry_of("alice"), {{How::replace, "phone", {"1"}}}).error().code, Errc::unavailable);
}

TEST_F(LdapModuleTest, WithoutServerAndSavedDirectoryThereIsNone) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  slapd.stop();
  start(slapd.url());
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_EQ(source->snapshot(), nullptr);
  slapd.start();
  EXPECT_TRUE(until([](const auto& s) { return s.size() == 124; }));
}

TEST_F(LdapModuleTest, ChecksPasswordsByBinding) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  start(slapd.url());
  ASSERT_TRUE(until([](const auto& s) { return s.size() == 124; }));
  EXPECT_TRUE(authenticate("alice@example.test", "pass-alice"));
  EXPECT_EQ(authenticate("alice@example.test", "pass-bob").error().code, Errc::denied);
  EXPECT_EQ(authenticate("alice@example.test", "").error().code, Errc::denied);  // would be an anonymous bind
  EXPECT_EQ(authenticate("nobody@example.test", "x").error().code, Errc::denied);
  // Names are looked up in memory: nothing of them reaches a filter or a DN.
  for (const char* name : {"*", "*)(uid=*", "alice@example.test)(objectClass=*", "uid=alice,ou=people,dc=example,dc=test", "alice*", "\\2a"})
    EXPECT_EQ(authenticate(name, "pass-alice").error().code, Errc::denied) << name;
  slapd.stop();
  EXPECT_EQ(authenticate("alice@example.test", "pass-alice").error().code, Errc::unavailable);
}

TEST(Mapping, ActiveDirectory) {
  const auto ad = Mapping::create("ad", {}, {}, "");
  ASSERT_TRUE(ad.has_value()) << ad.error().message;
  Record record{"CN=Anna,DC=x", {{"objectclass", {"top", "person", "user"}}, {"objectguid", {std::string("\x01\xFF\x00\x7F", 4)}},
                                 {"mail", {"Anna@x.test"}}, {"cn", {"Anna"}}, {"msexchhidefromaddresslists", {"TRUE"}},
                                 {"proxyaddresses", {"SMTP:anna@x.test", "smtp:a@x.test", "X500:/o=Old/cn=anna", "sip:anna@x.test"}},
                                 {"legacyexchangedn", {"/o=First/cn=Recipients/cn=anna"}}, {"msexchresourcecapacity", {"12"}},
                                 {"msexchrecipienttypedetails", {"16"}}, {"publicdelegates", {"CN=Bert,DC=x"}},
                                 {"msexchdelegatelistlink", {"CN=Cora,DC=x"}},
                                 {"msexchsenderhinttranslations", {"de:Der Empfang bucht", "default:Booked by the desk: ask"}}}};
  const auto entry = ad->entry(record);
  EXPECT_EQ(entry.key, "01ff007f");
  EXPECT_EQ(entry.aliases, std::vector<std::string>{"a@x.test"});
  EXPECT_EQ(entry.former_dns, (std::vector<std::string>{"/o=First/cn=Recipients/cn=anna", "/o=Old/cn=anna"}));
  EXPECT_EQ(entry.kind, EntryKind::room);
  EXPECT_EQ(entry.capacity, 12u);
  EXPECT_EQ(entry.texts, (std::vector<std::pair<mapi::PropertyTag, std::string>>{
                             {mapi::PidTagAddressBookSenderHintTranslations, "Booked by the desk: ask"}}));
  EXPECT_TRUE(entry.hidden);
  EXPECT_EQ(entry.delegates, std::vector<std::string>{"CN=Bert,DC=x"});
  EXPECT_EQ(entry.full_access, std::vector<std::string>{"CN=Cora,DC=x"});
  EXPECT_EQ(ad->attribute_of("delegates"), "publicdelegates");  // what Outlook adds there gives no access
  const auto asked = ad->attributes();
  EXPECT_NE(std::find(asked.begin(), asked.end(), "msexchrecipienttypedetails"), asked.end());
}

// RFC 4514: the same name has many forms, and servers hand out members as they were written.
TEST(Mapping, NamesAreTheSameHoweverTheyAreEscaped) {
  const std::string one = "cn=Doe\\2C John \\2B #1,ou=people,dc=x";
  for (const char* other : {"cn=Doe\\, John \\+ \\#1,ou=people,dc=x", "cn=Doe\\2c John \\2b \\231, ou=people , dc=x", "cn=\"Doe, John + #1\",ou=people;dc=x"})
    EXPECT_EQ(canonical_dn(other), one);
  EXPECT_EQ(canonical_dn(one), one);
  EXPECT_EQ(canonical_dn("cn=Zo\\C3\\AB,dc=x"), "cn=Zo\xC3\xAB,dc=x");
  for (const char* same : {"", "alice", "a@x.test", "uid=a,dc=x", "not, a name", "\\", "cn=Zo\xC3\xAB,dc=x"}) EXPECT_EQ(canonical_dn(same), same);
  const auto mapping = Mapping::create("inetorgperson", {}, {}, "");
  ASSERT_TRUE(mapping);
  const auto entry = mapping->entry({"cn=a\\2C b,dc=x", {{"cn", {"a, b"}}, {"manager", {"cn=\\#1,dc=x"}}, {"member", {"cn=a\\,b,dc=x", "bob"}}}});
  EXPECT_EQ(entry.known_as, "cn=a\\2C b,dc=x");
  EXPECT_EQ(entry.manager, "cn=\\231,dc=x");
  EXPECT_EQ(entry.members, (std::vector<std::string>{"cn=a\\2Cb,dc=x", "bob"}));
}

TEST(Mapping, Obm) {
  const auto obm = Mapping::create("obm", {}, {"obmMailShare=room"}, "");
  ASSERT_TRUE(obm.has_value()) << obm.error().message;
  EXPECT_EQ(obm->entry({"uid=a", {{"objectclass", {"obmUser"}}, {"cn", {"A"}}, {"hiddenuser", {"TRUE"}}}}).hidden, true);
  EXPECT_EQ(obm->entry({"cn=g", {{"objectclass", {"obmGroup"}}, {"cn", {"G"}}, {"memberuid", {"a"}}}}).kind, EntryKind::group);
  EXPECT_EQ(obm->entry({"cn=s", {{"objectclass", {"obmMailShare"}}, {"cn", {"S"}}}}).kind, EntryKind::room);  // the config wins
}

TEST(Mapping, PresetsAndOverrides) {
  const auto posix = Mapping::create("posix", {"title=employeeType", "manager="}, {"posixGroup=group"}, "example.test");
  ASSERT_TRUE(posix.has_value()) << posix.error().message;
  Record record{"uid=a,dc=x", {{"objectclass", {"posixAccount"}}, {"uid", {"a"}}, {"gecos", {"Anna"}}, {"cn", {"x"}},
                               {"employeetype", {"Boss"}}, {"manager", {"uid=b"}}, {"usercertificate;binary", {std::string("\x30\x00", 2)}}}};
  const auto entry = posix->entry(record);
  EXPECT_EQ(entry.display_name, "Anna");
  EXPECT_EQ(entry.address, "a@example.test");
  EXPECT_EQ(entry.key, "uid=a,dc=x");  // no entryUUID
  EXPECT_EQ(entry.manager, "");
  ASSERT_EQ(entry.texts.size(), 1u);
  EXPECT_EQ(entry.texts[0].second, "Boss");
  ASSERT_EQ(entry.certificates.size(), 1u);
  EXPECT_EQ(entry.certificates[0].size(), 2u);
  EXPECT_NE(Mapping::create("samba", {"titel=x"}, {}, "").error().message.find("title"), std::string::npos);
  EXPECT_FALSE(Mapping::create("samba", {}, {"room=palace"}, ""));
}

TEST_F(LdapModuleTest, KnowsNtHashes) {
  NEEDS_SLAPD();
  Slapd slapd(tree());
  start(slapd.url());
  auto& hashes = dynamic_cast<directory::NtHashes&>(*component);
  ASSERT_TRUE(until([](const auto&) { return true; }));
  const auto alice = hashes.nt_hash("alice@example.test");
  ASSERT_TRUE(alice.has_value()) << alice.error().message;
  EXPECT_EQ(to_hex(*alice), "878d8014606cda29677a44efa1353fc7");
  EXPECT_TRUE(hashes.nt_hash("a.adams@example.test").has_value());
  EXPECT_EQ(hashes.nt_hash("bob@example.test").error().code, Errc::not_found);
  EXPECT_EQ(hashes.nt_hash("nobody@example.test").error().code, Errc::not_found);
  EXPECT_EQ(hashes.nt_hash("carol@example.test").error().code, Errc::denied);
  // A new password counts at once.
  slapd.modify("dn: uid=alice,ou=people,dc=example,dc=test\nchangetype: modify\nreplace: sambaNTPassword\n"
               "sambaNTPassword: 0123456789ABCDEF0123456789ABCDEF\n");
  EXPECT_EQ(to_hex(*hashes.nt_hash("alice@example.test")), "0123456789abcdef0123456789abcdef");
  slapd.stop();
  EXPECT_TRUE(hashes.nt_hash("alice@example.test").error().retryable());
}

}  // namespace
}  // namespace mapigate::ldap
