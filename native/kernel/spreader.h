// The program that spreads packets among packet loops (spread.bpf.c), loaded.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "drivers/failure.h"

struct bpf_object;

namespace headgate {

class Spreader {
 public:
  // `object`: path of the compiled program.
  std::optional<Failure> open(const std::string& object);
  // As PACKET_FANOUT_DATA takes it, which keeps the program when this is gone; owned by the spreader.
  int program() const { return program_; }

 private:
  struct Closer {
    void operator()(bpf_object* object) const;
  };
  std::unique_ptr<bpf_object, Closer> object_;
  int program_ = -1;
};

}  // namespace headgate
