#include "upstream/kerberos.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "io/runtime.h"

namespace mapigate::upstream {

namespace {

gss_OID_desc krb5_oid{9, const_cast<char*>("\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")};
gss_OID_desc spnego_oid{6, const_cast<char*>("\x2b\x06\x01\x05\x05\x02")};

gss_buffer_desc buffer_of(View bytes) { return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())}; }
gss_buffer_desc buffer_of(const std::string& text) { return {text.size(), const_cast<char*>(text.data())}; }

Error failed(const char* what, OM_uint32 major, OM_uint32 minor) {
  std::string text;
  const auto add = [&](OM_uint32 status, int type) {
    OM_uint32 ignored = 0, more = 0;
    do {
      gss_buffer_desc part = GSS_C_EMPTY_BUFFER;
      if (gss_display_status(&ignored, status, type, &krb5_oid, &more, &part) != GSS_S_COMPLETE) break;
      if (!text.empty()) text += "; ";
      text.append(static_cast<const char*>(part.value), part.length);
      gss_release_buffer(&ignored, &part);
    } while (more != 0);
  };
  if (minor != 0) add(minor, GSS_C_MECH_CODE);
  if (text.empty()) add(major, GSS_C_GSS_CODE);
  // KRB5_KDC_UNREACH, KRB5_REALM_CANT_RESOLVE: another time perhaps.
  constexpr OM_uint32 kdc_unreachable = static_cast<OM_uint32>(-1765328228), realm_unresolved = static_cast<OM_uint32>(-1765328164);
  const bool later = minor == kdc_unreachable || minor == realm_unresolved;
  return error(later ? Errc::unavailable : Errc::denied, "{}: {}", what, text);
}

// What a worker uses while the task may have gone: shared by both.
struct State {
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  gss_name_t target = GSS_C_NO_NAME;
  bool established = false;
  bool begun = false;
  State() = default;
  State(const State&) = delete;
  ~State() {
    OM_uint32 minor = 0;
    if (context != GSS_C_NO_CONTEXT) gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    if (credential != GSS_C_NO_CREDENTIAL) gss_release_cred(&minor, &credential);
    if (target != GSS_C_NO_NAME) gss_release_name(&minor, &target);
  }
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// The realm is written in capitals, as domains are there by custom: "alice@example.test" is alice@EXAMPLE.TEST.
std::string principal_of(const std::string& user) {
  if (const auto slash = user.find('\\'); slash != std::string::npos) return user.substr(slash + 1) + "@" + upper(user.substr(0, slash));
  const auto at = user.rfind('@');
  return at == std::string::npos ? user : user.substr(0, at + 1) + upper(user.substr(at + 1));
}

// Otherwise MIT's library says that it can encrypt when only signatures were wanted, and Samba, which tells from that how
// long its signatures are, then cannot make one.
Status only_wanted_flags(State& state) {
  OM_uint32 minor = 0;
  gss_buffer_desc nothing = GSS_C_EMPTY_BUFFER;
  const auto major = gss_set_cred_option(&minor, &state.credential, GSS_KRB5_CRED_NO_CI_FLAGS_X, &nothing);
  return major == GSS_S_COMPLETE ? Status() : Status(failed("the flags of the ticket", major, minor));
}

Status begin(State& state, bool spnego, const Credentials& credentials, const SecurityTarget& target) {
  OM_uint32 minor = 0;
  const std::string service = target.service + "@" + target.host;
  auto name = buffer_of(service);
  OM_uint32 major = gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &state.target);
  if (major != GSS_S_COMPLETE) return failed("the name of the service", major, minor);
  gss_OID_set_desc mechanisms{1, spnego ? &spnego_oid : &krb5_oid};
  if (credentials.ticket != nullptr) {
    gss_key_value_element_desc element{"ccache", credentials.ticket->cache().c_str()};
    const gss_key_value_set_desc store{1, &element};
    major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE, &store, &state.credential, nullptr,
                                  nullptr);
    if (major != GSS_S_COMPLETE) return failed("the ticket that the client forwarded", major, minor);
    return target.rpc && !target.seal ? only_wanted_flags(state) : Status();
  }
  if (credentials.password.empty()) {  // the ticket cache
    if (!target.rpc || target.seal) return {};
    major = gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE, &state.credential, nullptr, nullptr);
    return major == GSS_S_COMPLETE ? only_wanted_flags(state) : Status(failed("the ticket cache", major, minor));
  }
  const auto principal = principal_of(credentials.user);
  auto user = buffer_of(principal), password = buffer_of(credentials.password.reveal());
  gss_name_t own = GSS_C_NO_NAME;
  major = gss_import_name(&minor, &user, GSS_C_NT_USER_NAME, &own);
  if (major != GSS_S_COMPLETE) return failed("the name of the user", major, minor);
  major = gss_acquire_cred_with_password(&minor, own, &password, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE, &state.credential,
                                         nullptr, nullptr);
  OM_uint32 ignored = 0;
  gss_release_name(&ignored, &own);
  if (major != GSS_S_COMPLETE) return failed("a ticket for the password", major, minor);
  return target.rpc && !target.seal ? only_wanted_flags(state) : Status();
}

Result<Bytes> advance(State& state, bool spnego, const Credentials& credentials, const SecurityTarget& target, View from_server) {
  if (!state.begun) {
    state.begun = true;
    if (auto begun = begin(state, spnego, credentials, target); !begun) return begun.error();
  }
  OM_uint32 minor = 0, flags = 0;
  OM_uint32 wanted = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG;
  if (target.rpc) wanted |= GSS_C_DCE_STYLE | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;
  if (target.seal) wanted |= GSS_C_CONF_FLAG;
  if (credentials.delegate) wanted |= GSS_C_DELEG_FLAG;
  auto in = buffer_of(from_server);
  gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
  Bytes end_point;
  gss_channel_bindings_struct bindings{};
  if (!target.channel.empty()) {
    const auto prefix = as_view(std::string_view("tls-server-end-point:"));
    end_point.assign(prefix.begin(), prefix.end());
    end_point.insert(end_point.end(), target.channel.begin(), target.channel.end());
    bindings.application_data = buffer_of(View(end_point));
  }
  const OM_uint32 major = gss_init_sec_context(&minor, state.credential, &state.context, state.target, spnego ? &spnego_oid : &krb5_oid,
                                               wanted, 0, end_point.empty() ? GSS_C_NO_CHANNEL_BINDINGS : &bindings,
                                               from_server.empty() ? GSS_C_NO_BUFFER : &in, nullptr, &out, &flags, nullptr);
  Bytes token(static_cast<const std::uint8_t*>(out.value), static_cast<const std::uint8_t*>(out.value) + out.length);
  OM_uint32 ignored = 0;
  gss_release_buffer(&ignored, &out);
  if (GSS_ERROR(major)) return failed("Kerberos", major, minor);
  state.established = major == GSS_S_COMPLETE;
  if (state.established && credentials.delegate && (flags & GSS_C_DELEG_FLAG) == 0)
    return error(Errc::denied, "the ticket cannot be forwarded; `kinit -f` gets one that can");
  return token;
}

class Kerberos final : public SecurityContext {
 public:
  Kerberos(bool spnego, Credentials credentials, SecurityTarget target, io::Runtime& runtime)
      : spnego_(spnego), credentials_(std::move(credentials)), target_(std::move(target)), runtime_(runtime) {}

  Task<Result<Bytes>> step(Bytes from_server) override {
    if (state_->begun && from_server.empty()) co_return error(Errc::malformed, "the server's Kerberos token is empty");
    // Only the first step asks a KDC.
    if (state_->begun) co_return advance(*state_, spnego_, credentials_, target_, from_server);
    // Named: g++ 12 destroys a temporary of such captures twice.
    auto work = [state = state_, spnego = spnego_, credentials = credentials_, target = target_] {
      return advance(*state, spnego, credentials, target, {});
    };
    auto token = co_await io::run_blocking(runtime_, std::move(work));
    co_return token;
  }
  bool established() const override { return state_->established; }

  std::size_t signature_size(bool seal) override {
    auto& size = seal ? header_ : mic_;
    if (size != 0) return size;
    OM_uint32 minor = 0;
    gss_iov_buffer_desc iov[2] = {};
    iov[0].type = seal ? GSS_IOV_BUFFER_TYPE_HEADER : GSS_IOV_BUFFER_TYPE_MIC_TOKEN;
    iov[1].type = GSS_IOV_BUFFER_TYPE_DATA;
    iov[1].buffer.length = 16;  // what DCE/RPC pads to, so that no type of encryption has to
    const auto major = seal ? gss_wrap_iov_length(&minor, state_->context, 1, GSS_C_QOP_DEFAULT, nullptr, iov, 2)
                            : gss_get_mic_iov_length(&minor, state_->context, GSS_C_QOP_DEFAULT, iov, 2);
    if (major == GSS_S_COMPLETE) size = iov[0].buffer.length;
    return size;
  }

  Result<Bytes> protect(bool seal, View before, std::span<std::uint8_t> body, View after) override {
    OM_uint32 minor = 0;
    if (!seal) {
      const auto message = joined(before, body, after);
      auto in = buffer_of(View(message));
      gss_buffer_desc mic = GSS_C_EMPTY_BUFFER;
      const auto major = gss_get_mic(&minor, state_->context, GSS_C_QOP_DEFAULT, &in, &mic);
      if (major != GSS_S_COMPLETE) return failed("signing", major, minor);
      Bytes out(static_cast<const std::uint8_t*>(mic.value), static_cast<const std::uint8_t*>(mic.value) + mic.length);
      gss_release_buffer(&minor, &mic);
      return out;
    }
    Bytes out(signature_size(true));
    gss_iov_buffer_desc iov[4] = {};
    fill(iov, out, before, body, after);
    const auto major = gss_wrap_iov(&minor, state_->context, 1, GSS_C_QOP_DEFAULT, nullptr, iov, 4);
    if (major != GSS_S_COMPLETE) return failed("sealing", major, minor);
    out.resize(iov[0].buffer.length);
    return out;
  }

  Status unprotect(bool seal, View before, std::span<std::uint8_t> body, View after, View signature) override {
    OM_uint32 minor = 0, major = 0;
    if (seal) {
      Bytes header(signature.begin(), signature.end());
      gss_iov_buffer_desc iov[4] = {};
      fill(iov, header, before, body, after);
      int sealed = 0;
      major = gss_unwrap_iov(&minor, state_->context, &sealed, nullptr, iov, 4);
      if (major == GSS_S_COMPLETE && sealed == 0) return error(Errc::malformed, "the server did not encrypt");
    } else {
      const auto message = joined(before, body, after);
      auto in = buffer_of(View(message)), mic = buffer_of(signature);
      major = gss_verify_mic(&minor, state_->context, &in, &mic, nullptr);
    }
    if (major == GSS_S_COMPLETE) return {};
    return error(Errc::malformed, "the server's signature is wrong: {}", failed("Kerberos", major, minor).message);
  }

 private:
  static Bytes joined(View before, View body, View after) {
    Bytes out(before.begin(), before.end());
    out.insert(out.end(), body.begin(), body.end());
    out.insert(out.end(), after.begin(), after.end());
    return out;
  }
  // The order of [MS-KILE] 3.4.5.4.1: the signature covers all, the encryption only the body.
  static void fill(gss_iov_buffer_desc (&iov)[4], Bytes& header, View before, std::span<std::uint8_t> body, View after) {
    iov[0].type = GSS_IOV_BUFFER_TYPE_HEADER;
    iov[0].buffer = buffer_of(View(header));
    iov[1].type = GSS_IOV_BUFFER_TYPE_SIGN_ONLY;
    iov[1].buffer = buffer_of(before);
    iov[2].type = GSS_IOV_BUFFER_TYPE_DATA;
    iov[2].buffer = buffer_of(View(body));
    iov[3].type = GSS_IOV_BUFFER_TYPE_SIGN_ONLY;
    iov[3].buffer = buffer_of(after);
  }

  bool spnego_;
  Credentials credentials_;
  SecurityTarget target_;
  io::Runtime& runtime_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::size_t header_ = 0, mic_ = 0;
};

}  // namespace

std::unique_ptr<SecurityContext> make_kerberos_context(bool spnego, Credentials credentials, SecurityTarget target, io::Runtime& runtime) {
  return std::make_unique<Kerberos>(spnego, std::move(credentials), std::move(target), runtime);
}

}  // namespace mapigate::upstream
