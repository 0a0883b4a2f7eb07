// The protocol data units of connection-oriented DCE/RPC ([C706] chapter 12, [MS-RPCE] 2.2.2), as a client sends and
// reads them; little-endian only. Decode and encode with CountWidth::narrow.
#pragma once

#include "wire/fields.h"

namespace mapigate::wire::rpc {

enum class PduType : std::uint8_t {
  request = 0, response = 2, fault = 3, bind = 11, bind_ack = 12, bind_nak = 13, alter_context = 14, alter_context_resp = 15,
  auth3 = 16, shutdown = 17, co_cancel = 18, orphaned = 19, rts = 20,
};

// pfc_flags
inline constexpr std::uint8_t PFC_FIRST_FRAG = 0x01, PFC_LAST_FRAG = 0x02, PFC_SUPPORT_HEADER_SIGN = 0x04, PFC_OBJECT_UUID = 0x80;

inline constexpr std::size_t pdu_header_size = 16, sec_trailer_size = 8;
inline constexpr std::size_t call_header_size = 24;  // of a request or a response, without what it carries

struct PduHeader {
  std::uint8_t rpc_vers = 5;
  std::uint8_t rpc_vers_minor = 0;
  PduType PTYPE{};
  std::uint8_t pfc_flags = PFC_FIRST_FRAG | PFC_LAST_FRAG;
  std::array<std::uint8_t, 4> packed_drep{0x10, 0, 0, 0};  // little-endian, ASCII, IEEE
  std::uint16_t frag_length = 0;
  std::uint16_t auth_length = 0;
  std::uint32_t call_id = 0;
  static void fields(auto& s, auto& v) {
    v("rpc_vers", s.rpc_vers);
    v("rpc_vers_minor", s.rpc_vers_minor);
    v("PTYPE", s.PTYPE);
    v("pfc_flags", s.pfc_flags);
    v("packed_drep", s.packed_drep);
    v("frag_length", s.frag_length);
    v("auth_length", s.auth_length);
    v("call_id", s.call_id);
  }
};

struct SyntaxIdentifier {
  mapi::Guid if_uuid;
  std::uint16_t if_version = 0;
  std::uint16_t if_version_minor = 0;
  static constexpr std::size_t minimum_size = 20;
  static void fields(auto& s, auto& v) {
    v("if_uuid", s.if_uuid);
    v("if_version", s.if_version);
    v("if_version_minor", s.if_version_minor);
  }
};

struct ContextElement {
  std::uint16_t p_cont_id = 0;
  std::uint8_t reserved = 0;
  SyntaxIdentifier abstract_syntax;
  std::span<const SyntaxIdentifier> transfer_syntaxes;
  static constexpr std::size_t minimum_size = 24;
  static void fields(auto& s, auto& v) {
    v("p_cont_id", s.p_cont_id);
    const auto n = v.template count<std::uint8_t>("n_transfer_syn", s.transfer_syntaxes.size());
    v("reserved", s.reserved);
    v("abstract_syntax", s.abstract_syntax);
    v.list("transfer_syntaxes", s.transfer_syntaxes, n);
  }
};

// bind and alter_context
struct BindBody {
  std::uint16_t max_xmit_frag = 0;
  std::uint16_t max_recv_frag = 0;
  std::uint32_t assoc_group_id = 0;
  std::uint8_t reserved = 0;
  std::uint16_t reserved2 = 0;
  std::span<const ContextElement> p_context_elem;
  static void fields(auto& s, auto& v) {
    v("max_xmit_frag", s.max_xmit_frag);
    v("max_recv_frag", s.max_recv_frag);
    v("assoc_group_id", s.assoc_group_id);
    const auto n = v.template count<std::uint8_t>("n_context_elem", s.p_context_elem.size());
    v("reserved", s.reserved);
    v("reserved2", s.reserved2);
    v.list("p_context_elem", s.p_context_elem, n);
  }
};

struct ContextResult {
  std::uint16_t result = 0;  // 0 acceptance, 2 provider rejection
  std::uint16_t reason = 0;
  SyntaxIdentifier transfer_syntax;
  static constexpr std::size_t minimum_size = 24;
  static void fields(auto& s, auto& v) {
    v("result", s.result);
    v("reason", s.reason);
    v("transfer_syntax", s.transfer_syntax);
  }
};

// bind_ack and alter_context_resp
struct BindAckBody {
  std::uint16_t max_xmit_frag = 0;
  std::uint16_t max_recv_frag = 0;
  std::uint32_t assoc_group_id = 0;
  View sec_addr;  // with its terminating zero
  View padding;
  std::uint8_t reserved = 0;
  std::uint16_t reserved2 = 0;
  std::span<const ContextResult> p_result_list;
  static void fields(auto& s, auto& v) {
    v("max_xmit_frag", s.max_xmit_frag);
    v("max_recv_frag", s.max_recv_frag);
    v("assoc_group_id", s.assoc_group_id);
    v.template binary<std::uint16_t>("sec_addr", s.sec_addr);
    v.bytes("padding", s.padding, (4 - (2 + s.sec_addr.size()) % 4) % 4);
    const auto n = v.template count<std::uint8_t>("n_results", s.p_result_list.size());
    v("reserved", s.reserved);
    v("reserved2", s.reserved2);
    v.list("p_result_list", s.p_result_list, n);
  }
};

struct BindNakBody {
  std::uint16_t provider_reject_reason = 0;
  View rest;  // versions, and of newer servers a signature
  static void fields(auto& s, auto& v) {
    v("provider_reject_reason", s.provider_reject_reason);
    v.rest("rest", s.rest);
  }
};

struct RequestBody {
  std::uint32_t alloc_hint = 0;
  std::uint16_t p_cont_id = 0;
  std::uint16_t opnum = 0;
  View stub;
  static void fields(auto& s, auto& v) {
    v("alloc_hint", s.alloc_hint);
    v("p_cont_id", s.p_cont_id);
    v("opnum", s.opnum);
    v.rest("stub", s.stub);
  }
};

struct ResponseBody {
  std::uint32_t alloc_hint = 0;
  std::uint16_t p_cont_id = 0;
  std::uint8_t cancel_count = 0;
  std::uint8_t reserved = 0;
  View stub;
  static void fields(auto& s, auto& v) {
    v("alloc_hint", s.alloc_hint);
    v("p_cont_id", s.p_cont_id);
    v("cancel_count", s.cancel_count);
    v("reserved", s.reserved);
    v.rest("stub", s.stub);
  }
};

struct FaultBody {
  std::uint32_t alloc_hint = 0;
  std::uint16_t p_cont_id = 0;
  std::uint8_t cancel_count = 0;
  std::uint8_t reserved = 0;
  std::uint32_t status = 0;
  std::uint32_t reserved2 = 0;
  View stub;
  static void fields(auto& s, auto& v) {
    v("alloc_hint", s.alloc_hint);
    v("p_cont_id", s.p_cont_id);
    v("cancel_count", s.cancel_count);
    v("reserved", s.reserved);
    v("status", s.status);
    v("reserved2", s.reserved2);
    v.rest("stub", s.stub);
  }
};

struct SecTrailer {
  std::uint8_t auth_type = 0;
  std::uint8_t auth_level = 0;
  std::uint8_t auth_pad_length = 0;
  std::uint8_t auth_reserved = 0;
  std::uint32_t auth_context_id = 0;
  static void fields(auto& s, auto& v) {
    v("auth_type", s.auth_type);
    v("auth_level", s.auth_level);
    v("auth_pad_length", s.auth_pad_length);
    v("auth_reserved", s.auth_reserved);
    v("auth_context_id", s.auth_context_id);
  }
};

// A PDU taken apart; everything borrows from its bytes.
struct Pdu {
  PduHeader header;
  View body;     // between the header and the padding before the trailer
  View padding;
  bool has_trailer = false;
  SecTrailer trailer;
  View auth_value;
};

// Errc::malformed when lengths contradict each other or `bytes`, which must be one whole PDU; unsupported for
// another version or byte order.
Result<PduHeader> read_pdu_header(View bytes);
Result<Pdu> read_pdu(View bytes);
// The other way; lengths are filled in, and with a trailer the body is padded to a multiple of four.
Status write_pdu(const Pdu& pdu, Bytes& out);

}  // namespace mapigate::wire::rpc
