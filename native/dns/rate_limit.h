// Response rate limiting: the token buckets of src/core/wire/dns/rate-limit.ts, rule for rule.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "dns/hash.h"

namespace headgate::dns {

enum class RateVerdict { kSend, kSlip, kDrop };

class RateLimit {
 public:
  // `slots` is a power of two.
  RateLimit(uint32_t responses_per_second, uint32_t slip, size_t slots = 65'536)
      : rate_(responses_per_second), slip_(slip), buckets_(responses_per_second ? slots : 0) {}

  RateVerdict judge(const uint8_t* network, size_t length, uint32_t subject, double now_ms) {
    if (rate_ == 0) return RateVerdict::kSend;
    Bucket& bucket = find(fnv1a(network, length, subject));
    const double elapsed_s = (now_ms - bucket.used_at_ms) / 1000;
    double tokens = bucket.tokens + (elapsed_s > 0 ? elapsed_s : 0) * rate_;
    if (tokens > rate_) tokens = rate_;
    bucket.used_at_ms = now_ms;
    bucket.tokens = static_cast<float>(tokens >= 1 ? tokens - 1 : tokens);
    if (tokens >= 1) return RateVerdict::kSend;
    over_limit_++;
    return slip_ > 0 && over_limit_ % slip_ == 0 ? RateVerdict::kSlip : RateVerdict::kDrop;
  }

 private:
  static constexpr double kNever = -std::numeric_limits<double>::infinity();

  struct Bucket {
    uint32_t tag = 0;
    float tokens = 0;
    double used_at_ms = kNever;
  };

  Bucket& find(uint32_t tag) {
    const size_t mask = buckets_.size() - 1;
    Bucket* oldest = &buckets_[tag & mask];
    for (uint32_t probe = 0; probe < 4; probe++) {
      Bucket& bucket = buckets_[(tag + probe) & mask];
      if (bucket.tag == tag && bucket.used_at_ms > kNever) return bucket;
      if (bucket.used_at_ms < oldest->used_at_ms) oldest = &bucket;
    }
    *oldest = {tag, static_cast<float>(rate_), kNever};
    return *oldest;
  }

  double rate_;
  uint32_t slip_;
  uint64_t over_limit_ = 0;
  std::vector<Bucket> buckets_;
};

}  // namespace headgate::dns
