// Node-API only: check arguments, convert, no logic. Each file here registers its own functions.
#include <napi.h>

#include "addon/dns.h"
#include "addon/notify.h"
#include "addon/peer.h"
#include "addon/replay.h"
#include "addon/socket.h"
#include "addon/wire.h"

namespace {

Napi::Object register_all(Napi::Env env, Napi::Object exports) {
  headgate::register_dns(env, exports);
  headgate::register_notify(env, exports);
  headgate::register_peer(env, exports);
  headgate::register_replay(env, exports);
  headgate::register_socket(env, exports);
  headgate::register_wire(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(headgate, register_all)
