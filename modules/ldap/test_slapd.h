// A real slapd in a private folder for C++ tests.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace mapigate::testing {

class Slapd {
 public:
  static constexpr const char* base = "dc=example,dc=test";
  static constexpr const char* admin = "cn=admin,dc=example,dc=test";
  static constexpr const char* password = "secret";
  // False where none is installed: the test has to skip, visibly.
  static bool installed();

  // Filled and started; throws if it does not come up. `limited`: searches of users end after 50 entries but for pages.
  explicit Slapd(const std::string& ldif, bool limited = true);
  ~Slapd();
  Slapd(const Slapd&) = delete;

  std::string url() const;
  const std::string& folder() const { return folder_; }
  void start();
  void stop();
  void modify(const std::string& ldif) const;  // changetype lines; throws when it is refused

 private:
  std::string folder_;
  unsigned short port_;
  pid_t pid_ = -1;
};

}  // namespace mapigate::testing
