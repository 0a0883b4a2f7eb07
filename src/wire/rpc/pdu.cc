#include "wire/rpc/pdu.h"

namespace mapigate::wire::rpc {

Result<PduHeader> read_pdu_header(View bytes) {
  if (bytes.size() < pdu_header_size) return error(Errc::malformed, "PDU: {} bytes are no header", bytes.size());
  Arena arena;
  auto header = decode<PduHeader>("PDU", bytes.first(pdu_header_size), arena, CountWidth::narrow);
  if (!header) return header.error();
  if (header->rpc_vers != 5 || header->rpc_vers_minor > 1)
    return error(Errc::unsupported, "PDU: DCE/RPC of version {}.{}", header->rpc_vers, header->rpc_vers_minor);
  if (header->packed_drep[0] != 0x10) return error(Errc::unsupported, "PDU: big-endian");
  if (header->frag_length < pdu_header_size) return error(Errc::malformed, "PDU: frag_length {}", header->frag_length);
  return header;
}

Result<Pdu> read_pdu(View bytes) {
  const auto header = read_pdu_header(bytes);
  if (!header) return header.error();
  if (header->frag_length != bytes.size()) return error(Errc::malformed, "PDU: frag_length {} of {} bytes", header->frag_length, bytes.size());
  Pdu out;
  out.header = *header;
  out.body = bytes.subspan(pdu_header_size);
  if (header->auth_length == 0) return out;
  const auto trailer = sec_trailer_size + header->auth_length;
  if (trailer > out.body.size()) return error(Errc::malformed, "PDU: auth_length {} of {} bytes", header->auth_length, bytes.size());
  Arena arena;
  auto read = decode<SecTrailer>("sec_trailer", out.body.subspan(out.body.size() - trailer, sec_trailer_size), arena, CountWidth::narrow);
  if (!read) return read.error();
  out.has_trailer = true;
  out.trailer = *read;
  out.auth_value = out.body.last(header->auth_length);
  out.body = out.body.first(out.body.size() - trailer);
  if (read->auth_pad_length > out.body.size()) return error(Errc::malformed, "PDU: auth_pad_length {}", read->auth_pad_length);
  out.padding = out.body.last(read->auth_pad_length);
  out.body = out.body.first(out.body.size() - read->auth_pad_length);
  return out;
}

Status write_pdu(const Pdu& pdu, Bytes& out) {
  static constexpr std::array<std::uint8_t, 4> zeros{};
  auto header = pdu.header;
  auto trailer = pdu.trailer;
  View padding;
  std::size_t size = pdu_header_size + pdu.body.size();
  if (pdu.has_trailer) {
    padding = pdu.padding.empty() ? View(zeros).first((4 - size % 4) % 4) : pdu.padding;
    if (padding.size() > 255) return error(Errc::internal, "PDU: too much padding");
    trailer.auth_pad_length = static_cast<std::uint8_t>(padding.size());
    size += padding.size() + sec_trailer_size + pdu.auth_value.size();
  }
  if (size > 0xffff) return error(Errc::limit, "PDU: {} bytes are more than one may have", size);
  header.frag_length = static_cast<std::uint16_t>(size);
  header.auth_length = static_cast<std::uint16_t>(pdu.has_trailer ? pdu.auth_value.size() : 0);
  if (auto done = encode("PDU", header, out, CountWidth::narrow); !done) return done;
  out.insert(out.end(), pdu.body.begin(), pdu.body.end());
  if (!pdu.has_trailer) return {};
  out.insert(out.end(), padding.begin(), padding.end());
  if (auto done = encode("sec_trailer", trailer, out, CountWidth::narrow); !done) return done;
  out.insert(out.end(), pdu.auth_value.begin(), pdu.auth_value.end());
  return {};
}

}  // namespace mapigate::wire::rpc
