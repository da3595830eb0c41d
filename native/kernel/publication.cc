#include "kernel/publication.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace headgate {
namespace {

Failure refused(const char* what, int error, size_t pages) {
  if (error == EPERM || error == EACCES)
    return {"no_capability", std::string("making room for ") + what + " in the kernel is not allowed: CAP_BPF is needed"};
  const std::string wanted = std::string(what) + " in the kernel (" + std::to_string(pages * sizeof(hg_page) >> 20) + " MiB)";
  if (error == ENOSPC) return {"driver_unfit", "no room for " + wanted + ": more than its programs hold"};
  return {"driver_unfit", "no room for " + wanted + ": " + strerror(error)};
}

template <typename Value>
Value load(const Value& value) {
  return __atomic_load_n(&value, __ATOMIC_RELAXED);
}

uint32_t processors() {
  const int possible = libbpf_num_possible_cpus();
  return possible > 0 ? static_cast<uint32_t>(possible) : 1;
}

}  // namespace

size_t Publication::count_bytes(CountLayout layout) {
  layout.processors = processors();
  const size_t chunks = (layout.pages() + HG_CHUNK_PAGES - 1) / HG_CHUNK_PAGES;
  return chunks * HG_CHUNK_PAGES * sizeof(hg_page);
}

std::optional<Failure> Publication::open(const Gate* gate, uint32_t wire, const CountLayout& layout) {
  gate_ = gate;
  wire_ = wire;
  layout_ = layout;
  layout_.processors = processors();
  counts_region_ = 1 - HG_COUNTS_OF(in_force());
  const int error = counts_.grow(gate->published(), HG_COUNTS_CHUNK(counts_region_), HG_COUNTS_CHUNKS, layout_.pages());
  if (error == 0) return std::nullopt;
  close();
  return refused("counts", error, layout_.pages());
}

void Publication::close() {
  counts_.close();
  for (PageRegion& tables : tables_) tables.close();
  ours_ = 0;
}

std::optional<Failure> Publication::publish(const Tables& tables) {
  const uint32_t region = 1 - HG_TABLES_OF(in_force());
  PageRegion& to = tables_[region];
  const size_t pages = flat_pages(tables);
  if (const int error = to.grow(gate_->published(), HG_TABLES_CHUNK(region), HG_TABLES_CHUNKS, pages); error != 0)
    return refused("tables", error, pages);
  memset(to.pages(), 0, pages * sizeof(hg_page));
  write_flat(tables, wire_, layout_, to.pages());
  const bool is_first = ours_ == 0;
  if (const int error = put_in_force(HG_IN_FORCE(region, 0, counts_region_), to); error != 0)
    return refused("tables", error, pages);
  if (is_first) displace_others(to);
  return std::nullopt;
}

std::optional<Failure> Publication::publish(const Marks& marks) {
  if (ours_ == 0 || in_force() != ours_)
    return Failure{"driver_unfit", "another unit has published tables meanwhile: marks of ours do not fit them"};
  const uint32_t region = HG_TABLES_OF(ours_), place = 1 - HG_MARKS_OF(ours_);
  const PageRegion& to = tables_[region];
  write_flat(marks, HG_PAGE_MARKS(place), to.pages());
  if (const int error = put_in_force(HG_IN_FORCE(region, place, counts_region_), to); error != 0)
    return refused("marks", error, HG_MARKS_PAGES);
  return std::nullopt;
}

uint32_t Publication::in_force() const {
  return std::atomic_ref(gate_->state()->in_force).load(std::memory_order_acquire);
}

int Publication::put_in_force(uint32_t word, const PageRegion& region) {
  std::atomic_ref(gate_->state()->in_force).store(word, std::memory_order_release);
  ours_ = word;
  return region.settle();
}

// What a unit before us had made.
void Publication::displace_others(const PageRegion& ours) const {
  const uint32_t other_tables = HG_TABLES_CHUNK(1 - HG_TABLES_OF(ours_));
  const uint32_t other_counts = HG_COUNTS_CHUNK(1 - counts_region_);
  ours.displace(other_tables, HG_TABLES_CHUNKS);
  ours.displace(other_counts, HG_COUNTS_CHUNKS);
  ours.displace(ours.end(), HG_TABLES_CHUNK(HG_TABLES_OF(ours_)) + HG_TABLES_CHUNKS - ours.end());
  ours.displace(counts_.end(), HG_COUNTS_CHUNK(counts_region_) + HG_COUNTS_CHUNKS - counts_.end());
}

hg_traffic Publication::traffic(uint32_t block, uint32_t link, Direction direction) const {
  const uint32_t column = link < layout_.links ? link : layout_.links;
  const uint32_t cell = block * layout_.columns() + column;
  hg_traffic sum = {};
  for (uint32_t cpu = 0; cpu < layout_.processors; cpu++) {
    const hg_page& page = counts_.pages()[cpu * layout_.cpu_pages() + cell / HG_CELLS_PER_PAGE];
    const hg_traffic& part = page.cell[cell % HG_CELLS_PER_PAGE].way[static_cast<uint32_t>(direction)];
    sum.packets += load(part.packets);
    sum.ip_bytes += load(part.ip_bytes);
    sum.l2_bytes += load(part.l2_bytes);
  }
  return sum;
}

hg_destination_count Publication::destination(uint32_t index) const {
  hg_destination_count sum = {};
  for (uint32_t cpu = 0; cpu < layout_.processors; cpu++) {
    const uint32_t page = cpu * layout_.cpu_pages() + layout_.cell_pages() + index / HG_DESTINATIONS_PER_PAGE;
    const hg_destination_count& part = counts_.pages()[page].destination[index % HG_DESTINATIONS_PER_PAGE];
    sum.packets += load(part.packets);
    sum.l2_bytes += load(part.l2_bytes);
  }
  return sum;
}

}  // namespace headgate
