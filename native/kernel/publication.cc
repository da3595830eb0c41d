#include "kernel/publication.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace headgate {
namespace {

// An array of pages that fits the map of maps, and its memory.
struct Pages {
  int fd = -1;
  hg_page* at = nullptr;
  size_t bytes = 0;

  explicit Pages(const char* name, size_t count) : bytes(count * sizeof(hg_page)) {
    bpf_map_create_opts options = {};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP;
    fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), sizeof(hg_page), static_cast<uint32_t>(count), &options);
    if (fd < 0) return;
    void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) at = static_cast<hg_page*>(mapped);
  }
  ~Pages() {
    if (at != nullptr) munmap(at, bytes);
    if (fd >= 0) ::close(fd);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
};

Failure refused(const char* what, size_t bytes) {
  const int error = errno;
  if (error == EPERM || error == EACCES)
    return {"no_capability", std::string("making room for ") + what + " in the kernel is not allowed: CAP_BPF is needed"};
  return {"driver_unfit", std::string("no room for ") + what + " in the kernel (" + std::to_string(bytes >> 20) +
                              " MiB): " + strerror(error)};
}

template <typename Value>
Value load(const Value& value) {
  return __atomic_load_n(&value, __ATOMIC_RELAXED);
}

}  // namespace

size_t Publication::count_bytes(const CountLayout& layout) { return size_t{layout.pages()} * sizeof(hg_page); }

std::optional<Failure> Publication::open(const Gate* gate, uint32_t wire, const CountLayout& layout) {
  gate_ = gate;
  wire_ = wire;
  layout_ = layout;
  const int processors = libbpf_num_possible_cpus();
  layout_.processors = processors > 0 ? static_cast<uint32_t>(processors) : 1;
  slot_ = gate->state()->counts_slot == HG_SLOT_COUNTS ? HG_SLOT_COUNTS + 1 : HG_SLOT_COUNTS;
  Pages counts("hg_counts", layout_.pages());
  if (counts.at == nullptr) return refused("counts", counts.bytes);
  if (bpf_map_update_elem(gate->published(), &slot_, &counts.fd, BPF_ANY) != 0) return refused("counts", counts.bytes);
  counts_ = counts.at;
  counts.at = nullptr;
  return std::nullopt;
}

void Publication::close() {
  if (counts_ != nullptr) munmap(counts_, count_bytes(layout_));
  counts_ = nullptr;
}

std::optional<Failure> Publication::publish(const Tables& tables) {
  Pages pages("hg_tables", flat_pages(tables));
  if (pages.at == nullptr) return refused("tables", pages.bytes);
  write_flat(tables, wire_, layout_, slot_, pages.at);
  const uint32_t slot = HG_SLOT_TABLES;
  if (bpf_map_update_elem(gate_->published(), &slot, &pages.fd, BPF_ANY) != 0) return refused("tables", pages.bytes);
  std::atomic_ref(gate_->state()->counts_slot).store(slot_, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<Failure> Publication::publish(const Marks& marks) {
  Pages pages("hg_marks", flat_pages(marks));
  if (pages.at == nullptr) return refused("marks", pages.bytes);
  write_flat(marks, pages.at);
  const uint32_t slot = HG_SLOT_MARKS;
  if (bpf_map_update_elem(gate_->published(), &slot, &pages.fd, BPF_ANY) != 0) return refused("marks", pages.bytes);
  std::atomic_ref(gate_->state()->marks_for).store(marks.table.tables, std::memory_order_relaxed);
  return std::nullopt;
}

hg_traffic Publication::traffic(uint32_t block, uint32_t link, Direction direction) const {
  const uint32_t column = link < layout_.links ? link : layout_.links;
  const uint32_t cell = block * layout_.columns() + column;
  hg_traffic sum = {};
  for (uint32_t cpu = 0; cpu < layout_.processors; cpu++) {
    const hg_page& page = counts_[cpu * layout_.cpu_pages() + cell / HG_CELLS_PER_PAGE];
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
    const hg_destination_count& part = counts_[page].destination[index % HG_DESTINATIONS_PER_PAGE];
    sum.packets += load(part.packets);
    sum.l2_bytes += load(part.l2_bytes);
  }
  return sum;
}

}  // namespace headgate
