// Answers the queries that a compiled table knows, as src/core/wire/dns/answer.ts would, octet for octet. What is
// malformed, rare or needs a search is not answered here but handed to that. Allocates nothing after it is made.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "dns/answer_table.h"
#include "dns/rate_limit.h"

namespace headgate::dns {

inline constexpr size_t kAnswerMax = 1232;

struct Policy {
  uint8_t ipv4_bits = 24;  // networks that are told apart; at most 32 and 64
  uint8_t ipv6_bits = 56;
  bool client_subnet = true;
  std::optional<std::array<uint8_t, 16>> cookie_secret;
  uint32_t responses_per_second = 0;
  uint32_t slip = 0;
};

struct Counts {
  uint64_t answered, steered, nodata, nxdomain, truncated, limited_dropped, limited_slipped;
};

class Responder {
 public:
  static constexpr int kNotMine = -1;

  explicit Responder(const Policy& policy) : policy_(policy), limit_(policy.responses_per_second, policy.slip) {}

  // Writes at most kAnswerMax bytes to `out` and returns their number; 0 is silence (the rate limit), kNotMine
  // a query for TypeScript. `address` has 4 or 16 bytes by `family` 4 or 6; `now_ms` is Unix time.
  int answer(const AnswerTable& table, const uint8_t* query, size_t length, const uint8_t* address, uint8_t family,
             uint64_t now_ms, uint8_t* out);

  const Counts& counts() const { return counts_; }

 private:
  Policy policy_;
  RateLimit limit_;
  Counts counts_{};
};

}  // namespace headgate::dns
