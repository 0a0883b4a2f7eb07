#include "client.h"

#include <ldap.h>
#include <poll.h>

#include <algorithm>

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
  else if (code == LDAP_SIZELIMIT_EXCEEDED || code == LDAP_ADMINLIMIT_EXCEEDED) kind = Errc::limit;
  else if (code == LDAP_SYNC_REFRESH_REQUIRED) kind = Errc::conflict;
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
  const int idle = 60, probes = 4, interval = 10;  // a server that is gone is missed within two minutes
  ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_IDLE, &idle);
  ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_PROBES, &probes);
  ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, &interval);
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

bool Client::can_follow() {
  char name[] = "supportedControl";
  char* names[] = {name, nullptr};
  auto limit = to_timeval(server_.timeout);
  Message reply;
  if (ldap_search_ext_s(handle_->ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", names, 0, nullptr, nullptr, &limit, LDAP_NO_LIMIT, &reply.it) !=
      LDAP_SUCCESS)
    return false;
  auto* entry = ldap_first_entry(handle_->ld, reply.it);
  if (!entry) return false;
  const auto controls = to_record(handle_->ld, entry).values["supportedcontrol"];
  return std::find(controls.begin(), controls.end(), LDAP_CONTROL_SYNC) != controls.end();
}

namespace {

std::string to_string(const berval* value) { return value ? std::string(value->bv_val, value->bv_len) : std::string(); }

// What libldap calls back with belongs to one follow().
struct Following {
  LDAP* ld;
  SyncSink& sink;
  bool whole;  // began without cookie, or the server lists what is as it was: all else is gone
};

int on_entry(ldap_sync_t* sync, LDAPMessage* message, berval* uuid, ldap_sync_refresh_t phase) {
  auto& following = *static_cast<Following*>(sync->ls_private);
  switch (phase) {
    case LDAP_SYNC_CAPI_PRESENT:
      following.whole = true;
      following.sink.present(to_string(uuid));
      break;
    case LDAP_SYNC_CAPI_DELETE: following.sink.remove(to_string(uuid)); break;
    default: following.sink.put(to_string(uuid), to_record(following.ld, message)); break;
  }
  return LDAP_SUCCESS;
}

int on_intermediate(ldap_sync_t* sync, LDAPMessage*, BerVarray uuids, ldap_sync_refresh_t phase) {
  auto& following = *static_cast<Following*>(sync->ls_private);
  if (phase == LDAP_SYNC_CAPI_PRESENTS_IDSET) following.whole = true;
  for (const auto* uuid = uuids; uuid && uuid->bv_val; ++uuid) {
    if (phase == LDAP_SYNC_CAPI_PRESENTS_IDSET) following.sink.present(to_string(uuid));
    else if (phase == LDAP_SYNC_CAPI_DELETES_IDSET) following.sink.remove(to_string(uuid));
  }
  if (phase == LDAP_SYNC_CAPI_PRESENTS || phase == LDAP_SYNC_CAPI_DELETES || phase == LDAP_SYNC_CAPI_DONE)
    following.sink.refreshed(following.whole || phase == LDAP_SYNC_CAPI_PRESENTS);
  return LDAP_SUCCESS;
}

int on_result(ldap_sync_t*, LDAPMessage*, int) { return LDAP_SUCCESS; }

}  // namespace

Status Client::follow(const std::vector<std::string>& attributes, std::string& cookie, SyncSink& sink) {
  std::vector<char*> names;
  for (const auto& name : attributes) names.push_back(const_cast<char*>(name.c_str()));  // libldap's signature; it only reads
  names.push_back(nullptr);
  Following following{handle_->ld, sink, cookie.empty()};
  ldap_sync_t sync;
  ldap_sync_initialize(&sync);
  sync.ls_ld = handle_->ld;
  sync.ls_base = const_cast<char*>(server_.base.c_str());
  sync.ls_scope = LDAP_SCOPE_SUBTREE;
  sync.ls_filter = const_cast<char*>(server_.filter.c_str());
  sync.ls_attrs = names.data();
  sync.ls_timeout = static_cast<int>(std::max<std::int64_t>(1, server_.timeout.count() / 1000));
  sync.ls_search_entry = on_entry;
  sync.ls_intermediate = on_intermediate;
  sync.ls_search_result = on_result;
  sync.ls_private = &following;
  const berval known{cookie.size(), cookie.data()};
  if (!cookie.empty()) ber_dupbv(&sync.ls_cookie, const_cast<berval*>(&known));
  // libldap would free what is ours.
  const auto end = [&](Status outcome) {
    sync.ls_ld = nullptr;
    sync.ls_base = sync.ls_filter = nullptr;
    sync.ls_attrs = nullptr;
    if (sync.ls_cookie.bv_val) cookie.assign(sync.ls_cookie.bv_val, sync.ls_cookie.bv_len);
    ber_memfree(sync.ls_cookie.bv_val);
    return outcome;
  };
  auto code = ldap_sync_init(&sync, LDAP_SYNC_REFRESH_AND_PERSIST);
  if (code != LDAP_SUCCESS) return end(failure(code, "following"));
  sync.ls_timeout = 0;
  int socket = -1;
  ldap_get_option(handle_->ld, LDAP_OPT_DESC, &socket);
  while (sink.tick()) {
    pollfd wait{socket, POLLIN, 0};
    const int ready = ::poll(&wait, 1, 200);
    code = ldap_sync_poll(&sync);
    if (code != LDAP_SUCCESS) return end(failure(code, "following"));
    if (ready > 0 && (wait.revents & (POLLHUP | POLLERR)) != 0) return end(error(Errc::unavailable, "{}: the connection has ended", server_.url));
    if (sync.ls_cookie.bv_val) cookie.assign(sync.ls_cookie.bv_val, sync.ls_cookie.bv_len);
  }
  return end({});
}

Status Client::modify(const std::string& dn, const std::vector<Modification>& changes) {
  // libldap's structures want pointers to what is not const; it only reads.
  std::vector<LDAPMod> mods(changes.size());
  std::vector<LDAPMod*> list;
  std::vector<std::vector<berval>> values(changes.size());
  std::vector<std::vector<berval*>> pointers(changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto& change = changes[i];
    for (const auto& value : change.values) values[i].push_back({value.size(), const_cast<char*>(value.data())});
    for (auto& value : values[i]) pointers[i].push_back(&value);
    pointers[i].push_back(nullptr);
    mods[i].mod_op = LDAP_MOD_BVALUES | (change.how == Modification::How::add      ? LDAP_MOD_ADD
                                         : change.how == Modification::How::remove ? LDAP_MOD_DELETE
                                                                                   : LDAP_MOD_REPLACE);
    mods[i].mod_type = const_cast<char*>(change.attribute.c_str());
    mods[i].mod_vals.modv_bvals = pointers[i].data();
    list.push_back(&mods[i]);
  }
  list.push_back(nullptr);
  const auto code = ldap_modify_ext_s(handle_->ld, dn.c_str(), list.data(), nullptr, nullptr);
  // What is to be there and is already, or is to go and is not there, is as it should be.
  if (code == LDAP_SUCCESS || code == LDAP_TYPE_OR_VALUE_EXISTS || code == LDAP_NO_SUCH_ATTRIBUTE) return {};
  return failure(code, "change");
}

namespace {
// Most need no second look: nothing is escaped, and nothing stands around the separators.
bool is_plain(std::string_view dn) {
  constexpr std::string_view separators = ",=+";
  for (std::size_t i = 0; i < dn.size(); ++i) {
    if (dn[i] == '\\' || dn[i] == '"' || dn[i] == ';') return false;
    if (dn[i] != ' ') continue;
    if (i == 0 || i + 1 == dn.size() || separators.find(dn[i - 1]) != std::string_view::npos || separators.find(dn[i + 1]) != std::string_view::npos)
      return false;
  }
  return true;
}
}  // namespace

std::string canonical_dn(std::string text) {
  if (is_plain(text)) return text;
  LDAPDN dn = nullptr;
  if (ldap_str2dn(text.c_str(), &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS &&
      ldap_str2dn(text.c_str(), &dn, LDAP_DN_FORMAT_LDAPV2) != LDAP_SUCCESS)
    return text;
  char* out = nullptr;
  if (dn != nullptr && ldap_dn2str(dn, &out, LDAP_DN_FORMAT_LDAPV3 | LDAP_DN_PRETTY) == LDAP_SUCCESS && out != nullptr) text = out;
  if (out != nullptr) ldap_memfree(out);
  ldap_dnfree(dn);
  return text;
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
