// One capture file through the pipeline, with the capture's own clock.
//
// A large file is shared out by session among several workers, one to a processor: each reads all of it and follows
// its share. Reading costs a sixth of following, so nothing needs to be handed from thread to thread.
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
  uint64_t half_share = 0;      // see PipelineSettings: what is told of is collected
  HashKey half_key{};
  bool with_frames = false;     // collect the frame numbers of all segments that are not simply new
  uint32_t session_slots = 0;   // 0: by the size of the file
  unsigned workers = 0;         // 0: by the size of the file and the machine; those that write have one
};

class Replay {
 public:
  explicit Replay(ReplayOptions options);

  // Reads the file to its end. Errors are in `error` (of ours) and `file` (of the capture). Any thread, once.
  void run();

  const ReplayOptions& options() const { return options_; }
  // Empty, or why nothing could be done: bad tables, no memory, the output cannot be written.
  const std::string& error() const { return error_; }
  const PcapFile& file() const { return shares_[0]->file; }
  // One for each worker; what they counted adds up. Empty when run() failed before it opened the file.
  const std::vector<Pipeline*>& pipelines() const { return pipelines_; }
  // In the order of the file.
  const std::vector<TcpEvent>& classified() const { return classified_; }
  const std::vector<hg_half_segment>& halves() const { return halves_; }
  double elapsed_s() const { return elapsed_s_; }
  // Share of the file that was read, 0 to 1; may be asked by another thread while run() goes on.
  double progress() const { return progress_.load(std::memory_order_relaxed); }

 private:
  struct Share {
    PcapFile file;
    std::unique_ptr<Memory> memory;
    std::unique_ptr<Pipeline> pipeline;
    std::vector<TcpEvent> classified;
    std::vector<hg_half_segment> halves;
  };
  bool open();
  bool prepare(Share& share, const PipelineSettings& settings);
  void follow(Share& share, unsigned index);

  ReplayOptions options_;
  std::string error_;
  PcapWriter writer_;
  std::unique_ptr<Tables> tables_;
  std::vector<std::unique_ptr<Share>> shares_;
  std::vector<Pipeline*> pipelines_;
  std::vector<TcpEvent> classified_;
  std::vector<hg_half_segment> halves_;
  double elapsed_s_ = 0;
  std::atomic<double> progress_{0};
};

}  // namespace headgate
