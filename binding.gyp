{
  # The one native module. native/Makefile builds the same sources without Node for tests and fuzzers.
  'targets': [
    {
      'target_name': 'headgate',
      'sources': [
        'native/addon/addon.cc',
      ],
      'include_dirs': [
        "<!@(node -p \"require('node-addon-api').include\")",
        'native',
      ],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
      'libraries': ['-lz'],
      'cflags!': ['-fno-omit-frame-pointer', '-O2'],
      'cflags_cc!': ['-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-O2'],
      'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti'],
    },
  ],
}
