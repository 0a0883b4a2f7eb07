#include "upstream/delegated_ticket.h"

#include <krb5.h>

namespace mapigate::upstream {

namespace {

// MIT's library; one for each use, because they are not for several threads.
struct Library {
  Library() {
    if (krb5_init_context(&context) != 0) context = nullptr;
  }
  ~Library() {
    if (context != nullptr) krb5_free_context(context);
  }
  Library(const Library&) = delete;
  krb5_context context = nullptr;
};

class MemoryCache final : public chain::DelegatedTicket {
 public:
  explicit MemoryCache(std::string name) : name_(std::move(name)) {}
  ~MemoryCache() override {
    const Library library;
    krb5_ccache cache = nullptr;
    if (library.context != nullptr && krb5_cc_resolve(library.context, name_.c_str(), &cache) == 0) krb5_cc_destroy(library.context, cache);
  }
  const std::string& cache() const override { return name_; }

 private:
  std::string name_;
};

// What one copy opens; the cache in memory goes with it unless it was handed over.
struct Copy {
  ~Copy() {
    if (principal != nullptr) krb5_free_principal(library.context, principal);
    if (from != nullptr) krb5_cc_close(library.context, from);
    if (to != nullptr) krb5_cc_destroy(library.context, to);
  }
  Library library;
  krb5_ccache from = nullptr, to = nullptr;
  krb5_principal principal = nullptr;
};

}  // namespace

Result<TakenTicket> take_ticket(const std::string& file) {
  Copy copy;
  auto* context = copy.library.context;
  if (context == nullptr) return error(Errc::unavailable, "MIT's Kerberos library does not start");
  char* text = nullptr;
  auto code = krb5_cc_resolve(context, ("FILE:" + file).c_str(), &copy.from);
  if (code == 0) code = krb5_cc_get_principal(context, copy.from, &copy.principal);
  if (code == 0) code = krb5_cc_new_unique(context, "MEMORY", nullptr, &copy.to);
  if (code == 0) code = krb5_cc_initialize(context, copy.to, copy.principal);
  if (code == 0) code = krb5_cc_copy_creds(context, copy.from, copy.to);
  TakenTicket out;
  if (code == 0) code = krb5_unparse_name(context, copy.principal, &text);
  if (code == 0) {
    out.principal = text;
    krb5_free_unparsed_name(context, text);
    code = krb5_cc_get_full_name(context, copy.to, &text);
  }
  if (code != 0) {
    const char* why = krb5_get_error_message(context, code);
    auto problem = error(Errc::malformed, "the ticket that a client forwarded cannot be used: {}", why);
    krb5_free_error_message(context, why);
    return problem;
  }
  out.ticket = std::make_shared<const MemoryCache>(text);
  krb5_free_string(context, text);
  krb5_cc_close(context, copy.to);
  copy.to = nullptr;
  return out;
}

}  // namespace mapigate::upstream
