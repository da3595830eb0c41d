#include "kernel/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "abi/gate.h"

namespace headgate {
namespace {

// One program at each hook, found again by these.
constexpr uint32_t kHandle = 1;
constexpr uint32_t kPriority = 1;
// BPF_TCX_INGRESS and EGRESS, which the headers of Linux 6.1 do not have: since 6.6 programs stand at a port without a
// queueing discipline and its classifier, which costs a twelfth less of a packet's way.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46), kTcxEgress = static_cast<bpf_attach_type>(47);

bpf_tc_hook classifier_hook(uint32_t interface, Hook at) {
  bpf_tc_hook hook = {};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(interface);
  hook.attach_point = at == Hook::Ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

int attach_classifier(uint32_t interface, Hook at, int program, bool* added_qdisc) {
  bpf_tc_hook hook = classifier_hook(interface, at);
  const int created = bpf_tc_hook_create(&hook);
  if (created != 0 && created != -EEXIST) return created;
  *added_qdisc = created == 0;
  bpf_tc_opts options = {};
  options.sz = sizeof options;
  options.prog_fd = program;
  options.handle = kHandle;
  options.priority = kPriority;
  options.flags = BPF_TC_F_REPLACE;
  return bpf_tc_attach(&hook, &options);
}

// Below libbpf, whose version here knows no such hook. `before`: the program to be replaced, or -1.
int call_tcx(bpf_cmd command, uint32_t interface, Hook at, int program, int before) {
  bpf_attr attr = {};
  attr.target_fd = interface;  // target_ifindex, which these headers do not name
  attr.attach_bpf_fd = static_cast<uint32_t>(program);
  attr.attach_type = at == Hook::Ingress ? kTcxIngress : kTcxEgress;
  if (before >= 0) {
    attr.attach_flags = BPF_F_REPLACE;
    attr.replace_bpf_fd = static_cast<uint32_t>(before);
  }
  return syscall(__NR_bpf, command, &attr, sizeof attr) == 0 ? 0 : -errno;
}

int attach_tcx(uint32_t interface, Hook at, int program, const std::string& pin) {
  const int before = bpf_obj_get(pin.c_str());
  int error = before >= 0 ? call_tcx(BPF_PROG_ATTACH, interface, at, program, before) : -ENOENT;
  // An interface that was made anew has none, whatever is pinned.
  if (error == -ENOENT) error = call_tcx(BPF_PROG_ATTACH, interface, at, program, -1);
  if (before >= 0) ::close(before);
  if (error != 0) return error;
  unlink(pin.c_str());
  if (bpf_obj_pin(program, pin.c_str()) == 0) return 0;
  error = -errno;
  call_tcx(BPF_PROG_DETACH, interface, at, program, -1);
  return error;
}

}  // namespace

int attach(uint32_t interface, Hook hook, uint32_t kind, int program, const std::string& pin, bool* added_qdisc) {
  *added_qdisc = false;
  // In the driver or not at all: the kernel's generic XDP is slower than tc.
  if (kind == HG_PROGRAM_XDP)
    return bpf_xdp_attach(static_cast<int>(interface), program, XDP_FLAGS_DRV_MODE, nullptr);
  const int error = attach_tcx(interface, hook, program, pin);
  return error == -EINVAL ? attach_classifier(interface, hook, program, added_qdisc) : error;
}

void detach(uint32_t interface, Hook at, uint32_t kind, const std::string& pin, bool with_qdisc) {
  if (kind == HG_PROGRAM_XDP) {
    bpf_xdp_detach(static_cast<int>(interface), XDP_FLAGS_DRV_MODE, nullptr);
    return;
  }
  if (const int program = bpf_obj_get(pin.c_str()); program >= 0) {
    call_tcx(BPF_PROG_DETACH, interface, at, program, -1);
    ::close(program);
    unlink(pin.c_str());
    return;
  }
  bpf_tc_hook hook = classifier_hook(interface, at);
  bpf_tc_opts options = {};
  options.sz = sizeof options;
  options.handle = kHandle;
  options.priority = kPriority;
  bpf_tc_detach(&hook, &options);
  if (!with_qdisc) return;
  hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  bpf_tc_hook_destroy(&hook);
}

}  // namespace headgate
