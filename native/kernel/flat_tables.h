// From the tables that a pipeline reads to the pages that the kernel's programs read (abi/flat.h).
#pragma once
#include <cstddef>
#include <cstdint>

#include "abi/flat.h"
#include "core/pipeline.h"

namespace headgate {

// How the counts of one wire lie in their pages, by what was opened.
struct CountLayout {
  uint32_t blocks = 0;
  uint32_t links = 0;
  uint32_t destinations = 0;
  uint32_t processors = 1;

  uint32_t columns() const { return links + 1; }
  uint32_t cell_pages() const;
  uint32_t cpu_pages() const;
  // Of all processors.
  uint32_t pages() const { return cpu_pages() * processors; }
};

// What write_flat() needs.
size_t flat_pages(const Tables& tables);

// Lays `tables` out for the wire of this index; `pages` are zeroed, flat_pages() of them. Takes some 30 ns per prefix.
void write_flat(const Tables& tables, uint32_t wire, const CountLayout& counts, hg_page* pages);

// Marks in place of those that stand there, of a table's HG_PAGE_MARKS(0) or (1).
void write_flat(const Marks& marks, uint32_t page, hg_page* pages);

}  // namespace headgate
