// The file reader on any bytes: it ends with a reason, and every packet that it hands on is there whole.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "drivers/pcap_file.h"

using namespace headgate;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int descriptor = memfd_create("capture", 0);
  if (descriptor < 0 || write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  PcapFile file;
  uint64_t sum = 0, frames = 0;
  if (file.open("/proc/self/fd/" + std::to_string(descriptor))) {
    Packet packets[kBatch];
    while (const size_t n = file.receive(packets, kBatch)) {
      for (size_t i = 0; i < n; i++) {
        if (packets[i].frame != ++frames) std::abort();
        for (uint32_t b = 0; b < packets[i].captured; b++) sum += packets[i].data[b];
        // The headroom may be written without harm to what is still to be read.
        for (uint32_t b = 1; b <= kHeadroom; b++) packets[i].data[-static_cast<ptrdiff_t>(b)] = static_cast<uint8_t>(sum);
      }
    }
  }
  if (file.end() == FileEnd::NotYet) std::abort();
  if ((file.end() == FileEnd::Clean) != file.error().empty()) std::abort();
  close(descriptor);
  return 0;
}
