#include "transport/rpc/auth.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "io/runtime.h"
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

constexpr auto helper_limit = std::chrono::seconds(20);
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

// `request` is null once nobody waits for it any more.
struct Waiter {
  tevent_req* request;
};

struct CheckState {
  NTSTATUS status;
  char user[320];
  SessionKey key;
  std::shared_ptr<Waiter>* waiter;
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

int forget_check(CheckState* check) {
  (*check->waiter)->request = nullptr;
  delete check->waiter;
  return 0;
}

tevent_req* check_send(TALLOC_CTX* memory, tevent_context* ev, samba::AuthContext* context, const samba::SuppliedUser* user) {
  CheckState* check = nullptr;
  tevent_req* request = tevent_req_create(memory, &check, CheckState);
  if (request == nullptr) return nullptr;
  auto waiter = std::make_shared<Waiter>(Waiter{request});
  check->status = NT_STATUS_INTERNAL_ERROR;
  check->waiter = new std::shared_ptr<Waiter>(waiter);
  talloc_set_destructor(check, forget_check);
  auto* state = static_cast<State*>(context->private_data);
  try {
    state->owner->check(*user, View(state->challenge, sizeof state->challenge), state->peer, [waiter](const RpcAuthentication::Outcome& outcome) {
      if (waiter->request == nullptr) return;
      auto* result = tevent_req_data(waiter->request, CheckState);
      result->status = outcome.status;
      result->key = outcome.key;
      if (outcome.user.size() >= sizeof result->user) result->status = NT_STATUS_LOGON_FAILURE;
      else std::memcpy(result->user, outcome.user.c_str(), outcome.user.size() + 1);
      tevent_req_done(waiter->request);
    });
  } catch (const std::exception& problem) {
    log::error("checking a password: {}", problem.what());
    tevent_req_done(request);
  }
  return tevent_req_is_in_progress(request) ? request : tevent_req_post(request, ev);
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
                                     loadparm_context* lp_ctx, std::shared_ptr<rpc::Inbox> inbox)
    : gateway_(gateway),
      functions_(functions),
      inbox_(std::move(inbox)),
      accounts_given_(!options.accounts.empty()),
      accounts_(options.accounts, [&gateway](std::string_view typed) { return gateway.canonical_user(typed); }),
      brake_(gateway.options().auth.guesses, gateway.options().auth.window),
      domain_(options.nt_domain),
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
  settings_->server_netbios_domain = domain_.c_str();
  if (options.directory != nullptr || !options.ntlm_helper.empty())
    elsewhere_ = std::make_shared<const Elsewhere>(
        Elsewhere{options.directory, options.ntlm_helper.empty() ? nullptr : std::make_unique<NtlmHelpers>(options.ntlm_helper, helper_limit), domain_});
  if (accounts_given_)
    if (auto read = accounts_.reload(); !read) log::warning("[rpc] {}", read.error().message);
}

void RpcAuthentication::take_keytab(const std::string& file, loadparm_context* lp_ctx) {
  constexpr int specified = 4, may_use_kerberos = 1;  // CRED_SPECIFIED, CRED_USE_KERBEROS_DESIRED: required leaves no NTLM
  backends_[2] = functions_.gensec_security_by_oid(nullptr, oid_kerberos);
  if (backends_[2] == nullptr) throw std::runtime_error("Samba's gensec has no Kerberos");
  credentials_ = cli_credentials_init(lp_ctx);
  if (credentials_ == nullptr) throw std::bad_alloc();
  cli_credentials_set_conf(credentials_, lp_ctx);
  cli_credentials_set_kerberos_state(credentials_, may_use_kerberos, specified);
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

void RpcAuthentication::check(const samba::SuppliedUser& user, View challenge, const std::string& peer, std::function<void(Outcome)> done) {
  constexpr int challenge_and_response = 3;
  auto question = std::make_shared<Question>();
  question->account = user.client.account == nullptr ? "" : user.client.account;
  question->domain = user.client.domain == nullptr ? "" : user.client.domain;
  question->peer = peer;
  const auto& response = user.response.nt;
  if (user.password_state != challenge_and_response) return done({NT_STATUS_LOGON_FAILURE, {}});
  // Anonymous, with a key that everybody knows ([MS-NLMP] 3.2.5.1.2): the endpoint mapper is for such callers, too.
  if (question->account.empty()) return done({response.length != 0 ? NT_STATUS_LOGON_FAILURE : NT_STATUS_OK, {}});
  question->user = gateway_.canonical_user(question->account);
  if (question->user.empty() || (!accounts_given_ && elsewhere_ == nullptr)) return done({NT_STATUS_LOGON_FAILURE, {}});
  if (brake_.braked(peer + '\n' + question->user)) {
    log::warning("too many wrong passwords for {} from {} by NTLM", question->user, peer);
    return done({NT_STATUS_ACCOUNT_LOCKED_OUT, {}});
  }
  std::copy_n(challenge.begin(), question->challenge.size(), question->challenge.begin());
  question->response.assign(response.data, response.data + response.length);
  const auto hash = accounts_given_ ? accounts_.find(question->user) : Result<NtHash>(error(Errc::not_found, "no file"));
  if (!hash && hash.error().code == Errc::not_found && elsewhere_ != nullptr) {
    auto answered = [this, question, done = std::move(done)](const Result<SessionKey>& answer) { done(judged(*question, answer)); };
    auto task = ask(elsewhere_, question, &gateway_.runtime(), inbox_, std::move(answered));
    return io::spawn(gateway_.executor_of(question->user), std::move(task));
  }
  done(judged(*question, hash ? checked(*hash, *question) : Result<SessionKey>(hash.error())));
}

io::Task<> RpcAuthentication::ask(std::shared_ptr<const Elsewhere> elsewhere, std::shared_ptr<const Question> question, io::Runtime* runtime,
                                  std::shared_ptr<rpc::Inbox> inbox, std::function<void(Result<SessionKey>)> done) {
  auto work = [elsewhere, question] { return elsewhere->ask(*question); };
  auto answer = co_await io::run_blocking(*runtime, work);
  // Whom `done` refers to lives as long as the inbox is open.
  inbox->post([done = std::move(done), answer = std::move(answer)] { done(answer); });
}

Result<SessionKey> RpcAuthentication::checked(const NtHash& hash, const Question& question) {
  const auto key = check_ntlmv2(hash, question.account, question.domain, question.challenge, question.response);
  if (!key) return error(Errc::denied, "wrong");
  return *key;
}

Result<SessionKey> RpcAuthentication::Elsewhere::ask(const Question& question) const {
  if (directory != nullptr) {
    const auto hash = directory->nt_hash(question.user);
    if (hash) return checked(*hash, question);
    if (helpers == nullptr || hash.error().code != Errc::not_found) return hash.error();
  }
  if (helpers == nullptr) return error(Errc::not_found, "nobody knows {}", question.user);
  // The same name in another domain that ours trusts is somebody else.
  if (!question.domain.empty() && !equal_ignoring_ascii_case(question.domain, domain))
    return error(Errc::denied, "{} is of the domain {}", question.account, question.domain);
  return helpers->check(question.account, question.domain, question.challenge, question.response);
}

RpcAuthentication::Outcome RpcAuthentication::judged(const Question& question, const Result<SessionKey>& answer) {
  if (answer) return {NT_STATUS_OK, question.user, *answer};
  const auto code = answer.error().code;
  if (code == Errc::limit) {
    log::warning("{} from {} by NTLM: {}", question.user, question.peer, answer.error().message);
    return {NT_STATUS_ACCOUNT_LOCKED_OUT, {}};
  }
  if (code != Errc::denied && code != Errc::not_found) {
    log::warning("cannot check the password of {}: {}", question.user, answer.error().message);
    return {NT_STATUS_NO_LOGON_SERVERS, {}};
  }
  brake_.count(question.peer + '\n' + question.user);
  log::warning("wrong password for {} from {} by NTLM", question.user, question.peer);
  return {NT_STATUS_LOGON_FAILURE, {}};
}

}  // namespace mapigate::transport
