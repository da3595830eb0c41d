// Round trips by block: of several packet loops as one, of late, and what is told of them. Pure.
#pragma once
#include <cstddef>
#include <cstdint>

#include "abi/engine.h"
#include "core/histogram.h"
#include "runtime/memory.h"

namespace headgate {

// Modulo 2^32 by bucket, as packet loops count: differences hold whatever was counted before.
void add(BlockRtt* sum, const BlockRtt& part);

// Samples lie evenly within their bucket, so a quantile is off by less than half an octave. Those of the last bucket,
// which has no end, are told as its beginning: 524,288 us.
hg_block_rtt summarise(const BlockRtt& counts);

// What was counted of each block since the stretch before the present one began: the caller ends stretches, so that what
// is told is always of one or two of them. Block by block, in any order; one thread.
class RecentRtt {
 public:
  static constexpr size_t bytes(uint32_t blocks) { return blocks * sizeof(Bounds); }

  // Zeroed, so that blocks without sessions take no page. `has_room` says whether there is that much.
  explicit RecentRtt(uint32_t blocks) : memory_(bytes(blocks) + 1, 0) {}
  bool has_room() const { return memory_.data() != nullptr; }

  // `now`: all that was ever counted of the block.
  BlockRtt recent(uint32_t block, const BlockRtt& now) const;
  // Its present stretch ends here.
  void end_stretch(uint32_t block, const BlockRtt& now);
  // What was counted of it so far was another's.
  void forget(uint32_t block, const BlockRtt& now);

 private:
  struct Bounds {
    BlockRtt before;  // when the stretch before the present one began
    BlockRtt begin;   // when the present one began
  };

  Bounds* bounds(uint32_t block) const { return static_cast<Bounds*>(memory_.data()) + block; }

  Memory memory_;
};

}  // namespace headgate
