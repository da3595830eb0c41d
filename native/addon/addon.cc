// Node-API only: check arguments, convert, no logic. Each file here registers its own functions.
#include <napi.h>

namespace {

Napi::Object register_all(Napi::Env, Napi::Object exports) { return exports; }

}  // namespace

NODE_API_MODULE(headgate, register_all)
