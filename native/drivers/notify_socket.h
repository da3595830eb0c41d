// The service manager's notification socket (sd_notify(3)).
#pragma once
#include <string>

namespace headgate {

// Sends `state` ("READY=1", "WATCHDOG=1", …) as one datagram to the unix socket `path`; a leading '@' means the abstract
// namespace. False when it could not be sent: the service manager is then told nothing, which is all that can be done.
bool notify(const std::string& path, const std::string& state);

}  // namespace headgate
