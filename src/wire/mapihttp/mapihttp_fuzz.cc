// The first byte chooses a body type or the preamble parser; the rest is read,
// written, read again and written again: both writings must be the same.
#include <cstdlib>

#include "wire/mapihttp/bodies.h"
#include "wire/mapihttp/cookies.h"
#include "wire/mapihttp/preamble.h"

using namespace mapigate;
using namespace mapigate::wire;

namespace {

template <class T, CountWidth width>
void round_trip(View bytes) {
  Arena arena;
  const auto first = decode<T>("Body", bytes, arena, width);
  if (!first) return;
  Bytes once, twice;
  if (!encode("Body", *first, once, width)) std::abort();
  const auto second = decode<T>("Body", once, arena, width);
  if (!second) std::abort();
  if (!encode("Body", *second, twice, width) || once != twice) std::abort();
}

// In one piece and byte by byte must come to the same.
void preamble(View bytes) {
  mapihttp::PreambleParser whole, pieces;
  const auto status = whole.feed(bytes);
  Status last;
  for (std::size_t i = 0; i < bytes.size() && last; ++i) last = pieces.feed(bytes.subspan(i, 1));
  if (status.has_value() != last.has_value()) std::abort();
  if (status && (whole.payload() != pieces.payload() || whole.headers() != pieces.headers())) std::abort();
}

void cookies(View bytes) {
  const auto read = mapihttp::parse_cookie_header(as_text(bytes));
  if (read.size() > 64) std::abort();
  mapihttp::CookieJar jar;
  jar.receive(as_text(bytes));
  jar.receive(as_text(bytes));
  if (mapihttp::parse_cookie_header(jar.header()).size() > 1) std::abort();  // the same name twice is one cookie
}

template <class T>
constexpr void (*mailbox[2])(View) = {round_trip<typename T::Request, CountWidth::narrow>,
                                      round_trip<typename T::Response, CountWidth::narrow>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const View rest(data + 1, size - 1);
  const auto response = data[0] & 1U;
  switch ((data[0] >> 1) % 5) {
    case 0: response ? cookies(rest) : preamble(rest); break;
    case 1: mailbox<mapihttp::Connect>[response](rest); break;
    case 2: mailbox<mapihttp::Execute>[response](rest); break;
    case 3: mailbox<mapihttp::Disconnect>[response](rest); break;
    default: mailbox<mapihttp::NotificationWait>[response](rest); break;
  }
  return 0;
}
