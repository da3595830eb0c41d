// One capture file through the pipeline, with the capture's own clock.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/pipeline.h"
#include "drivers/pcap_file.h"
#include "runtime/memory.h"
#include "runtime/tables.h"

namespace headgate {

struct ReplayOptions {
  std::string path;
  std::string write_path;       // empty: nothing is written
  std::vector<uint8_t> tables;  // as abi/tables.h says; empty: none
  bool with_frames = false;     // collect the frame numbers of all segments that are not simply new
  uint32_t session_slots = 0;   // 0: by the size of the file
};

class Replay {
 public:
  explicit Replay(ReplayOptions options);

  // Reads the file to its end. Errors are in `error` (of ours) and `file` (of the capture). Any thread, once.
  void run();

  const ReplayOptions& options() const { return options_; }
  // Empty, or why nothing could be done: bad tables, no memory, the output cannot be written.
  const std::string& error() const { return error_; }
  const PcapFile& file() const { return file_; }
  // nullptr when run() failed before it opened the file.
  Pipeline* pipeline() { return pipeline_.get(); }
  const std::vector<TcpEvent>& classified() const { return classified_; }
  double elapsed_s() const { return elapsed_s_; }
  // Share of the file that was read, 0 to 1; may be asked by another thread while run() goes on.
  double progress() const { return progress_.load(std::memory_order_relaxed); }

 private:
  bool open();

  ReplayOptions options_;
  std::string error_;
  PcapFile file_;
  PcapWriter writer_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<Pipeline> pipeline_;
  std::vector<TcpEvent> classified_;
  double elapsed_s_ = 0;
  std::atomic<double> progress_{0};
};

}  // namespace headgate
