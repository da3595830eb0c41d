// Questions and orders about interfaces by ioctl, in the network namespace of the calling thread.
#pragma once
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace headgate {

class ControlSocket {
 public:
  ControlSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~ControlSocket() {
    if (fd_ >= 0) close(fd_);
  }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // What names an interface. The name is shorter than IFNAMSIZ, or it names none.
  static ifreq about(const std::string& name) {
    ifreq ask = {};
    name.copy(ask.ifr_name, IFNAMSIZ - 1);
    return ask;
  }

  bool call(unsigned long request, ifreq* ask) const { return ioctl(fd_, request, ask) == 0; }

  template <typename Command>
  bool ethtool(const std::string& name, Command* command) const {
    ifreq ask = about(name);
    ask.ifr_data = reinterpret_cast<char*>(command);
    return call(SIOCETHTOOL, &ask);
  }

  // A flag-like value of ethtool's; `otherwise` where the interface does not tell.
  uint32_t ethtool_value_of(const std::string& name, uint32_t command, uint32_t otherwise) const {
    ethtool_value ask = {command, 0};
    return ethtool(name, &ask) ? ask.data : otherwise;
  }

  // Sets or clears an interface's flag (IFF_...); whether it has it now as wanted.
  bool set_flag(const std::string& name, int flag, bool on, bool* has_changed = nullptr) const {
    ifreq ask = about(name);
    if (!call(SIOCGIFFLAGS, &ask)) return false;
    const bool is_so = ((ask.ifr_flags & flag) != 0) == on;
    if (has_changed != nullptr) *has_changed = false;
    if (is_so) return true;
    ask.ifr_flags = static_cast<short>(ask.ifr_flags ^ flag);
    const bool is_done = call(SIOCSIFFLAGS, &ask);
    if (has_changed != nullptr) *has_changed = is_done;
    return is_done;
  }

 private:
  int fd_;
};

}  // namespace headgate
