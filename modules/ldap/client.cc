#include "client.h"

#include <ldap.h>

#include "base/text.h"

namespace mapigate::ldap {

struct Client::Handle {
  LDAP* ld = nullptr;
  ~Handle() {
    if (ld) ldap_unbind_ext_s(ld, nullptr, nullptr);
  }
};

namespace {

struct Message {
  LDAPMessage* it = nullptr;
  ~Message() { ldap_msgfree(it); }
};

timeval to_timeval(std::chrono::milliseconds time) {
  return {static_cast<time_t>(time.count() / 1000), static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

Record to_record(LDAP* ld, LDAPMessage* entry) {
  Record out;
  if (char* dn = ldap_get_dn(ld, entry)) {
    out.dn = dn;
    ldap_memfree(dn);
  }
  BerElement* position = nullptr;
  for (char* name = ldap_first_attribute(ld, entry, &position); name; name = ldap_next_attribute(ld, entry, position)) {
    auto& values = out.values[lower_ascii(name)];
    if (berval** found = ldap_get_values_len(ld, entry, name)) {
      for (int i = 0; found[i]; ++i) values.emplace_back(found[i]->bv_val, found[i]->bv_len);
      ldap_value_free_len(found);
    }
    ldap_memfree(name);
  }
  if (position) ber_free(position, 0);
  return out;
}

}  // namespace

Error Client::failure(int code, std::string_view doing) const {
  auto kind = Errc::unavailable;
  if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_INSUFFICIENT_ACCESS || code == LDAP_INAPPROPRIATE_AUTH) kind = Errc::denied;
  else if (code == LDAP_TIMEOUT || code == LDAP_TIMELIMIT_EXCEEDED) kind = Errc::timeout;
  else if (code == LDAP_NO_SUCH_OBJECT) kind = Errc::not_found;
  else if (code == LDAP_FILTER_ERROR || code == LDAP_PARAM_ERROR) kind = Errc::malformed;
  char* detail = nullptr;
  if (handle_ && handle_->ld) ldap_get_option(handle_->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &detail);
  const std::string more = detail && *detail ? std::string(" (") + detail + ")" : "";
  if (detail) ldap_memfree(detail);
  return error(kind, "{}: {}: {}{}", server_.url, doing, ldap_err2string(code), more);
}

Result<std::unique_ptr<Client>> Client::connect(const Server& server) {
  std::unique_ptr<Client> client(new Client(server));
  client->handle_ = std::make_unique<Handle>();
  auto*& ld = client->handle_->ld;
  if (const auto code = ldap_initialize(&ld, server.url.c_str()); code != LDAP_SUCCESS) return client->failure(code, "the URL");
  const int version = LDAP_VERSION3;
  const auto limit = to_timeval(server.timeout);
  ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
  ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit);
  ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit);
  ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  const int verify = server.verify ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
  ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &verify);
  if (!server.ca_file.empty()) ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, server.ca_file.c_str());
  const int is_client = 0;
  ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &is_client);
  if (server.starttls)
    if (const auto code = ldap_start_tls_s(ld, nullptr, nullptr); code != LDAP_SUCCESS) return client->failure(code, "STARTTLS");
  std::string password(server.password.reveal());
  berval credentials{password.size(), password.data()};
  const auto code = ldap_sasl_bind_s(ld, server.bind_dn.empty() ? nullptr : server.bind_dn.c_str(), LDAP_SASL_SIMPLE, &credentials,
                                     nullptr, nullptr, nullptr);
  if (code != LDAP_SUCCESS) return client->failure(code, "bind");
  return client;
}

Client::Client(const Server& server) : server_(server) {}
Client::~Client() = default;

Result<std::vector<Record>> Client::read(const std::vector<std::string>& attributes) {
  std::vector<char*> names;
  for (const auto& name : attributes) names.push_back(const_cast<char*>(name.c_str()));  // libldap's signature; it only reads
  names.push_back(nullptr);
  auto* ld = handle_->ld;
  auto limit = to_timeval(server_.timeout);
  std::vector<Record> out;
  berval cookie{0, nullptr};
  for (bool more = true; more;) {
    LDAPControl* page = nullptr;
    if (const auto code = ldap_create_page_control(ld, server_.page_size, &cookie, 0, &page); code != LDAP_SUCCESS)
      return failure(code, "paging");
    LDAPControl* controls[] = {page, nullptr};
    Message reply;
    auto code = ldap_search_ext_s(ld, server_.base.c_str(), LDAP_SCOPE_SUBTREE, server_.filter.c_str(), names.data(), 0, controls, nullptr,
                                  &limit, LDAP_NO_LIMIT, &reply.it);
    ldap_control_free(page);
    ber_memfree(cookie.bv_val);
    cookie = {0, nullptr};
    if (code != LDAP_SUCCESS) return failure(code, "search");
    for (auto* entry = ldap_first_entry(ld, reply.it); entry; entry = ldap_next_entry(ld, entry)) {
      if (out.size() >= server_.max_entries) return error(Errc::limit, "{}: more than {} entries", server_.url, server_.max_entries);
      out.push_back(to_record(ld, entry));
    }
    LDAPControl** returned = nullptr;
    int outcome = LDAP_SUCCESS;
    code = ldap_parse_result(ld, reply.it, &outcome, nullptr, nullptr, nullptr, &returned, 0);
    if (code == LDAP_SUCCESS) code = outcome;
    more = false;
    if (returned) {
      if (auto* answer = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, returned, nullptr)) {
        ber_int_t estimate = 0;
        if (ldap_parse_pageresponse_control(ld, answer, &estimate, &cookie) == LDAP_SUCCESS) more = cookie.bv_len > 0;
      }
      ldap_controls_free(returned);
    }
    if (code != LDAP_SUCCESS) {
      ber_memfree(cookie.bv_val);
      return failure(code, "search");
    }
  }
  ber_memfree(cookie.bv_val);
  return out;
}

Result<std::string> Client::change_number() {
  char name[] = "contextCSN";
  char* names[] = {name, nullptr};
  auto limit = to_timeval(server_.timeout);
  Message reply;
  const auto code = ldap_search_ext_s(handle_->ld, server_.base.c_str(), LDAP_SCOPE_BASE, "(objectClass=*)", names, 0, nullptr, nullptr,
                                      &limit, LDAP_NO_LIMIT, &reply.it);
  if (code != LDAP_SUCCESS) return failure(code, "contextCSN");
  std::string out;
  if (auto* entry = ldap_first_entry(handle_->ld, reply.it))
    for (const auto& [attribute, values] : to_record(handle_->ld, entry).values)
      for (const auto& value : values) out += value + "\n";  // one for each server that takes writes
  return out;
}

Status check_password(const Server& server, const std::string& dn, const Secret& password) {
  // A bind with a name and no password is anonymous and succeeds.
  if (dn.empty() || password.empty()) return error(Errc::denied, "no password");
  auto as_user = server;
  as_user.bind_dn = dn;
  as_user.password = password;
  const auto bound = Client::connect(as_user);
  if (!bound) return bound.error();
  return {};
}

}  // namespace mapigate::ldap
