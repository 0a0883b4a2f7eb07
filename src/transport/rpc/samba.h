// Samba's headers, and what of Samba is installed without one. For the sources of
// the RPC server's thread only (this folder): talloc and Samba's libraries are used in
// that thread and nowhere else, because talloc's stack of contexts belongs to the process.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <string>

#include "base/result.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
extern "C" {
// clang-format off
#include <talloc.h>
#include <tevent.h>
#include <core/ntstatus.h>
#include <util/data_blob.h>
#include <dcesrv_core.h>
#include <gen_ndr/auth.h>
#include <param.h>
// clang-format on
}
#pragma GCC diagnostic pop
#ifdef __clang__
#pragma clang diagnostic ignored "-Wc99-extensions"  // NT_STATUS_… are compound literals
#endif

struct tsocket_address;
struct tstream_context;
struct gensec_security;
struct cli_credentials;
struct gensec_security_ops;
struct smb_krb5_context;

namespace mapigate::transport::samba {

// The structures below are those of Samba 4.17, field by field under names of our own: gensec hands them
// to callbacks or wants them, and no installed header has them. load_private_functions() refuses another version.

struct SuppliedName {
  const char* account;
  const char* domain;
};

// auth_usersupplied_info
struct SuppliedUser {
  const char* workstation;
  const tsocket_address* remote;
  const tsocket_address* local;
  std::uint32_t logon_parameters;
  bool cracknames_called;
  bool was_mapped;
  std::uint64_t logon_id;
  SuppliedName client, mapped, original;
  int password_state;  // 3: challenge and response
  struct {
    DATA_BLOB lanman;
    DATA_BLOB nt;
  } response;
  // More follows that nothing here reads.
};

// auth4_context
struct AuthContext {
  struct {
    const char* set_by;
    DATA_BLOB data;
  } challenge;
  void* methods;
  tevent_context* event_ctx;
  void* msg_ctx;
  loadparm_context* lp_ctx;
  void* sam_ctx;
  timeval start_time;
  void* private_data;
  smb_krb5_context* krb5;
  tevent_req* (*check_password_send)(TALLOC_CTX*, tevent_context*, AuthContext*, const SuppliedUser*);
  NTSTATUS (*check_password_recv)(tevent_req*, TALLOC_CTX*, std::uint8_t* authoritative, void** server_info,
                                  DATA_BLOB* nt_session_key, DATA_BLOB* lm_session_key);
  NTSTATUS (*get_challenge)(AuthContext*, std::uint8_t challenge[8]);
  NTSTATUS (*set_challenge)(AuthContext*, const std::uint8_t challenge[8], const char* set_by);
  NTSTATUS (*session_info)(AuthContext*, TALLOC_CTX*, void* server_info, const char* original_user, std::uint32_t flags,
                           auth_session_info**);
  NTSTATUS (*session_info_pac)(AuthContext*, TALLOC_CTX*, smb_krb5_context*, DATA_BLOB* pac, const char* principal,
                               const tsocket_address* remote, std::uint32_t flags, auth_session_info**);
};

// gensec_settings
struct GensecSettings {
  loadparm_context* lp_ctx;
  const char* target_hostname;
  const gensec_security_ops* const* backends;
  const char* server_dns_domain;
  const char* server_dns_name;
  const char* server_netbios_domain;
  const char* server_netbios_name;
};

// ccache_container, and of its smb_krb5_context the first member
struct KerberosCache {
  void** context;
  void* cache;
};

// Functions under Samba's private version tag, bound at start.
struct PrivateFunctions {
  NTSTATUS (*gensec_init)();
  NTSTATUS (*gensec_server_start)(TALLOC_CTX*, GensecSettings*, AuthContext*, gensec_security**);
  const gensec_security_ops* (*gensec_security_by_oid)(gensec_security*, const char* oid);
  NTSTATUS (*gensec_start_mech_by_oid)(gensec_security*, const char* oid);
  NTSTATUS (*gensec_set_credentials)(gensec_security*, cli_credentials*);
  tevent_req* (*gensec_update_send)(TALLOC_CTX*, tevent_context*, gensec_security*, const DATA_BLOB in);
  NTSTATUS (*gensec_update_recv)(tevent_req*, TALLOC_CTX*, DATA_BLOB* out);
  NTSTATUS (*gensec_session_info)(gensec_security*, TALLOC_CTX*, auth_session_info**);
  // Of the Kerberos library in Samba; its structures are nobody else's.
  int (*krb5_cc_resolve)(void* context, const char* name, void** cache);
  int (*krb5_cc_copy_cache)(void* context, void* from, void* to);
  int (*krb5_cc_close)(void* context, void* cache);
  int (*tstream_bsd_existing_socket)(TALLOC_CTX*, int fd, tstream_context**, const char* location);
  int (*tsocket_address_bsd_from_sockaddr)(TALLOC_CTX*, const sockaddr*, std::size_t, tsocket_address**, const char* location);
  void (*debug_set_callback)(void*, void (*)(void*, int level, const char* text));
};

// Errc::unsupported when the libraries are not of the version whose headers this was compiled against.
Result<PrivateFunctions> load_private_functions();

}  // namespace mapigate::transport::samba
