#include "kernel/spreader.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

namespace headgate {

void Spreader::Closer::operator()(bpf_object* object) const { bpf_object__close(object); }

std::optional<Failure> Spreader::open(const std::string& object) {
  libbpf_set_print(nullptr);
  object_.reset(bpf_object__open_file(object.c_str(), nullptr));
  const int error = object_ ? bpf_object__load(object_.get()) : -errno;
  if (error != 0)
    return Failure{error == -EPERM || error == -EACCES ? "no_capability" : "driver_unfit",
                   "loading " + object + " for a wire with several workers failed: " + strerror(-error) +
                       "; workers: 1 needs no program"};
  program_ = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "spread"));
  return std::nullopt;
}

}  // namespace headgate
