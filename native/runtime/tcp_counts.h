// Sums of what is counted of TCP, by link, direction and pipeline.
#pragma once
#include "abi/records.h"

namespace headgate {

// The counts may be written meanwhile: each is read whole.
inline void add(hg_tcp_counts* sum, const hg_tcp_counts& counts) {
  const auto read = [](const hg_u64& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); };
  sum->data_segments += read(counts.data_segments);
  sum->data_bytes += read(counts.data_bytes);
  sum->lost_beyond += read(counts.lost_beyond);
  sum->needless += read(counts.needless);
  sum->lost_before += read(counts.lost_before);
  sum->spurious += read(counts.spurious);
  sum->retransmitted_bytes += read(counts.retransmitted_bytes);
  sum->reordered += read(counts.reordered);
  sum->duplicates += read(counts.duplicates);
  sum->keep_alives += read(counts.keep_alives);
  sum->window_probes += read(counts.window_probes);
}

}  // namespace headgate
