// Round-trip times in fixed memory.
#pragma once
#include <cstdint>

namespace headgate {

// Log-linear: 64 steps per octave, so a quantile is off by less than 0.8 % (half a step). Values in
// microseconds up to 2^26 (67 s); what is above counts in the last bucket.
struct RttHistogram {
  static constexpr unsigned kSteps = 64, kOctaves = 21, kBuckets = kSteps * kOctaves;
  uint64_t samples;
  uint32_t bucket[kBuckets];

  static unsigned index_of(uint32_t us) {
    if (us < kSteps) return us;
    const unsigned octave = 31u - static_cast<unsigned>(__builtin_clz(us)) - 5;  // 1 for 64..127
    const unsigned index = octave * kSteps + (us >> (octave - 1)) - kSteps;
    return index < kBuckets ? index : kBuckets - 1;
  }
  // The middle of a bucket.
  static double value_of(unsigned index) {
    if (index < kSteps) return index;
    const unsigned octave = index / kSteps, step = index % kSteps;
    return (static_cast<double>(kSteps + step) + 0.5) * static_cast<double>(1u << (octave - 1)) - 0.5;
  }
  void add(uint32_t us) {
    samples++;
    bucket[index_of(us)]++;
  }
  void add(const RttHistogram& other) {
    samples += other.samples;
    for (unsigned i = 0; i < kBuckets; i++) bucket[i] += other.bucket[i];
  }
  // `share` 0 to 1; 0 when there are no samples.
  double quantile(double share) const {
    if (samples == 0) return 0;
    const double wanted = share * static_cast<double>(samples - 1);
    uint64_t below = 0;
    for (unsigned i = 0; i < kBuckets; i++) {
      below += bucket[i];
      if (static_cast<double>(below) > wanted) return value_of(i);
    }
    return value_of(kBuckets - 1);
  }
};

// For each block: one count per half octave from 256 us on, 24 in all; fits in a cache line and a half.
struct BlockRtt {
  static constexpr unsigned kBuckets = 24;
  uint32_t bucket[kBuckets];

  static unsigned index_of(uint32_t us) {
    if (us < 256) return 0;
    const unsigned octave = 31u - static_cast<unsigned>(__builtin_clz(us));
    const unsigned index = 1 + (octave - 8) * 2 + ((us >> (octave - 1)) & 1);
    return index < kBuckets ? index : kBuckets - 1;
  }
};

}  // namespace headgate
