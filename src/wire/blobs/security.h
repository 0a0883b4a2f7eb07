// Security identifiers, access control lists and descriptors ([MS-DTYP] 2.4), as [MS-OXCPERM] and
// PidTagNTSecurityDescriptor carry them.
#pragma once

#include "wire/blobs/blob_fields.h"

namespace mapigate::wire::blobs {

// [MS-DTYP] 2.4.2.2.
struct SID {
  static constexpr const char* name = "SID";
  static constexpr std::size_t minimum_size = 8;
  static constexpr unsigned max_sub_authorities = 15;
  std::uint8_t Revision = 1;
  std::array<std::uint8_t, 6> IdentifierAuthority{};  // most significant byte first
  std::span<const std::uint32_t> SubAuthority{};
  static void fields(auto& s, auto& v) {
    v("Revision", s.Revision);
    const auto n = v.template count<std::uint8_t>("SubAuthorityCount", s.SubAuthority.size());
    v("IdentifierAuthority", s.IdentifierAuthority);
    v.check(n <= max_sub_authorities, "too many sub-authorities");
    v.list("SubAuthority", s.SubAuthority, n);
    remark(v, "SID", [&] { return to_string(s); });
  }
};
std::string to_string(const SID& sid);  // S-1-5-21-…

// [MS-DTYP] 2.4.4: types with a SID right behind Mask are taken apart, others stay bytes.
struct ACE {
  static constexpr const char* name = "ACE";
  static constexpr std::size_t minimum_size = 4;
  enum : std::uint8_t {
    ACCESS_ALLOWED_ACE_TYPE = 0x00, ACCESS_DENIED_ACE_TYPE = 0x01, SYSTEM_AUDIT_ACE_TYPE = 0x02,
    ACCESS_ALLOWED_OBJECT_ACE_TYPE = 0x05, ACCESS_DENIED_OBJECT_ACE_TYPE = 0x06,
  };
  std::uint8_t Type = 0;
  std::uint8_t Flags = 0;
  std::uint16_t Size = 0;  // of the whole ACE
  std::uint32_t Mask = 0;
  std::uint32_t ObjectFlags = 0;  // 1: ObjectType is there, 2: InheritedObjectType is there
  mapi::Guid ObjectType{};
  mapi::Guid InheritedObjectType{};
  blobs::SID SID{};
  View Rest{};
  bool has_sid() const { return Type <= SYSTEM_AUDIT_ACE_TYPE || has_object(); }
  bool has_object() const { return Type == ACCESS_ALLOWED_OBJECT_ACE_TYPE || Type == ACCESS_DENIED_OBJECT_ACE_TYPE; }
  template <class V>
  static void fields(auto& s, V& v) {
    v("Type", s.Type);
    v("Flags", s.Flags);
    v("Size", s.Size);
    if constexpr (ReadingVisitor<V>) {
      if (s.Size < 4) return v.check(false, "smaller than its head");
      const auto* end = v.cursor().narrow(s.Size - 4);
      body(s, v);
      v.cursor().widen(end);
    } else {
      body(s, v);
    }
  }

 private:
  static void body(auto& s, auto& v) {
    if (s.has_sid()) {
      v("Mask", s.Mask);
      if (s.has_object()) {
        v("ObjectFlags", s.ObjectFlags);
        if ((s.ObjectFlags & 1) != 0) v("ObjectType", s.ObjectType);
        if ((s.ObjectFlags & 2) != 0) v("InheritedObjectType", s.InheritedObjectType);
      }
      v("SID", s.SID);
    }
    if (bytes_left(v, s.Rest.size()) != 0) v.rest("Rest", s.Rest);
  }
};

// [MS-DTYP] 2.4.5.
struct ACL {
  static constexpr const char* name = "ACL";
  std::uint8_t AclRevision = 2;
  std::uint8_t Sbz1 = 0;
  std::uint16_t AclSize = 0;
  std::uint16_t Sbz2 = 0;
  std::span<const ACE> ACEs{};
  static void fields(auto& s, auto& v) {
    v("AclRevision", s.AclRevision);
    v("Sbz1", s.Sbz1);
    v("AclSize", s.AclSize);
    const auto n = v.template count<std::uint16_t>("AceCount", s.ACEs.size());
    v("Sbz2", s.Sbz2);
    v.list("ACEs", s.ACEs, n);
  }
};

// [MS-DTYP] 2.4.6, self-relative. Owner, group and lists may stand anywhere in Data, in any order;
// the offsets count from Revision and are zero for what is not there.
struct SecurityDescriptor {
  static constexpr const char* name = "SecurityDescriptor";
  std::uint8_t Revision = 1;
  std::uint8_t Sbz1 = 0;
  std::uint16_t Control = 0x8004;  // SR | DP
  std::uint32_t OffsetOwner = 0;
  std::uint32_t OffsetGroup = 0;
  std::uint32_t OffsetSacl = 0;
  std::uint32_t OffsetDacl = 0;
  View Data{};
  static constexpr std::uint32_t header_size = 20;
  // What reading found at the offsets that are not zero. Writing writes Data.
  blobs::SID Owner{}, Group{};
  blobs::ACL Sacl{}, Dacl{};
  template <class V>
  static void fields(auto& s, V& v) {
    v("Revision", s.Revision);
    v("Sbz1", s.Sbz1);
    v("Control", s.Control);
    v("OffsetOwner", s.OffsetOwner);
    v("OffsetGroup", s.OffsetGroup);
    v("OffsetSacl", s.OffsetSacl);
    v("OffsetDacl", s.OffsetDacl);
    if constexpr (ReadingVisitor<V>) {
      part(v, "Owner", s.OffsetOwner, s.Owner);
      part(v, "Group", s.OffsetGroup, s.Group);
      part(v, "Sacl", s.OffsetSacl, s.Sacl);
      part(v, "Dacl", s.OffsetDacl, s.Dacl);
    }
    v.rest("Data", s.Data);
  }

 private:
  // Reads at the offset, then goes back to where Data begins.
  template <class V, class Part>
  static void part(V& v, const char* name, std::uint32_t offset, Part& part) {
    if (offset == 0 || !v.ok()) return;
    v.cursor().set_field(name);
    v.check(offset >= header_size && offset - header_size < v.cursor().left(), "its offset lies outside");
    if (!v.ok()) return;
    const auto data = v.cursor();
    v.cursor().skip(offset - header_size);
    v(name, part);
    if (v.ok()) v.cursor() = data;
  }
};

// PidTagNTSecurityDescriptor and its kind: a head, then the descriptor.
struct TransferDescriptor {
  static constexpr const char* name = "NTSecurityDescriptor";
  std::uint16_t Padding = 8;  // bytes of the head
  std::uint16_t Version = 3;
  std::uint32_t SecurityInformation = 0;
  View Reserved{};
  blobs::SecurityDescriptor SecurityDescriptor{};
  static void fields(auto& s, auto& v) {
    v("Padding", s.Padding);
    v("Version", s.Version);
    v("SecurityInformation", s.SecurityInformation);
    v.check(s.Padding >= 8, "smaller than the head");
    if (s.Padding > 8) v.bytes("Reserved", s.Reserved, s.Padding - 8u);
    v("SecurityDescriptor", s.SecurityDescriptor);
  }
};

}  // namespace mapigate::wire::blobs
