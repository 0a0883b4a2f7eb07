#include "convert/delivery_status.h"

#include <cstddef>
#include <iterator>

namespace mapigate::convert {

namespace {

constexpr std::int32_t any = -1, unchanged = -1;

// In order: the first row that fits.
struct Meaning {
  std::int32_t subject, detail, diagnostic, reason;
};
constexpr Meaning meanings[] = {
    {1, 1, 35, 1},        {1, 2, 48, 0},         {1, 3, 32, 0},        {1, 4, 1, 0},  {1, 6, 40, 0},         {1, any, 0, 0},
    {2, 2, 13, 0},        {2, 3, 13, 0},         {2, 4, 30, 0},        {2, any, 38, 0},
    {3, 2, unchanged, 0}, {3, 3, 18, 0},         {3, 4, 13, 0},        {3, 5, 18, 0}, {3, any, 38, 0},
    {4, 0, unchanged, 0}, {4, 3, unchanged, 6},  {4, 4, unchanged, 0}, {4, 6, 3, 0},  {4, 7, 5, 0},          {4, 8, 3, 0}, {4, any, 2, 0},
    {5, 3, 16, 0},        {5, 4, 11, 0},         {5, any, 17, 0},
    {6, 2, 9, 0},         {6, 3, 8, 0},          {6, 4, 25, 0},        {6, 5, unchanged, 2}, {6, any, 15, 0},
    {7, 1, 29, 0},        {7, 2, 28, 0},         {7, 3, 26, 0},        {7, any, 46, 0}};

// By diagnostic, from 0.
constexpr std::int32_t status_of_diagnostic[] = {
    510, 514, 445, 446, 510, 447, 530, 560, 563, 562, 560, 554, 560, 534, 560, 561, 553, 555, 533, 562, 560, 560, 464, 464, 464,
    464, 573, 446, 572, 571, 524, 561, 513, 510, 513, 511, 510, 530, 530, 510, 516, 510, 510, 516, 500, 500, 570, 500, 512};
// By reason, where there is no diagnostic.
constexpr std::int32_t status_of_reason[] = {540, 510, 565, 565, 520, 530, 443};
constexpr std::int32_t failed_somehow = 500, not_transferred = 540;

std::int32_t digit(std::int32_t n) { return n < 0 || n > 9 ? 0 : n; }

}  // namespace

NonDeliveryCodes codes_of_status(std::int32_t subject, std::int32_t detail) {
  subject = digit(subject);
  detail = digit(detail);
  for (const auto& one : meanings)
    if (one.subject == subject && (one.detail == detail || one.detail == any)) return {one.diagnostic, one.reason};
  return {};
}

std::int32_t status_of_codes(const NonDeliveryCodes& codes) {
  if (codes.diagnostic == unchanged)
    return codes.reason >= 0 && codes.reason < std::ssize(status_of_reason) ? status_of_reason[codes.reason] : not_transferred;
  return codes.diagnostic >= 0 && codes.diagnostic < std::ssize(status_of_diagnostic) ? status_of_diagnostic[codes.diagnostic] : failed_somehow;
}

}  // namespace mapigate::convert
