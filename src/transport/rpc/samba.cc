#include "transport/rpc/samba.h"

#include <dlfcn.h>
#include <samba/version.h>

#include "base/log.h"

extern "C" {
// Of libdcerpc-server-core and libgensec: the sizes that they were compiled with.
const struct dcesrv_critical_sizes* dcerpc_module_version(void);
}

namespace mapigate::transport::samba {

namespace {

// Debian's tag is SAMBA_4.17.12_DEBIAN_SAMBA4.
std::string tag_of(int release) {
  return fmt::format("SAMBA_{}.{}.{}_DEBIAN_SAMBA4", SAMBA_VERSION_MAJOR, SAMBA_VERSION_MINOR, release);
}

// The tag that the libraries carry, of any release of the same minor version; empty when there is none.
std::string find_tag() {
  const char* probe = "gensec_server_start";
  if (const auto own = tag_of(SAMBA_VERSION_RELEASE); dlvsym(RTLD_DEFAULT, probe, own.c_str()) != nullptr) return own;
  for (int release = 0; release < 100; ++release)
    if (const auto tag = tag_of(release); dlvsym(RTLD_DEFAULT, probe, tag.c_str()) != nullptr) return tag;
  return {};
}

template <class F>
bool load(F*& function, const char* name, const std::string& tag) {
  function = reinterpret_cast<F*>(dlvsym(RTLD_DEFAULT, name, tag.c_str()));
  return function != nullptr;
}

bool sizes_fit() {
  const auto* sizes = dcerpc_module_version();
  return sizes->interface_version == DCERPC_MODULE_VERSION && sizes->sizeof_dcesrv_context == sizeof(dcesrv_context) &&
         sizes->sizeof_dcesrv_interface == sizeof(dcesrv_interface) && sizes->sizeof_dcesrv_connection == sizeof(dcesrv_connection) &&
         sizes->sizeof_dcesrv_call_state == sizeof(dcesrv_call_state) && sizes->sizeof_dcesrv_auth == sizeof(dcesrv_auth) &&
         sizes->sizeof_dcesrv_handle == sizeof(dcesrv_handle);
}

}  // namespace

Result<PrivateFunctions> load_private_functions() {
  static_assert(SAMBA_VERSION_MAJOR == 4 && SAMBA_VERSION_MINOR == 17,
                "compare the structures of samba.h with this version of Samba before allowing it");
  const auto tag = find_tag();
  if (tag.empty() || !sizes_fit())
    return error(Errc::unsupported, "Samba's libraries are not of version {}.{}, which DCE/RPC was built for: build mapigate anew, or leave [rpc] out",
                 SAMBA_VERSION_MAJOR, SAMBA_VERSION_MINOR);
  PrivateFunctions out{};
  const bool all = load(out.gensec_init, "gensec_init", tag) && load(out.gensec_server_start, "gensec_server_start", tag) &&
                   load(out.gensec_security_by_oid, "gensec_security_by_oid", tag) &&
                   load(out.gensec_start_mech_by_oid, "gensec_start_mech_by_oid", tag) &&
                   load(out.gensec_set_credentials, "gensec_set_credentials", tag) &&
                   load(out.gensec_update_send, "gensec_update_send", tag) && load(out.gensec_update_recv, "gensec_update_recv", tag) &&
                   load(out.gensec_session_info, "gensec_session_info", tag) &&
                   load(out.krb5_cc_resolve, "krb5_cc_resolve", tag) && load(out.krb5_cc_copy_cache, "krb5_cc_copy_cache", tag) &&
                   load(out.krb5_cc_close, "krb5_cc_close", tag) &&
                   load(out.tstream_bsd_existing_socket, "_tstream_bsd_existing_socket", tag) &&
                   load(out.tsocket_address_bsd_from_sockaddr, "_tsocket_address_bsd_from_sockaddr", tag) &&
                   load(out.debug_set_callback, "debug_set_callback", tag);
  if (!all) return error(Errc::unsupported, "Samba's libraries ({}) lack a function that DCE/RPC needs", tag);
  if (tag != tag_of(SAMBA_VERSION_RELEASE)) log::warning("DCE/RPC was built for Samba {} and runs with {}", SAMBA_VERSION_OFFICIAL_STRING, tag);
  return out;
}

}  // namespace mapigate::transport::samba
