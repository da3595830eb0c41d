// What a unit publishes to the kernel's programs of one wire, and what they have counted by it. Both stay in force when
// the unit ends: the kernel goes on marking by the last tables.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "core/pipeline.h"
#include "drivers/failure.h"
#include "kernel/flat_tables.h"
#include "kernel/install.h"
#include "kernel/page_region.h"

namespace headgate {

class Publication {
 public:
  Publication() = default;
  ~Publication() { close(); }
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  // Makes room for counts, which begin at nothing; until the first publish() the kernel uses what a unit before us left.
  // `gate` is open and outlives this; `wire` is the wire's index in Tables. `layout.processors` is found here.
  std::optional<Failure> open(const Gate* gate, uint32_t wire, const CountLayout& layout);
  void close();
  // Bytes of the kernel's that open() takes; `layout.processors` is found here too.
  static size_t count_bytes(CountLayout layout);
  bool is_open() const { return counts_.pages() != nullptr; }

  // In force from the kernel's next packet on; waits until no packet is on its way by the old ones (some 30 ms).
  std::optional<Failure> publish(const Tables& tables);

  // The same of marks alone, for the tables that we published last.
  std::optional<Failure> publish(const Marks& marks);

  // Counted since open(), all processors together. `link` may be HG_LINK_UNKNOWN.
  hg_traffic traffic(uint32_t block, uint32_t link, Direction direction) const;
  hg_destination_count destination(uint32_t index) const;

 private:
  uint32_t in_force() const;
  // From then on the kernel's programs use that; waits until none of them uses what was before. 0, or the error.
  int put_in_force(uint32_t word, const PageRegion& region);
  void displace_others(const PageRegion& ours) const;

  const Gate* gate_ = nullptr;
  uint32_t wire_ = 0;
  CountLayout layout_;
  uint32_t counts_region_ = 0;
  PageRegion counts_;
  // In turn: what is not in force is written.
  std::array<PageRegion, 2> tables_;
  // What we have put in force (HG_IN_FORCE), or 0.
  uint32_t ours_ = 0;
};

}  // namespace headgate
