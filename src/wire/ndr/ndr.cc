#include "wire/ndr/ndr.h"

#include <cstring>
#include <new>

extern "C" {
#include <talloc.h>
// The order matters: libndr's header takes these for granted.
#include <core/ntstatus.h>
#include <util/data_blob.h>
// clang-format off
#include <ndr.h>
// clang-format on
}

namespace mapigate::wire::ndr {

void Reader::fail(const char* name, Errc code, std::string_view why) {
  if (!problem_) problem_ = error(code, "{} at offset {}: {}", name, offset(), why);
}

void Reader::check(const char* name, int ndr_error) {
  if (ndr_error != NDR_ERR_SUCCESS)
    fail(name, Errc::malformed, ndr_map_error2string(static_cast<ndr_err_code>(ndr_error)));
}

std::size_t Reader::left() const { return pull_->data_size - pull_->offset; }
std::size_t Reader::offset() const { return pull_->offset; }

void Reader::pull(const char* name, std::uint8_t& x) {
  if (problem_) return;
  check(name, ndr_pull_uint8(pull_, NDR_SCALARS, &x));
}

void Reader::pull(const char* name, std::uint16_t& x) {
  if (problem_) return;
  check(name, ndr_pull_uint16(pull_, NDR_SCALARS, &x));
}

void Reader::pull(const char* name, std::uint32_t& x) {
  if (problem_) return;
  check(name, ndr_pull_uint32(pull_, NDR_SCALARS, &x));
}

// Kept in the order of a little-endian wire.
void Reader::scalars(const char* name, mapi::Guid& x) {
  align(4);
  const auto first = number<std::uint32_t>(name);
  const auto second = number<std::uint16_t>(name);
  const auto third = number<std::uint16_t>(name);
  for (unsigned i = 0; i < 4; ++i) x.bytes[i] = static_cast<std::uint8_t>(first >> 8 * i);
  for (unsigned i = 0; i < 2; ++i) x.bytes[4 + i] = static_cast<std::uint8_t>(second >> 8 * i);
  for (unsigned i = 0; i < 2; ++i) x.bytes[6 + i] = static_cast<std::uint8_t>(third >> 8 * i);
  for (unsigned i = 8; i < 16; ++i) x.bytes[i] = number<std::uint8_t>(name);
  place(&x, 16);
}

void Reader::scalars(const char* name, ContextHandle& x) {
  scalars(name, x.attributes);
  scalars(name, x.uuid);
  place(&x, 20);
}

void Reader::align(std::size_t size) {
  if (problem_) return;
  check("alignment", ndr_pull_align(pull_, size));
}

bool Reader::fits(const char* name, std::uint64_t count, std::size_t each) {
  if (problem_) return false;
  if (count * each <= left()) return true;
  fail(name, Errc::malformed, "more elements than there are bytes");
  return false;
}

View Reader::take(const char* name, std::uint32_t size) {
  if (!fits(name, size, 1)) return {};
  const View bytes(pull_->data + pull_->offset, size);
  check(name, ndr_pull_advance(pull_, size));
  return bytes;
}

std::uint32_t Reader::variance(const char* name, std::uint32_t size) {
  const auto offset = number<std::uint32_t>(name);
  const auto count = number<std::uint32_t>(name);
  agree(name, offset == 0 && count <= size);
  return problem_ ? 0 : count;
}

void Reader::text(const char* name, std::string_view& x) {
  align(4);
  const auto start = offset();
  const auto bytes = take(name, variance(name, number<std::uint32_t>(name)));
  if (problem_) return;
  place(&x, offset() - start);
  agree(name, !bytes.empty() && bytes.back() == 0);
  const auto all = as_text(bytes);
  x = all.substr(0, all.find('\0'));
}

void Reader::text(const char* name, Utf16& x) {
  align(4);
  const auto start = offset();
  const auto count = variance(name, number<std::uint32_t>(name));
  if (!fits(name, count, 2)) return;
  const auto bytes = take(name, count * 2);
  if (problem_) return;
  place(&x, offset() - start);
  auto own = arena_.make_span<std::uint8_t>(bytes.size());
  const bool swap = NDR_BE(pull_);
  std::size_t length = bytes.size();
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    own[i] = bytes[i + (swap ? 1 : 0)];
    own[i + 1] = bytes[i + (swap ? 0 : 1)];
    if (own[i] == 0 && own[i + 1] == 0 && length > i) length = i;
  }
  agree(name, bytes.size() >= 2 && bytes[bytes.size() - 1] == 0 && bytes[bytes.size() - 2] == 0);
  x.bytes = View(own.data(), length);
}

void Reader::fixed_text(const char* name, std::string_view& x, std::uint32_t size) {
  align(4);
  const auto start = offset();
  const auto bytes = take(name, variance(name, size));
  if (problem_) return;
  place(&x, offset() - start);
  const auto all = as_text(bytes);
  x = all.substr(0, all.find('\0'));
}

void Reader::range(const char* name, std::uint32_t x, std::uint32_t low, std::uint32_t high) {
  if (x < low || x > high) fail(name, Errc::malformed, "out of its range");
}

void Reader::agree(const char* name, bool so) {
  if (!so) fail(name, Errc::malformed, "contradicts what stands beside it");
}

bool Reader::enter(const char* name) {
  if (problem_) return false;
  if (depth_ >= max_depth) {
    fail(name, Errc::limit, "nested too deeply");
    return false;
  }
  ++depth_;
  return true;
}

void Writer::check(const char* name, int ndr_error) {
  if (ndr_error != NDR_ERR_SUCCESS && !problem_)
    problem_ = error(Errc::internal, "{}: {}", name, ndr_map_error2string(static_cast<ndr_err_code>(ndr_error)));
}

void Writer::scalars(const char* name, std::uint8_t x) { check(name, ndr_push_uint8(push_, NDR_SCALARS, x)); }
void Writer::scalars(const char* name, std::uint16_t x) { check(name, ndr_push_uint16(push_, NDR_SCALARS, x)); }
void Writer::scalars(const char* name, std::uint32_t x) { check(name, ndr_push_uint32(push_, NDR_SCALARS, x)); }

void Writer::scalars(const char* name, const mapi::Guid& x) {
  align(4);
  put(name, x.bytes);
}

void Writer::scalars(const char* name, const ContextHandle& x) {
  scalars(name, x.attributes);
  scalars(name, x.uuid);
}

void Writer::align(std::size_t size) { check("alignment", ndr_push_align(push_, size)); }

void Writer::put(const char* name, View bytes) {
  if (!bytes.empty()) check(name, ndr_push_bytes(push_, bytes.data(), static_cast<std::uint32_t>(bytes.size())));
}

// Any numbers will do, as long as they differ; these are the ones that Windows sends.
void Writer::referent(const char* name, bool present) { scalars(name, present ? 0x00020000 + 4 * referents_++ : std::uint32_t{0}); }

void Writer::text(const char* name, std::string_view x) {
  const auto size = static_cast<std::uint32_t>(x.size() + 1);
  scalars(name, size);
  scalars(name, std::uint32_t{0});
  scalars(name, size);
  put(name, as_view(x));
  scalars(name, std::uint8_t{0});
}

void Writer::text(const char* name, const Utf16& x) {
  const auto size = static_cast<std::uint32_t>(x.size() + 1);
  scalars(name, size);
  scalars(name, std::uint32_t{0});
  scalars(name, size);
  put(name, x.bytes);
  scalars(name, std::uint16_t{0});
}

void Writer::fixed_text(const char* name, std::string_view x, std::uint32_t size) {
  agree(name, x.size() < size);
  scalars(name, std::uint32_t{0});
  scalars(name, static_cast<std::uint32_t>(x.size() + 1));
  put(name, as_view(x));
  scalars(name, std::uint8_t{0});
}

void Writer::agree(const char* name, bool so) {
  if (!so && !problem_) problem_ = error(Errc::internal, "{}: contradicts what stands beside it", name);
}

Stub::Stub(View bytes, bool big_endian) {
  DATA_BLOB blob{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};  // libndr does not write into it
  pull_ = ndr_pull_init_blob(&blob, nullptr);
  if (pull_ == nullptr) throw std::bad_alloc();
  if (big_endian) pull_->flags |= LIBNDR_FLAG_BIGENDIAN;
}
Stub::~Stub() { talloc_free(pull_); }

NewStub::NewStub() : push_(ndr_push_init_ctx(nullptr)) {
  if (push_ == nullptr) throw std::bad_alloc();
}
NewStub::~NewStub() { talloc_free(push_); }
View NewStub::bytes() const { return {push_->data, push_->offset}; }

}  // namespace mapigate::wire::ndr
