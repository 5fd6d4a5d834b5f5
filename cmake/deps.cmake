# Third-party libraries. Debian packages come through pkg-config; libduckdb is brought by `./dev`
# into build/deps/duckdb (see cmake/duckdb.lock) and is loaded at run time, so only its header is
# needed here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

foreach(module jansson libcrypto libxxhash libjpeg spng libwebp libutf8proc libpcre2-8
               libarchive yaml-0.1 libseccomp liblbfgs)
  string(REGEX REPLACE "[^a-z0-9]" "_" target ${module})
  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${module})
endforeach()
# libvips is loaded at run time as well: its headers, without its libraries.
pkg_check_modules(vips REQUIRED vips)

set(KEN_DUCKDB_DIR ${CMAKE_SOURCE_DIR}/build/deps/duckdb CACHE PATH
  "folder that holds duckdb.h and libduckdb.so")
add_library(ken_duckdb_header INTERFACE)
target_include_directories(ken_duckdb_header SYSTEM INTERFACE ${KEN_DUCKDB_DIR})
