#include "runtime/block_rtt.h"

#include <algorithm>
#include <cstring>

namespace headgate {
namespace {

// The least of a bucket: 0, 256 us, then two to an octave.
uint32_t least_of(unsigned bucket) {
  if (bucket == 0) return 0;
  const uint32_t octave = 256u << ((bucket - 1) / 2);
  return (bucket - 1) % 2 == 0 ? octave : octave + octave / 2;
}

// The same sample as RttHistogram::quantile means; each stands in the middle of its part of the bucket.
uint32_t quantile(const BlockRtt& counts, uint32_t samples, double share) {
  const double wanted = share * (samples - 1);
  double below = 0;
  for (unsigned i = 0; i < BlockRtt::kBuckets - 1; i++) {
    const double own = counts.bucket[i];
    if (below + own > wanted) {
      const uint32_t least = least_of(i);
      const double place = std::min(1.0, (wanted - below + 0.5) / own);
      return least + static_cast<uint32_t>(place * (least_of(i + 1) - least));
    }
    below += own;
  }
  return least_of(BlockRtt::kBuckets - 1);
}

// A page that was never written takes no memory, and most blocks of many have no news.
void assign(BlockRtt* to, const BlockRtt& from) {
  if (std::memcmp(to, &from, sizeof from) != 0) *to = from;
}

}  // namespace

void add(BlockRtt* sum, const BlockRtt& part) {
  for (unsigned i = 0; i < BlockRtt::kBuckets; i++) sum->bucket[i] += part.bucket[i];
}

hg_block_rtt summarise(const BlockRtt& counts) {
  hg_block_rtt told = {};
  for (const uint32_t count : counts.bucket) told.samples += count;
  if (told.samples == 0) return told;
  told.p50_us = quantile(counts, told.samples, 0.50);
  told.p95_us = quantile(counts, told.samples, 0.95);
  return told;
}

BlockRtt RecentRtt::recent(uint32_t block, const BlockRtt& now) const {
  const BlockRtt& before = bounds(block)->before;
  BlockRtt added;
  for (unsigned i = 0; i < BlockRtt::kBuckets; i++) added.bucket[i] = now.bucket[i] - before.bucket[i];
  return added;
}

void RecentRtt::end_stretch(uint32_t block, const BlockRtt& now) {
  Bounds* const of = bounds(block);
  assign(&of->before, of->begin);
  assign(&of->begin, now);
}

void RecentRtt::forget(uint32_t block, const BlockRtt& now) {
  Bounds* const of = bounds(block);
  assign(&of->before, now);
  assign(&of->begin, now);
}

}  // namespace headgate
