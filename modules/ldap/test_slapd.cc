#include "test_slapd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>

namespace mapigate::testing {

namespace {

pid_t run(const std::vector<std::string>& arguments, const std::string& output) {
  std::vector<char*> raw;
  for (const auto& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that crashes leaves no server behind
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execv(raw[0], raw.data());
  ::_exit(127);
}

int run_to_end(const std::vector<std::string>& arguments, const std::string& output) {
  int status = 0;
  ::waitpid(run(arguments, output), &status, 0);
  return status;
}

bool reaches(unsigned short port, bool listening) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* where = reinterpret_cast<sockaddr*>(&address);
  const bool done = (listening ? ::bind(made, where, sizeof address) : ::connect(made, where, sizeof address)) == 0;
  ::close(made);
  return done;
}

// Not one of those that the system gives to whoever asks for any: it would be somebody else's before the server listens, or
// restarts.
unsigned short free_port() {
  static std::mt19937 random{std::random_device()()};
  for (int i = 0; i < 10'000; ++i)
    if (const auto port = std::uniform_int_distribution<unsigned short>(20'000, 31'999)(random); reaches(port, true)) return port;
  throw std::runtime_error("no free port");
}

}  // namespace

bool Slapd::installed() { return ::access("/usr/sbin/slapd", X_OK) == 0 && ::access("/usr/bin/ldapmodify", X_OK) == 0; }

std::string Slapd::url() const { return "ldap://127.0.0.1:" + std::to_string(port_); }

Slapd::Slapd(const std::string& ldif, bool limited) : port_(free_port()) {
  char pattern[] = "/tmp/mapigate-ldap-XXXXXX";
  if (::mkdtemp(pattern) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  std::filesystem::create_directory(folder_ + "/db");
  std::ofstream(folder_ + "/slapd.conf")
      << "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/nis.schema\n"
      << "include /etc/ldap/schema/inetorgperson.schema\n"
      // What of Samba's schema is read here; it is not installed with slapd.
      << "attributetype ( 1.3.6.1.4.1.7165.2.1.25 NAME 'sambaNTPassword' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )\n"
      << "attributetype ( 1.3.6.1.4.1.7165.2.1.26 NAME 'sambaAcctFlags' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )\n"
      << "objectclass ( 1.3.6.1.4.1.7165.2.2.6 NAME 'sambaSamAccount' SUP top AUXILIARY MAY ( sambaNTPassword $ sambaAcctFlags ) )\n"
      << "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\n"
      << "pidfile " << folder_ << "/pid\nsizelimit " << (limited ? "50" : "unlimited") << "\n"  // paging is to get around it
      << "database mdb\nsuffix " << base << "\nrootdn " << admin << "\nrootpw " << password << "\ndirectory " << folder_ << "/db\n"
      << (limited ? "limits users size.soft=50 size.hard=50 size.prtotal=unlimited\n" : "")
      << "maxsize 67108864\nindex objectClass eq\noverlay syncprov\n"
      << "access to attrs=userPassword by anonymous auth by * none\n"
      << "access to * by dn.exact=\"uid=bob,ou=people,dc=example,dc=test\" write by users read by anonymous auth\n";
  std::ofstream(folder_ + "/start.ldif") << ldif;
  if (run_to_end({"/usr/sbin/slapadd", "-q", "-f", folder_ + "/slapd.conf", "-l", folder_ + "/start.ldif"}, folder_ + "/log") != 0) {
    std::ifstream log(folder_ + "/log");
    throw std::runtime_error("slapadd: " + std::string(std::istreambuf_iterator<char>(log), {}));
  }
  start();
}

Slapd::~Slapd() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Slapd::start() {
  pid_ = run({"/usr/sbin/slapd", "-f", folder_ + "/slapd.conf", "-h", url(), "-d", "0"}, folder_ + "/log");
  for (int i = 0; i < 400; ++i) {
    if (reaches(port_, false)) return;
    ::usleep(50'000);
  }
  throw std::runtime_error("slapd does not answer");
}

void Slapd::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGINT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Slapd::modify(const std::string& ldif) const {
  std::ofstream(folder_ + "/change.ldif") << ldif;
  if (run_to_end({"/usr/bin/ldapmodify", "-x", "-H", url(), "-D", admin, "-w", password, "-f", folder_ + "/change.ldif"},
                 folder_ + "/log") != 0)
    throw std::runtime_error("ldapmodify was refused");
}

}  // namespace mapigate::testing
