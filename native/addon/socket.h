#pragma once
#include <napi.h>

namespace headgate {

void register_socket(Napi::Env env, Napi::Object exports);

}  // namespace headgate
