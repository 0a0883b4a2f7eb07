#include "transport/rpc/accounts.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "base/log.h"
#include "base/text.h"

namespace mapigate::transport {

AccountFile::AccountFile(std::string path, std::function<std::string(std::string_view)> canonical)
    : path_(std::move(path)), canonical_(std::move(canonical)) {}

namespace {

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto colon = line.find(':');
    out.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos) return out;
    line.remove_prefix(colon + 1);
  }
}

bool read_hash(std::string_view text, NtHash& out) {
  Bytes raw;
  if (!from_hex(lower_ascii(trim(text)), raw) || raw.size() != out.size()) return false;
  std::copy(raw.begin(), raw.end(), out.begin());
  OPENSSL_cleanse(raw.data(), raw.size());
  return true;
}

}  // namespace

Status AccountFile::reload() {
  struct stat state {};
  if (::stat(path_.c_str(), &state) != 0) return error(Errc::unavailable, "{}: cannot be read", path_);
  const std::pair<std::int64_t, std::int64_t> stamp{state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec, state.st_size};
  if (stamp_ == stamp) return {};
  if ((state.st_mode & 0077) != 0) log::warning("{}: others can read it, and its hashes are as good as passwords: chmod 600", path_);
  std::ifstream file(path_);
  if (!file) return error(Errc::unavailable, "{}: cannot be read", path_);
  std::unordered_map<std::string, NtHash> accounts;
  std::string line;
  for (unsigned number = 1; std::getline(file, line); ++number) {
    const auto text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    const auto fields = split(text);
    const auto user = canonical_(fields[0]);
    NtHash hash{};
    const auto hash_field = fields.size() >= 4 ? 3u : 1u;  // smbpasswd(5) has it behind the number and the LM hash
    if (fields.size() < 2 || user.empty() || !read_hash(fields[hash_field], hash)) {
      log::warning("{}:{}: no account: \"user@domain:\" and 32 hex digits are wanted", path_, number);
      continue;
    }
    accounts[user] = hash;
  }
  accounts_ = std::move(accounts);
  stamp_ = stamp;
  log::info("{}: {} accounts for NTLM", path_, accounts_.size());
  return {};
}

Result<NtHash> AccountFile::find(const std::string& user) {
  if (auto read = reload(); !read) {
    if (accounts_.empty()) return read.error();
    log::warning("{}; the accounts read before stay", read.error().message);
  }
  const auto found = accounts_.find(user);
  if (found == accounts_.end()) return error(Errc::not_found, "{} has no NT hash", user);
  return found->second;
}

namespace {

using Mac = std::array<std::uint8_t, 16>;

bool hmac_md5(View key, std::initializer_list<View> parts, Mac& out) {
  Bytes all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  unsigned size = 0;
  return HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()), all.data(), all.size(), out.data(), &size) != nullptr &&
         size == out.size();
}

}  // namespace

std::optional<SessionKey> check_ntlmv2(const NtHash& hash, std::string_view user, std::string_view domain, View challenge, View response) {
  // The proof, then what the client hashed: at least its 28 bytes of head. NTLM version 1 sends 24.
  if (response.size() < 16 + 28 || challenge.size() != 8) return {};
  const auto proof = response.first(16), blob = response.subspan(16);
  Mac key, expected, session;
  if (!hmac_md5(hash, {upper_utf16(user), to_utf16(domain)}, key) || !hmac_md5(key, {challenge, blob}, expected)) return {};
  if (CRYPTO_memcmp(expected.data(), proof.data(), expected.size()) != 0) return {};
  if (!hmac_md5(key, {proof}, session)) return {};
  OPENSSL_cleanse(key.data(), key.size());
  return session;
}

bool GuessBrake::braked(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  if (found->second.since + window_ < Clock::now()) {
    entries_.erase(found);
    return false;
  }
  return found->second.count >= guesses_;
}

void GuessBrake::count(const std::string& key) {
  const auto now = Clock::now();
  if (entries_.size() >= most) entries_.clear();  // under attack from many places: the lesser evil than growing
  auto& entry = entries_[key];
  if (entry.count == 0 || entry.since + window_ < now) entry = {0, now};
  ++entry.count;
}

}  // namespace mapigate::transport
