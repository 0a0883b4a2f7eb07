#include "upstream/ntlm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "base/cursor.h"
#include "base/text.h"
#include "base/time.h"

namespace mapigate::upstream {

namespace ntlm {

namespace {

// MD4 and RC4 stand in OpenSSL's "legacy" provider; a library context of its own keeps them away from everybody else.
struct Legacy {
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  OSSL_PROVIDER* provider = context == nullptr ? nullptr : OSSL_PROVIDER_load(context, "legacy");
  EVP_MD* md4 = provider == nullptr ? nullptr : EVP_MD_fetch(context, "MD4", nullptr);
  EVP_CIPHER* rc4 = provider == nullptr ? nullptr : EVP_CIPHER_fetch(context, "RC4", nullptr);
  ~Legacy() {
    EVP_CIPHER_free(rc4);
    EVP_MD_free(md4);
    if (provider != nullptr) OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(context);
  }
};
const Legacy& legacy() {
  static const Legacy one;
  return one;
}
Error no_legacy() { return error(Errc::unsupported, "NTLM needs OpenSSL's legacy provider, which is not installed"); }

Key hmac_md5(View key, std::initializer_list<View> parts) {
  Bytes all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  Key out{};
  unsigned size = 0;
  HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()), all.data(), all.size(), out.data(), &size);
  return out;
}

Key md5(std::initializer_list<View> parts) {
  Bytes all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  Key out{};
  unsigned size = 0;
  EVP_Digest(all.data(), all.size(), out.data(), &size, EVP_md5(), nullptr);
  return out;
}

}  // namespace

Result<Key> response_key(const Secret& password, std::string_view user, std::string_view domain) {
  if (legacy().md4 == nullptr) return no_legacy();
  Bytes plain = to_utf16(password.reveal());
  Key hash{};
  unsigned size = 0;
  const bool done = EVP_Digest(plain.data(), plain.size(), hash.data(), &size, legacy().md4, nullptr) == 1;
  OPENSSL_cleanse(plain.data(), plain.size());
  if (!done) return no_legacy();
  const auto key = hmac_md5(hash, {upper_utf16(user), to_utf16(domain)});
  OPENSSL_cleanse(hash.data(), hash.size());
  return key;
}

Response respond(const Key& key, View server_challenge, View client_challenge, std::uint64_t time, View target_info) {
  Bytes blob;
  Output out(blob);
  out.scalar<std::uint8_t>(1);  // RespType, HiRespType
  out.scalar<std::uint8_t>(1);
  out.scalar<std::uint16_t>(0);
  out.scalar<std::uint32_t>(0);
  out.scalar(time);
  out.bytes(client_challenge);
  out.scalar<std::uint32_t>(0);
  out.bytes(target_info);
  out.scalar<std::uint32_t>(0);
  const auto proof = hmac_md5(key, {server_challenge, blob});
  Response made;
  made.nt.assign(proof.begin(), proof.end());
  made.nt.insert(made.nt.end(), blob.begin(), blob.end());
  made.session_key = hmac_md5(key, {proof});
  return made;
}

struct Direction::Cipher {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Cipher() = default;
  Cipher(const Cipher&) = delete;
  ~Cipher() { EVP_CIPHER_CTX_free(context); }
  bool start(const Key& key) {
    return context != nullptr && legacy().rc4 != nullptr && EVP_EncryptInit_ex2(context, legacy().rc4, key.data(), nullptr, nullptr) == 1;
  }
  bool run(std::span<std::uint8_t> bytes) {
    int size = 0;
    return bytes.empty() || EVP_EncryptUpdate(context, bytes.data(), &size, bytes.data(), static_cast<int>(bytes.size())) == 1;
  }
};

Direction::Direction() = default;
Direction::~Direction() { OPENSSL_cleanse(signing_key_.data(), signing_key_.size()); }
Direction::Direction(Direction&&) noexcept = default;

Status Direction::start(const Key& exported_session_key, bool to_server) {
  constexpr std::string_view sign[] = {"session key to server-to-client signing key magic constant",
                                       "session key to client-to-server signing key magic constant"};
  constexpr std::string_view seal[] = {"session key to server-to-client sealing key magic constant",
                                       "session key to client-to-server sealing key magic constant"};
  const std::uint8_t zero = 0;  // the constants end with it
  signing_key_ = md5({exported_session_key, as_view(sign[to_server]), View(&zero, 1)});
  auto sealing_key = md5({exported_session_key, as_view(seal[to_server]), View(&zero, 1)});
  cipher_ = std::make_unique<Cipher>();
  const bool done = cipher_->start(sealing_key);
  OPENSSL_cleanse(sealing_key.data(), sealing_key.size());
  sequence_ = 0;
  return done ? Status() : Status(no_legacy());
}

Result<std::array<std::uint8_t, 16>> Direction::sign(View message, std::span<std::uint8_t> body, bool seal) {
  std::array<std::uint8_t, 4> sequence{};
  std::memcpy(sequence.data(), &sequence_, 4);
  auto mac = hmac_md5(signing_key_, {sequence, message});
  if (seal && !cipher_->run(body)) return no_legacy();
  if (!cipher_->run(std::span(mac).first(8))) return no_legacy();
  std::array<std::uint8_t, 16> out{1, 0, 0, 0};
  std::copy_n(mac.begin(), 8, out.begin() + 4);
  std::copy(sequence.begin(), sequence.end(), out.begin() + 12);
  ++sequence_;
  return out;
}

Status Direction::decrypt(std::span<std::uint8_t> body) { return cipher_->run(body) ? Status() : Status(no_legacy()); }
Result<std::array<std::uint8_t, 16>> Direction::signature(View message) { return sign(message, {}, false); }

}  // namespace ntlm

namespace {

using ntlm::Key;

// [MS-NLMP] 2.2.2.5 NEGOTIATE.
enum Negotiate : std::uint32_t {
  UNICODE = 0x00000001, REQUEST_TARGET = 0x00000004, SIGN = 0x00000010, SEAL = 0x00000020, NTLM = 0x00000200,
  ALWAYS_SIGN = 0x00008000, EXTENDED_SESSIONSECURITY = 0x00080000, TARGET_INFO = 0x00800000, VERSION = 0x02000000,
  BITS_128 = 0x20000000, KEY_EXCH = 0x40000000, BITS_56 = 0x80000000,
};
constexpr std::uint32_t wanted = UNICODE | REQUEST_TARGET | SIGN | SEAL | NTLM | ALWAYS_SIGN | EXTENDED_SESSIONSECURITY | TARGET_INFO |
                                 VERSION | BITS_128 | KEY_EXCH | BITS_56;
// Without these there is no NTLMv2 with 128 bits.
constexpr std::uint32_t needed = UNICODE | NTLM | EXTENDED_SESSIONSECURITY | TARGET_INFO | BITS_128 | KEY_EXCH;

// [MS-NLMP] 2.2.2.1 AV_PAIR.
enum AvId : std::uint16_t { MsvAvEOL = 0, MsvAvFlags = 6, MsvAvTimestamp = 7, MsvAvTargetName = 9, MsvAvChannelBindings = 10 };
constexpr std::uint32_t with_mic = 0x00000002;  // of MsvAvFlags

constexpr std::string_view signature = "NTLMSSP";
constexpr std::array<std::uint8_t, 8> version{10, 0, 0x63, 0x45, 0, 0, 0, 15};  // a client of today: NTLMSSP_REVISION_W2K3

struct Challenge {
  std::uint32_t flags = 0;
  View challenge;
  std::vector<std::pair<std::uint16_t, View>> info;
  std::uint64_t time = 0;  // zero: not given
};

Result<Challenge> read_challenge(View message) {
  Cursor cursor(message);
  const auto name = cursor.bytes(8);
  const auto type = cursor.scalar<std::uint32_t>();
  cursor.skip(8);  // TargetName
  Challenge out;
  out.flags = cursor.scalar<std::uint32_t>();
  out.challenge = cursor.bytes(8);
  cursor.skip(8);
  const auto size = cursor.scalar<std::uint16_t>();
  cursor.skip(2);
  const auto offset = cursor.scalar<std::uint32_t>();
  if (!cursor.ok() || as_text(name).substr(0, 7) != signature || type != 2) return error(Errc::malformed, "no NTLM challenge");
  if (offset > message.size() || size > message.size() - offset) return error(Errc::malformed, "an NTLM challenge that is cut off");
  Cursor pairs(message.subspan(offset, size));
  while (pairs.left() != 0) {
    const auto id = pairs.scalar<std::uint16_t>();
    const auto length = pairs.scalar<std::uint16_t>();
    const auto value = pairs.bytes(length);
    if (!pairs.ok()) return error(Errc::malformed, "an NTLM challenge with a bad TargetInfo");
    if (id == MsvAvEOL) break;
    if (id == MsvAvTimestamp && value.size() == 8) std::memcpy(&out.time, value.data(), 8);
    out.info.emplace_back(id, value);
  }
  return out;
}

// RFC 4121 4.1.1.2 and [MS-NLMP] 2.2.2.1: MD5 of gss_channel_bindings_struct with no addresses.
Key channel_hash(View end_point) {
  Bytes bindings(16, 0);
  const std::string_view prefix = "tls-server-end-point:";
  Output out(bindings);
  out.scalar(static_cast<std::uint32_t>(prefix.size() + end_point.size()));
  out.bytes(as_view(prefix));
  out.bytes(end_point);
  Key hash{};
  unsigned size = 0;
  EVP_Digest(bindings.data(), bindings.size(), hash.data(), &size, EVP_md5(), nullptr);
  return hash;
}

class Ntlm final : public SecurityContext {
 public:
  Ntlm(Credentials credentials, SecurityTarget target) : credentials_(std::move(credentials)), target_(std::move(target)) {
    user_ = credentials_.user;
    if (const auto slash = user_.find('\\'); slash != std::string::npos) {
      domain_ = user_.substr(0, slash);
      user_.erase(0, slash + 1);
    }
  }

  Task<Result<Bytes>> step(Bytes from_server) override {
    if (from_server.empty()) co_return negotiate();
    co_return authenticate(from_server);
  }
  bool established() const override { return established_; }
  std::size_t signature_size(bool) override { return 16; }

  Result<Bytes> protect(bool seal, View before, std::span<std::uint8_t> body, View after) override {
    joined(before, body, after);
    auto made = to_server_.sign(message_, body, seal);
    if (!made) return made.error();
    return Bytes(made->begin(), made->end());
  }

  Status unprotect(bool seal, View before, std::span<std::uint8_t> body, View after, View given) override {
    if (seal)
      if (auto done = from_server_.decrypt(body); !done) return done;
    joined(before, body, after);
    const auto right = from_server_.signature(message_);
    if (!right) return right.error();
    if (given.size() != right->size() || CRYPTO_memcmp(given.data(), right->data(), right->size()) != 0)
      return error(Errc::malformed, "the server's signature is wrong");
    return {};
  }

 private:
  void joined(View before, View body, View after) {
    message_.assign(before.begin(), before.end());
    message_.insert(message_.end(), body.begin(), body.end());
    message_.insert(message_.end(), after.begin(), after.end());
  }

  Bytes negotiate() {
    negotiate_.clear();
    Output out(negotiate_);
    out.bytes(as_view(signature));
    out.scalar<std::uint8_t>(0);
    out.scalar<std::uint32_t>(1);
    out.scalar(wanted);
    out.scalar<std::uint64_t>(0);  // no domain, no workstation
    out.scalar<std::uint64_t>(0);
    out.bytes(version);
    return negotiate_;
  }

  Result<Bytes> authenticate(View message) {
    const auto challenge = read_challenge(message);
    if (!challenge) return challenge.error();
    if ((challenge->flags & needed) != needed)
      return error(Errc::denied, "the server wants a weaker NTLM than version 2 with 128 bits (flags {:#x})", challenge->flags);
    auto key = ntlm::response_key(credentials_.password, user_, domain_);
    if (!key) return key.error();
    std::array<std::uint8_t, 8> nonce{};
    Key exported{};
    if (RAND_bytes(nonce.data(), nonce.size()) != 1 || RAND_bytes(exported.data(), exported.size()) != 1)
      return error(Errc::internal, "no random numbers to be had");
    const auto response = ntlm::respond(*key, challenge->challenge, nonce, challenge->time == 0 ? now().ticks : challenge->time,
                                        target_info(*challenge));
    OPENSSL_cleanse(key->data(), key->size());

    Key encrypted = exported;
    EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
    int size = 0;
    const bool exchanged = EVP_EncryptInit_ex2(cipher, ntlm::legacy().rc4, response.session_key.data(), nullptr, nullptr) == 1 &&
                           EVP_EncryptUpdate(cipher, encrypted.data(), &size, encrypted.data(), static_cast<int>(encrypted.size())) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (!exchanged) return ntlm::no_legacy();

    // [MS-NLMP] 2.2.1.3: lengths and offsets first, then what they point to.
    const Bytes lm(24, 0), domain = to_utf16(domain_), user = to_utf16(user_);
    constexpr std::size_t head = 88, mic_at = 72;
    std::uint32_t at = head;
    Bytes out_bytes;
    Output out(out_bytes);
    out.bytes(as_view(signature));
    out.scalar<std::uint8_t>(0);
    out.scalar<std::uint32_t>(3);
    const auto field = [&](std::size_t length) {
      out.scalar(static_cast<std::uint16_t>(length));
      out.scalar(static_cast<std::uint16_t>(length));
      out.scalar(at);
      at += static_cast<std::uint32_t>(length);
    };
    field(lm.size());
    field(response.nt.size());
    field(domain.size());
    field(user.size());
    field(0);  // workstation
    field(encrypted.size());
    out.scalar(challenge->flags & wanted);
    out.bytes(version);
    out.bytes(Key{});  // MIC
    out.bytes(lm);
    out.bytes(response.nt);
    out.bytes(domain);
    out.bytes(user);
    out.bytes(encrypted);
    if (challenge->time != 0) {
      const auto mic = ntlm::hmac_md5(exported, {negotiate_, message, out_bytes});
      std::copy(mic.begin(), mic.end(), out_bytes.begin() + mic_at);
    }
    auto started = to_server_.start(exported, true);
    if (started) started = from_server_.start(exported, false);
    OPENSSL_cleanse(exported.data(), exported.size());
    if (!started) return started.error();
    established_ = true;
    return out_bytes;
  }

  // What the server gave, and what we add to it ([MS-NLMP] 3.1.5.1.2).
  Bytes target_info(const Challenge& challenge) const {
    Bytes bytes;
    Output out(bytes);
    const auto pair = [&](std::uint16_t id, View value) {
      out.scalar(id);
      out.scalar(static_cast<std::uint16_t>(value.size()));
      out.bytes(value);
    };
    for (const auto& [id, value] : challenge.info)
      if (id != MsvAvFlags && id != MsvAvChannelBindings && id != MsvAvTargetName) pair(id, value);
    if (challenge.time != 0) {
      const std::array<std::uint8_t, 4> flags{with_mic, 0, 0, 0};
      pair(MsvAvFlags, flags);
      pair(MsvAvChannelBindings, target_.channel.empty() ? Key{} : channel_hash(target_.channel));
      pair(MsvAvTargetName, to_utf16(target_.service + "/" + target_.host));
    }
    pair(MsvAvEOL, {});
    return bytes;
  }

  Credentials credentials_;
  SecurityTarget target_;
  std::string user_, domain_;
  Bytes negotiate_, message_;
  bool established_ = false;
  ntlm::Direction to_server_, from_server_;
};

}  // namespace

std::unique_ptr<SecurityContext> make_ntlm_context(Credentials credentials, SecurityTarget target) {
  return std::make_unique<Ntlm>(std::move(credentials), std::move(target));
}

}  // namespace mapigate::upstream
