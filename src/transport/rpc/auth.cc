#include "transport/rpc/auth.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "transport/gateway.h"
#include "transport/rpc/connection.h"

// Of credentials.h, which declares its enumerations in a way that C++ does not take.
extern "C" {
cli_credentials* cli_credentials_init(TALLOC_CTX* memory);
int cli_credentials_set_keytab_name(cli_credentials* credentials, loadparm_context* lp_ctx, const char* name, int obtained);
bool cli_credentials_set_kerberos_state(cli_credentials* credentials, int state, int obtained);
bool cli_credentials_set_conf(cli_credentials* credentials, loadparm_context* lp_ctx);
}

namespace mapigate::transport {

namespace {

constexpr const char* oid_spnego = "1.3.6.1.5.5.2";
constexpr const char* oid_ntlmssp = "1.3.6.1.4.1.311.2.2.10";
constexpr const char* oid_kerberos = "1.2.840.113554.1.2.2";

// What one authentication knows; a child of its AuthContext.
struct State {
  RpcAuthentication* owner;
  char peer[64];
  std::uint8_t challenge[8];
  bool challenged;
};

// server_returned_info of gensec.
struct Authenticated {
  char* user;
};

struct CheckState {
  NTSTATUS status;
  char user[320];
  std::array<std::uint8_t, 16> key;
};

NTSTATUS get_challenge(samba::AuthContext* context, std::uint8_t challenge[8]) {
  auto* state = static_cast<State*>(context->private_data);
  if (!state->challenged) {
    if (RAND_bytes(state->challenge, sizeof state->challenge) != 1) return NT_STATUS_INTERNAL_ERROR;
    state->challenged = true;
  }
  std::memcpy(challenge, state->challenge, sizeof state->challenge);
  return NT_STATUS_OK;
}

NTSTATUS set_challenge(samba::AuthContext* context, const std::uint8_t challenge[8], const char*) {
  auto* state = static_cast<State*>(context->private_data);
  std::memcpy(state->challenge, challenge, sizeof state->challenge);
  state->challenged = true;
  return NT_STATUS_OK;
}

tevent_req* check_send(TALLOC_CTX* memory, tevent_context* ev, samba::AuthContext* context, const samba::SuppliedUser* user) {
  CheckState* check = nullptr;
  tevent_req* request = tevent_req_create(memory, &check, CheckState);
  if (request == nullptr) return nullptr;
  auto* state = static_cast<State*>(context->private_data);
  try {
    std::string canonical;
    check->status = state->owner->check(*user, View(state->challenge, sizeof state->challenge), state->peer, canonical, check->key);
    if (canonical.size() >= sizeof check->user) check->status = NT_STATUS_LOGON_FAILURE;
    else std::memcpy(check->user, canonical.c_str(), canonical.size() + 1);
  } catch (const std::exception& problem) {
    log::error("checking a password: {}", problem.what());
    check->status = NT_STATUS_INTERNAL_ERROR;
  }
  tevent_req_done(request);
  return tevent_req_post(request, ev);
}

NTSTATUS check_receive(tevent_req* request, TALLOC_CTX* memory, std::uint8_t* authoritative, void** server_info, DATA_BLOB* nt_key,
                       DATA_BLOB* lm_key) {
  auto* check = tevent_req_data(request, CheckState);
  *authoritative = 1;
  *lm_key = DATA_BLOB{nullptr, 0};
  *nt_key = DATA_BLOB{nullptr, 0};
  if (!NT_STATUS_IS_OK(check->status)) return check->status;
  auto* info = talloc_zero(memory, Authenticated);
  if (info == nullptr) return NT_STATUS_NO_MEMORY;
  info->user = talloc_strdup(info, check->user);
  nt_key->data = static_cast<std::uint8_t*>(talloc_memdup(memory, check->key.data(), check->key.size()));
  nt_key->length = check->key.size();
  OPENSSL_cleanse(check->key.data(), check->key.size());
  if (info->user == nullptr || nt_key->data == nullptr) return NT_STATUS_NO_MEMORY;
  *server_info = info;
  return NT_STATUS_OK;
}

// A SID that belongs to the name and to nothing in the world: Samba's core compares owners by it.
dom_sid sid_of(std::string_view user) {
  std::uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(user.data()), user.size(), digest);
  dom_sid sid{};
  sid.sid_rev_num = 1;
  sid.num_auths = 5;
  sid.id_auth[5] = 5;
  sid.sub_auths[0] = 21;
  for (unsigned i = 0; i < 4; ++i) std::memcpy(&sid.sub_auths[1 + i], digest + 4 * i, 4);
  return sid;
}

auth_session_info* make_session_info(TALLOC_CTX* memory, const char* user, const dom_sid& sid, bool authenticated) {
  auto* info = talloc_zero(memory, auth_session_info);
  if (info == nullptr) return nullptr;
  info->security_token = talloc_zero(info, security_token);
  info->info = talloc_zero(info, auth_user_info);
  if (info->security_token == nullptr || info->info == nullptr) return nullptr;
  // The user and the primary group, at the places where Samba looks for them.
  info->security_token->sids = talloc_zero_array(info->security_token, dom_sid, 2);
  info->info->account_name = talloc_strdup(info->info, user);
  info->info->domain_name = talloc_strdup(info->info, "");
  if (info->security_token->sids == nullptr || info->info->account_name == nullptr) return nullptr;
  info->security_token->num_sids = 2;
  info->security_token->sids[0] = info->security_token->sids[1] = sid;
  info->info->authenticated = authenticated ? 1 : 0;
  return info;
}

NTSTATUS session_info(samba::AuthContext*, TALLOC_CTX* memory, void* server_info, const char*, std::uint32_t, auth_session_info** out) {
  const auto* user = static_cast<Authenticated*>(server_info)->user;
  *out = *user == '\0' ? RpcAuthentication::anonymous(memory) : make_session_info(memory, user, sid_of(user), true);
  return *out == nullptr ? NT_STATUS_NO_MEMORY : NT_STATUS_OK;
}

// Of a ticket. Its PAC, if there is one, says nothing that matters here.
NTSTATUS session_info_pac(samba::AuthContext* context, TALLOC_CTX* memory, smb_krb5_context*, DATA_BLOB*, const char* principal,
                          const tsocket_address*, std::uint32_t, auth_session_info** out) {
  try {
    const auto* state = static_cast<const State*>(context->private_data);
    const auto user = state->owner->user_of(principal);
    if (user.empty()) {
      log::warning("nobody here is {}, who has a ticket, from {}", principal, state->peer);
      return NT_STATUS_LOGON_FAILURE;
    }
    *out = make_session_info(memory, user.c_str(), sid_of(user), true);
    return *out == nullptr ? NT_STATUS_NO_MEMORY : NT_STATUS_OK;
  } catch (const std::exception& problem) {
    log::error("looking at a ticket: {}", problem.what());
    return NT_STATUS_INTERNAL_ERROR;
  }
}

}  // namespace

RpcAuthentication::RpcAuthentication(Gateway& gateway, const samba::PrivateFunctions& functions, const RpcOptions& options,
                                     loadparm_context* lp_ctx)
    : gateway_(gateway),
      functions_(functions),
      accounts_given_(!options.accounts.empty()),
      accounts_(options.accounts, [&gateway](std::string_view typed) { return gateway.canonical_user(typed); }),
      brake_(gateway.options().auth.guesses, gateway.options().auth.window),
      realm_(options.realm) {
  backends_[0] = functions_.gensec_security_by_oid(nullptr, oid_spnego);
  backends_[1] = functions_.gensec_security_by_oid(nullptr, oid_ntlmssp);
  if (backends_[0] == nullptr || backends_[1] == nullptr) throw std::runtime_error("Samba's gensec has no NTLMSSP or SPNEGO");
  if (!options.keytab.empty()) take_keytab(options.keytab, lp_ctx);
  settings_ = talloc_zero(lp_ctx, samba::GensecSettings);
  if (settings_ == nullptr) throw std::bad_alloc();
  settings_->lp_ctx = lp_ctx;
  settings_->backends = backends_;
  settings_->server_dns_name = gateway.options().server_name.c_str();
  settings_->server_dns_domain = gateway.options().default_domain.c_str();
  settings_->server_netbios_name = "MAPIGATE";
  settings_->server_netbios_domain = "MAPIGATE";
  if (accounts_given_)
    if (auto read = accounts_.reload(); !read) log::warning("[rpc] {}", read.error().message);
}

void RpcAuthentication::take_keytab(const std::string& file, loadparm_context* lp_ctx) {
  constexpr int specified = 4, must_use_kerberos = 2;  // CRED_SPECIFIED, CRED_USE_KERBEROS_REQUIRED
  backends_[2] = functions_.gensec_security_by_oid(nullptr, oid_kerberos);
  if (backends_[2] == nullptr) throw std::runtime_error("Samba's gensec has no Kerberos");
  credentials_ = cli_credentials_init(lp_ctx);
  if (credentials_ == nullptr) throw std::bad_alloc();
  cli_credentials_set_conf(credentials_, lp_ctx);
  cli_credentials_set_kerberos_state(credentials_, must_use_kerberos, specified);
  if (const int failed = cli_credentials_set_keytab_name(credentials_, lp_ctx, ("FILE:" + file).c_str(), specified); failed != 0)
    throw std::runtime_error(fmt::format("the keytab {} cannot be used: error {}", file, failed));
}

std::string RpcAuthentication::user_of(const std::string& principal) const {
  const auto at = principal.rfind('@');
  if (at == std::string::npos || principal.find('/') != std::string::npos) return {};  // a host or service
  // The realm that is said to be ours has the users of the default domain; others are domains by themselves.
  if (!realm_.empty() && equal_ignoring_ascii_case(principal.substr(at + 1), realm_)) return gateway_.canonical_user(principal.substr(0, at));
  return gateway_.canonical_user(principal);
}

NTSTATUS RpcAuthentication::make(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, gensec_security** out) {
  auto* context = talloc_zero(memory, samba::AuthContext);
  auto* state = context == nullptr ? nullptr : talloc_zero(context, State);
  if (state == nullptr) return NT_STATUS_NO_MEMORY;
  state->owner = this;
  std::strncpy(state->peer, peer.c_str(), sizeof state->peer - 1);
  context->event_ctx = events;
  context->lp_ctx = settings_->lp_ctx;
  context->private_data = state;
  context->check_password_send = check_send;
  context->check_password_recv = check_receive;
  context->get_challenge = get_challenge;
  context->set_challenge = set_challenge;
  context->session_info = session_info;
  context->session_info_pac = session_info_pac;
  const auto status = functions_.gensec_server_start(memory, settings_, context, out);
  if (!NT_STATUS_IS_OK(status) || credentials_ == nullptr) return status;
  return functions_.gensec_set_credentials(*out, credentials_);
}

NTSTATUS RpcAuthentication::prepare(TALLOC_CTX* memory, dcesrv_call_state* call, gensec_security** out) {
  return make(memory, call->event_ctx, static_cast<RpcConnection*>(call->conn->transport.private_data)->caller().peer, out);
}

NTSTATUS RpcAuthentication::begin(TALLOC_CTX* memory, tevent_context* events, const std::string& peer, bool spnego, gensec_security** out) {
  const auto status = make(memory, events, peer, out);
  return NT_STATUS_IS_OK(status) ? functions_.gensec_start_mech_by_oid(*out, spnego ? oid_spnego : oid_ntlmssp) : status;
}

auth_session_info* RpcAuthentication::anonymous(TALLOC_CTX* memory) {
  dom_sid sid{};  // S-1-5-7
  sid.sid_rev_num = 1;
  sid.num_auths = 1;
  sid.id_auth[5] = 5;
  sid.sub_auths[0] = 7;
  return make_session_info(memory, "ANONYMOUS LOGON", sid, false);
}

NTSTATUS RpcAuthentication::check(const samba::SuppliedUser& user, View challenge, const std::string& peer, std::string& canonical,
                                  std::array<std::uint8_t, 16>& key) {
  constexpr int challenge_and_response = 3;
  const char* account = user.client.account == nullptr ? "" : user.client.account;
  const char* domain = user.client.domain == nullptr ? "" : user.client.domain;
  if (user.password_state != challenge_and_response) return NT_STATUS_LOGON_FAILURE;
  if (*account == '\0') {
    // Anonymous, with a key that everybody knows ([MS-NLMP] 3.2.5.1.2): the endpoint mapper is for such callers, too.
    if (user.response.nt.length != 0) return NT_STATUS_LOGON_FAILURE;
    canonical.clear();
    key.fill(0);
    return NT_STATUS_OK;
  }
  canonical = gateway_.canonical_user(account);
  const auto brake_key = peer + '\n' + canonical;
  if (canonical.empty() || !accounts_given_) return NT_STATUS_LOGON_FAILURE;
  if (brake_.braked(brake_key)) {
    log::warning("too many wrong passwords for {} from {} by NTLM", canonical, peer);
    return NT_STATUS_ACCOUNT_LOCKED_OUT;
  }
  const auto hash = accounts_.find(canonical);
  if (!hash && hash.error().code != Errc::not_found) {
    log::warning("cannot check the password of {}: {}", canonical, hash.error().message);
    return NT_STATUS_NO_LOGON_SERVERS;
  }
  if (hash) {
    const auto& response = user.response.nt;
    if (const auto good = check_ntlmv2(*hash, account, domain, challenge, View(response.data, response.length))) {
      key = *good;
      return NT_STATUS_OK;
    }
  }
  brake_.count(brake_key);
  log::warning("wrong password for {} from {} by NTLM", canonical, peer);
  return NT_STATUS_LOGON_FAILURE;
}

}  // namespace mapigate::transport
