/* The pages that user space publishes and that count (abi/flat.h), by their number in a region. One face for eBPF and for
 * the tests. */
#ifndef HEADGATE_KERNEL_PAGES_H
#define HEADGATE_KERNEL_PAGES_H
#include "../abi/flat.h"
#include "head.h"

#ifdef HG_BPF
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, HG_CHUNKS);
  __type(key, __u32);
  __array(values, struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, HG_CHUNK_PAGES);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(union hg_page));
  });
} published SEC(".maps");

/* The number of a region's first chunk; and that chunk itself, which holds the pages that have a fixed place. */
typedef hg_u32 hg_pages;
typedef void* hg_front;

HG_INLINE hg_front hg_front_of(hg_pages first) { return bpf_map_lookup_elem(&published, &first); }

HG_INLINE union hg_page* hg_front_page(hg_front front, hg_u32 index) {
  const hg_u32 at = index % HG_CHUNK_PAGES;
  return bpf_map_lookup_elem(front, &at);
}

HG_INLINE union hg_page* hg_page_at(hg_pages first, hg_u32 index) {
  const hg_u32 chunk = first + index / HG_CHUNK_PAGES, at = index % HG_CHUNK_PAGES;
  void* const pages = bpf_map_lookup_elem(&published, &chunk);
  return pages ? bpf_map_lookup_elem(pages, &at) : 0;
}
#else
struct hg_page_array {
  union hg_page* page;
  hg_u32 count;
};
typedef const struct hg_page_array* hg_pages;
typedef const struct hg_page_array* hg_front;

HG_INLINE union hg_page* hg_page_at(hg_pages pages, hg_u32 index) {
  return index < pages->count ? &pages->page[index] : 0;
}

HG_INLINE union hg_page* hg_front_page(hg_front front, hg_u32 index) { return hg_page_at(front, index); }
#endif

#endif
