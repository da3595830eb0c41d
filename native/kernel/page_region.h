// A region of published pages (abi/flat.h): chunks in the map of maps, and their memory in one piece. They stay in the
// map when this is closed.
#pragma once
#include <cstddef>
#include <cstdint>

#include "abi/flat.h"

namespace headgate {

class PageRegion {
 public:
  PageRegion() = default;
  ~PageRegion() { close(); }
  PageRegion(const PageRegion&) = delete;
  PageRegion& operator=(const PageRegion&) = delete;

  // Room for so many pages from the map's chunk `first` on, which had `most` chunks at most when this was called first.
  // What is new is nothing but zeros and takes the place of what another process left. 0, or the system's error:
  // ENOSPC beyond `most`.
  int grow(int published, uint32_t first, uint32_t most, size_t pages);
  void close();

  hg_page* pages() const { return pages_; }
  // Puts what is there in place once more, since the kernel waits after each change until no program runs that may have
  // seen what was before: some 30 ms, after which pages that are no longer in force may be written. 0, or the error.
  int settle() const;
  // Lets go of what others left in `most` chunks from `first` on, none of which is in use.
  void displace(uint32_t first, uint32_t most) const;
  // The chunk behind ours.
  uint32_t end() const { return first_ + chunks_; }

 private:
  int published_ = -1;
  uint32_t first_ = 0;
  uint32_t chunks_ = 0;
  int first_chunk_ = -1;
  hg_page* pages_ = nullptr;
  size_t reserved_bytes_ = 0;
};

}  // namespace headgate
