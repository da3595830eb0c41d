#include "kernel/page_region.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace headgate {
namespace {

constexpr size_t kChunkBytes = HG_CHUNK_PAGES * sizeof(hg_page);

// Files of chunks that have been made and are not in the map yet.
class Chunks {
 public:
  Chunks() = default;
  ~Chunks() {
    for (const int chunk : files_) ::close(chunk);
  }
  Chunks(const Chunks&) = delete;
  Chunks& operator=(const Chunks&) = delete;

  // Of one size and without BPF_F_INNER_MAP, so that the programs reach a page without a call. 0 or the error.
  int add() {
    bpf_map_create_opts options = {};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE;
    const int chunk =
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "hg_pages", sizeof(uint32_t), sizeof(hg_page), HG_CHUNK_PAGES, &options);
    if (chunk < 0) return errno;
    files_.push_back(chunk);
    return 0;
  }
  const std::vector<int>& files() const { return files_; }

 private:
  std::vector<int> files_;
};

// All at once: the kernel then waits once (since 6.8). One by one where it has no such call (before 5.19).
int put(int published, uint32_t first, const std::vector<int>& chunks) {
  std::vector<uint32_t> keys;
  for (uint32_t i = 0; i < chunks.size(); i++) keys.push_back(first + i);
  auto count = static_cast<uint32_t>(chunks.size());
  if (bpf_map_update_batch(published, keys.data(), chunks.data(), &count, nullptr) == 0) return 0;
  for (uint32_t i = 0; i < chunks.size(); i++) {
    if (bpf_map_update_elem(published, &keys[i], &chunks[i], BPF_ANY) != 0) return errno;
  }
  return 0;
}

}  // namespace

int PageRegion::grow(int published, uint32_t first, uint32_t most, size_t pages) {
  const auto wanted = static_cast<uint32_t>((pages + HG_CHUNK_PAGES - 1) / HG_CHUNK_PAGES);
  if (wanted > most) return ENOSPC;
  if (wanted <= chunks_) return 0;
  if (pages_ == nullptr) {
    // Addresses only, so that what is added later continues what is there.
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    reserved_bytes_ = most * kChunkBytes;
    void* const reserved = mmap(nullptr, reserved_bytes_, PROT_NONE, flags, -1, 0);
    if (reserved == MAP_FAILED) return errno;
    pages_ = static_cast<hg_page*>(reserved);
    published_ = published;
    first_ = first;
  }
  Chunks chunks;
  for (uint32_t i = chunks_; i < wanted; i++) {
    if (const int error = chunks.add(); error != 0) return error;
    void* const at = pages_ + size_t{i} * HG_CHUNK_PAGES;
    const int flags = MAP_SHARED | MAP_FIXED;
    if (mmap(at, kChunkBytes, PROT_READ | PROT_WRITE, flags, chunks.files().back(), 0) == MAP_FAILED) return errno;
  }
  if (const int error = put(published_, first_ + chunks_, chunks.files()); error != 0) return error;
  if (first_chunk_ < 0) first_chunk_ = dup(chunks.files().front());
  chunks_ = wanted;
  return 0;
}

void PageRegion::close() {
  if (pages_ != nullptr) munmap(pages_, reserved_bytes_);
  if (first_chunk_ >= 0) ::close(first_chunk_);
  pages_ = nullptr;
  first_chunk_ = -1;
  chunks_ = 0;
}

int PageRegion::settle() const {
  return bpf_map_update_elem(published_, &first_, &first_chunk_, BPF_ANY) == 0 ? 0 : errno;
}

void PageRegion::displace(uint32_t first, uint32_t most) const {
  uint32_t held = 0;
  for (uint32_t id = 0; held < most; held++) {
    const uint32_t chunk = first + held;
    if (bpf_map_lookup_elem(published_, &chunk, &id) != 0) break;
  }
  // A chunk of ours in their place, since only changes can be asked for all at once.
  if (held > 0) put(published_, first, std::vector<int>(held, first_chunk_));
}

}  // namespace headgate
